package config

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// expand replaces ${NAME} by the value of the environment variable NAME, and
// $$ by one dollar sign. What a variable holds is not expanded again.
func expand(s string) (string, error) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "$")
		b.WriteString(before)
		switch {
		case !found:
			return b.String(), nil
		case strings.HasPrefix(after, "$"):
			b.WriteByte('$')
			s = after[1:]
			continue
		case !strings.HasPrefix(after, "{"):
			return "", errors.New("a dollar sign is written $$, an environment variable ${NAME}")
		}
		name, rest, closed := strings.Cut(after[1:], "}")
		if !closed || name == "" {
			return "", errors.New("${ without a name and a closing }; a dollar sign is written $$")
		}
		value, ok := os.LookupEnv(name)
		if !ok {
			return "", fmt.Errorf("environment variable %s is not set", name)
		}
		b.WriteString(value)
		s = rest
	}
}
