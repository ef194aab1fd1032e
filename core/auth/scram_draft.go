package auth

import (
	"encoding/base64"

	"bondy/core/wamp"
)

// methodDraftSCRAM is wamp-scram in a draft that Crossbar.io and Autobahn|Python
// implement, on offer wherever MethodSCRAM is. It has no channel binding, nor a
// place for one in the proof; it calls Argon2id by another name and derives from
// the hash as text; AUTHENTICATE does not repeat the nonce, which the proof covers;
// and WELCOME has the server's signature by another name.
const methodDraftSCRAM = "scram"

// name is what the client calls the method.
func (s *scram) name() string {
	if s.draft {
		return methodDraftSCRAM
	}
	return MethodSCRAM
}

// sign puts the ServerSignature where the client looks for it.
func (s *scram) sign(id *Identity, signature string) {
	if s.draft {
		id.Extra, id.Alias = wamp.Dict{"scram_server_signature": signature}, methodDraftSCRAM
		return
	}
	id.Extra = wamp.Dict{"verifier": signature}
}

// drafted is CHALLENGE.Extra in the draft's words.
func drafted(challenge wamp.Dict) wamp.Dict {
	if challenge["kdf"] == string(KDFArgon2id) {
		challenge["kdf"] = "argon2id-13"
	}
	if challenge["memory"] == nil {
		delete(challenge, "memory") // the draft's clients want a number
	}
	return challenge
}

// printed is the SaltedPassword of the draft with Argon2id: what implementations
// of it print.
func printed(root []byte) []byte {
	return base64.RawStdEncoding.AppendEncode(nil, root)
}
