// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Getenv looks an environment variable up.
type Getenv func(name string) (value string, set bool)

// special are the characters of a variable's value that a pattern would take for
// something else.
const special = "*?[]{},\\$!# "

// expand puts the values of variables in, $NAME and ${NAME}; a backslash before
// `$` leaves it. In a pattern a value stands for itself, whatever is in it. Where
// something is wrong, at is a byte of text.
func expand(text string, pattern bool, getenv Getenv) (expanded string, wrong *mistake) {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			if pattern || text[i+1] != '$' {
				out.WriteByte('\\')
			}
			i++
			out.WriteByte(text[i])
		case text[i] != '$':
			out.WriteByte(text[i])
		default:
			name, length := variable(text[i+1:])
			if name == "" {
				return "", &mistake{i, "a variable's name after `$`: $NAME or ${NAME} (`\\$` is the character)"}
			}
			value, set := "", false
			if getenv != nil {
				value, set = getenv(name)
			}
			switch {
			case !set:
				return "", &mistake{i, name + " to be set in the environment"}
			case !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl):
				return "", &mistake{i, "UTF-8 without control characters in " + name}
			}
			for _, c := range value {
				if pattern && strings.ContainsRune(special, c) {
					out.WriteByte('\\')
				}
				out.WriteRune(c)
			}
			i += length
		}
	}
	return out.String(), nil
}

// variable reads what follows `$`, and says how much of it that is.
func variable(text string) (name string, length int) {
	text, braces := strings.CutPrefix(text, "{")
	n := 0
	for n < len(text) && (text[n] == '_' || text[n]|0x20 >= 'a' && text[n]|0x20 <= 'z' || n > 0 && text[n] >= '0' && text[n] <= '9') {
		n++
	}
	switch {
	case !braces:
		return text[:n], n
	case n < len(text) && text[n] == '}':
		return text[:n], n + 2
	}
	return "", 0
}
