package systest_test

import (
	"encoding/json"
	"os/exec"
	"regexp"
	"strings"
)

// served is a running bondy serve whose configuration has log.format = "json".
type served struct {
	*process
	// urls are where it listens, by service; a listener with more than one
	// service is listed for each. Sockets in the file system are left out.
	urls map[string]string
}

var ready = regexp.MustCompile(`"msg":"ready"`)

// serveNode runs cmd until it says that it is ready.
func serveNode(cmd *exec.Cmd) (*served, error) {
	p, err := start(cmd)
	if err != nil {
		return nil, err
	}
	if err := p.await(ready); err != nil {
		p.kill()
		return nil, err
	}
	n := &served{process: p, urls: map[string]string{}}
	for line := range strings.Lines(p.stderr.String()) {
		var record struct{ Msg, Address, Services string }
		if json.Unmarshal([]byte(line), &record) != nil || record.Msg != "listening" || strings.HasPrefix(record.Address, "unix:") {
			continue
		}
		for service := range strings.SplitSeq(record.Services, ",") {
			n.urls[service] = serviceURL(service, record.Address)
		}
	}
	return n, nil
}

// listener is the table of a listener on a free port of loopback, with its
// services, which commas part, and more lines.
func listener(services string, lines ...string) string {
	services = strings.ReplaceAll(services, ",", `", "`)
	return "\n[[listener]]\naddress = \"127.0.0.1:0\"\nservices = [\"" + services + "\"]\n" + strings.Join(append(lines, ""), "\n")
}

func serviceURL(service, address string) string {
	switch service {
	case "websocket":
		return "ws://" + address + "/ws"
	case "longpoll":
		return "http://" + address + "/wamp/longpoll"
	case "rawsocket":
		return "tcp://" + address
	}
	return "http://" + address
}
