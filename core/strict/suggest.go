package strict

import "fmt"

// maxSuggested bounds the length in bytes of a name that is worth comparing.
const maxSuggested = 64

// Suggest is a remark that names the known word nearest to word, or "" when
// none is near.
func Suggest(word string, known []string) string {
	if len(word) > maxSuggested {
		return ""
	}
	best, least := "", 1+(len(word)+2)/3
	for _, k := range known {
		if d := distance(word, k); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// distance is the Levenshtein distance of two words in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
