// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// mistake is what is wrong with a command: the byte at which it shows and what
// was expected there.
type mistake struct {
	at       int
	expected string
}

// statement is a command taken apart: its key, the operator after it (0: none,
// ' ': a blank) and what follows, and where the two begin.
type statement struct {
	key       string
	op        byte
	arg       string
	keyAt, at int
}

// maxLine bounds a command. Paths have at most 4,096 bytes (PATH_MAX); a pattern
// with alternatives may be longer.
const maxLine = 16 << 10

const blanks = " \t"

// lex takes a line apart. There is no statement on an empty line and in a
// comment.
func lex(line string) (s statement, found bool, wrong *mistake) {
	start := len(line) - len(strings.TrimLeft(line, blanks))
	if start == len(line) || line[start] == '#' {
		return s, false, nil
	}
	if wrong := misprint(line, start); wrong != nil {
		return s, true, wrong
	}
	s.key, s.keyAt, s.at = line[start:], start, len(line)
	if i := strings.IndexAny(s.key, ":+-^!?"+blanks); i >= 0 {
		s.op, s.arg = s.key[i], strings.TrimLeft(s.key[i+1:], blanks)
		if strings.IndexByte(blanks, s.op) >= 0 {
			s.op = ' '
		} else {
			s.arg = s.key[i+1:] // a blank after an operator is part of the value
		}
		s.key, s.at = s.key[:i], len(line)-len(s.arg)
	}
	return s, true, nil
}

// misprint finds what no command may have in it.
func misprint(line string, start int) *mistake {
	if len(line)-start > maxLine {
		return &mistake{start + maxLine, "the end of a command, which has at most 16384 bytes"}
	}
	escaped := false
	for i, c := range line[start:] {
		i += start
		switch {
		case c == utf8.RuneError && !strings.HasPrefix(line[i:], "\uFFFD"):
			return &mistake{i, "UTF-8"}
		case unicode.IsControl(c):
			return &mistake{i, "no control character (`?` in a pattern stands for any)"}
		case c == '#' && !escaped && strings.IndexByte(blanks, line[i-1]) >= 0 && !blankEscaped(line[:i-1]):
			return &mistake{i, "no comment behind a command (` \\#` in a pattern is no comment)"}
		}
		escaped = c == '\\' && !escaped
	}
	if last := len(line) - 1; line[last] == ' ' && !blankEscaped(line[:last]) {
		return &mistake{last, "no blank at the end (`\\ ` in a pattern is part of the name)"}
	}
	return nil
}

// blankEscaped says whether a backslash takes what follows before as it is.
func blankEscaped(before string) bool {
	return (len(before)-len(strings.TrimRight(before, `\`)))%2 == 1
}
