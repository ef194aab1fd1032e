package auth

import (
	"crypto/tls"
	"errors"
	"fmt"
)

// The channel bindings that wamp-scram and cryptosign know (RFC 5929, RFC 9266).
const (
	bindingUnique   = "tls-unique"
	bindingExporter = "tls-exporter"
)

// channelLen is the length in bytes of what tls-exporter binds to.
const channelLen = 32

// channel returns what identifies the TLS connection under a binding. Both need
// TLS 1.3 or the extended master secret, without which two connections can be
// given the same one (RFC 7627); tls-unique ends with TLS 1.2.
func channel(state *tls.ConnectionState, binding string) ([]byte, error) {
	switch {
	case binding != bindingUnique && binding != bindingExporter:
		return nil, fmt.Errorf("unknown channel binding %.64q: use %s or %s", binding, bindingExporter, bindingUnique)
	case state == nil || !state.HandshakeComplete:
		return nil, errors.New("the connection has no TLS")
	case binding == bindingUnique && len(state.TLSUnique) == 0:
		return nil, fmt.Errorf("this TLS connection has no %s: use %s", bindingUnique, bindingExporter)
	}
	exported, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", []byte{}, channelLen)
	if err != nil {
		return nil, errors.New("the TLS connection has no extended master secret: use TLS 1.3")
	}
	if binding == bindingUnique {
		return state.TLSUnique, nil
	}
	return exported, nil
}
