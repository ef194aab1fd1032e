package auth

// Methods are the names of all authentication methods.
func Methods() []string { return allMethods() }

// ValidName checks the name of a user, an alias or a group.
func ValidName(name string) error { return validName(name) }

// SourceID checks a source and returns its id: its own, or one that follows from
// what it says.
func SourceID(s *Source) (string, error) {
	if err := s.validate(); err != nil {
		return "", err
	}
	return s.id(), nil
}
