package pki

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
)

// keyCommand is "bondy pki key FILE": it makes a key for the authentication
// method cryptosign.
func keyCommand(out io.Writer) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key FILE",
		Short: "Make a key for cryptosign and print its public half",
		Long: `Make an Ed25519 key with which a client or an uplink logs in by cryptosign. The
seed is written to FILE, in hex and readable by its owner alone, for --key-file
or key_file; the public key is printed, for authorized_keys of the user.`,
		RunE: func(_ *cobra.Command, args []string) error {
			public, err := NewLoginKey(args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(out, hex.EncodeToString(public))
			return err
		},
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error { return asUsage(cobra.ExactArgs(1)(cmd, args)) }
	return cmd
}

// NewLoginKey writes the hex seed of a new Ed25519 key to a file that does not
// exist yet, with mode 0600, and returns the public key.
func NewLoginKey(path string) (ed25519.PublicKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator names the file
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s exists: remove it first if its key is not needed any more", path)
	}
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintln(f, hex.EncodeToString(private.Seed()))
	return public, errors.Join(err, f.Sync(), f.Close())
}
