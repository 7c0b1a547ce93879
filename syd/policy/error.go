// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Error is something that was refused.
type Error struct {
	Where  string // FILE:3:12, -m:1:12, -P
	Text   string // the command, or the name of the file or profile
	Reason error
}

func (e *Error) Error() string { return e.Where + ": " + quote(e.Text) + ": " + e.Reason.Error() }
func (e *Error) Unwrap() error { return e.Reason }

// Errors is all that was refused, in order.
type Errors []*Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap is the errors, for package errors.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, one := range e {
		all[i] = one
	}
	return all
}

// expectedError is the reason of a command that is not in the language.
type expectedError string

func (e expectedError) Error() string { return "expected " + string(e) }

// position names a place, whatever is in the name.
func position(name string, line, column int) string {
	if quoted := strconv.Quote(name); quoted != `"`+name+`"` {
		name = quoted
	}
	return fmt.Sprintf("%s:%d:%d", name, line, column)
}

// maxQuoted is how much of a command an error shows.
const maxQuoted = 200

func quote(text string) string {
	if len(text) <= maxQuoted {
		return strconv.Quote(text)
	}
	cut := maxQuoted
	for cut > maxQuoted-utf8.UTFMax && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return strconv.Quote(text[:cut]) + "..."
}
