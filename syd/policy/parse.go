// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"unicode/utf8"
)

// Kind is what a Command's text is.
type Kind uint8

// The kinds of commands.
const (
	Line    Kind = iota // one command of the language
	File                // the name of a file of commands
	Profile             // the name of a built-in profile
)

// Command is a piece of configuration, and where it stands: an option's name.
type Command struct {
	Where, Text string
	Kind        Kind
}

// Source is a file's content, and an identity by which it is known however it
// is named.
type Source struct{ Text, Identity string }

// Reader reads a file of commands.
type Reader func(name string) (Source, error)

// Bounds on what is read, so that no configuration takes long: files inside each
// other, text altogether (each file counts as 4 KiB more), errors that are told.
const (
	maxDepth  = 16
	maxText   = 2 << 20
	fileCost  = 4 << 10
	maxErrors = 1000
)

const tooMuch = expectedError("at most 2 MiB of configuration")

// Language is the version of the language, and Extension what names of files of
// commands end in.
const (
	Language  = 3
	Extension = ".syd-3"
)

// Sources are where a configuration comes from, besides its commands.
type Sources struct {
	Read   Reader
	Getenv Getenv // for config/expand, and for profiles
}

// Parse builds the policy that commands, in order, make of the closed one,
// without an environment. The error is an Errors: all there are.
func Parse(commands []Command, read Reader) (*Policy, error) {
	return ParseIn(commands, Sources{Read: read})
}

// ParseIn is Parse with all that commands may refer to.
func ParseIn(commands []Command, from Sources) (*Policy, error) {
	r := &reading{draft: newDraft(), from: from, left: maxText}
	for _, c := range commands {
		switch c.Kind {
		case Line:
			r.line(place{name: c.Where, option: true}, 1, c.Text)
		case File:
			r.file(c.Where, place{}, c.Text)
		case Profile:
			r.profile(c.Where, c.Text)
		}
	}
	if len(r.errs) > 0 {
		return nil, r.errs
	}
	return r.draft.policy(), nil
}

// reading is a Parse under way.
type reading struct {
	draft *draft
	from  Sources
	open  []string // identities of the files and profiles that we are in
	left  int      // of maxText
	errs  Errors
}

// place is a text that commands stand in: what errors call it, the directory
// that its includes are relative to, with a slash at its end, whether it is an
// option's value, which has to be a command, or a built-in profile, which has
// variables and may include files that need not be there.
type place struct {
	name, dir       string
	option, profile bool
}

// fail notes an error; nothing more is read once there are enough.
func (r *reading) fail(where, text string, reason error) {
	if r.full() {
		return
	}
	r.errs = append(r.errs, &Error{where, text, reason})
	if r.full() {
		r.errs = append(r.errs, &Error{where, text, errors.New("too many errors: what follows was not read")})
	}
}

func (r *reading) full() bool { return len(r.errs) >= maxErrors }

// text reads the commands of a file or profile.
func (r *reading) text(in place, text string) {
	for number := 1; text != "" && !r.full(); number++ {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		if strings.Trim(line, blanks) == "" {
			continue
		}
		r.line(in, number, line)
	}
}

// line carries out one command.
func (r *reading) line(in place, number int, line string) {
	refuse := func(at int, expected string) {
		column := utf8.RuneCountInString(line[:at]) + 1
		r.fail(position(in.name, number, column), strings.TrimLeft(line, blanks), expectedError(expected))
	}
	s, found, wrong := lex(line)
	at := func() string { return position(in.name, number, utf8.RuneCountInString(line[:s.at])+1) }
	expanded := wrong == nil && strings.Contains(s.arg, "$") && (in.profile || r.draft.p.expand > 0)
	if expanded {
		wrong = r.expand(&s)
	}
	switch {
	case wrong != nil:
		refuse(wrong.at, wrong.expected)
	case !found && in.option:
		refuse(0, anyCommand)
	case !found:
	case s.op == ' ' && s.key == "include", s.op == ' ' && s.key == includeExisting && in.profile:
		r.file(at(), place{dir: in.dir, profile: s.key == includeExisting}, s.arg)
	case s.op == ' ' && s.key == "include_profile":
		r.profile(at(), s.arg)
	case s.key == "reset" && s.op == 0:
		r.draft = newDraft()
	default:
		wrong := r.draft.apply(s)
		switch {
		case wrong != nil && expanded: // what stands behind a variable stands elsewhere now
			refuse(min(wrong.at, s.at), wrong.expected)
		case wrong != nil:
			refuse(wrong.at, wrong.expected)
		}
	}
}

// includeExisting is include of built-in profiles: no file, no matter.
const includeExisting = "include_existing"

// expand puts the variables of a command's value in.
func (r *reading) expand(s *statement) *mistake {
	head, tail, _ := strings.Cut(s.key, "/")
	_, isAction := lookup(actionNames[:], head)
	pattern := isAction && tail != "" || s.key == "mask" || s.key == "append"
	arg, wrong := expand(s.arg, pattern, r.from.Getenv)
	if wrong != nil {
		return &mistake{s.at + wrong.at, wrong.expected}
	}
	s.arg = arg
	return nil
}

// file reads the commands of the file name, which from includes: a profile
// does without.
func (r *reading) file(where string, from place, name string) {
	if !strings.HasPrefix(name, "/") {
		name = from.dir + name
	}
	if !strings.HasSuffix(name, Extension) {
		r.fail(where, name, expectedError("a name that ends in "+Extension))
		return
	}
	if r.left < 0 {
		r.fail(where, name, tooMuch)
		return
	}
	source, err := Source{}, fs.ErrNotExist
	if r.from.Read != nil {
		source, err = r.from.Read(name)
	}
	switch {
	case from.profile && errors.Is(err, fs.ErrNotExist):
		return
	case err != nil:
		r.fail(where, name, err)
		return
	}
	in := place{name: name, dir: name[:strings.LastIndexByte(name, '/')+1]}
	r.enter(where, "file "+source.Identity, in, source.Text)
}

// profile reads the commands of a built-in profile.
func (r *reading) profile(where, name string) {
	text, ok := profile(name)
	if !ok {
		r.fail(where, name, errors.New("unknown profile: expected "+strings.Join(Profiles(), ", ")))
		return
	}
	r.enter(where, "profile "+name, place{name: name + Extension, profile: true}, text)
}

// enter reads a text unless we are in it already, or have read too much.
func (r *reading) enter(where, identity string, in place, text string) {
	r.left -= len(text) + fileCost
	switch {
	case slices.Contains(r.open, identity):
		r.fail(where, in.name, expectedError("a file that does not include itself"))
	case len(r.open) == maxDepth:
		r.fail(where, in.name, expectedError("at most 16 files inside each other"))
	case r.left < 0:
		r.fail(where, in.name, tooMuch)
	default:
		r.open = append(r.open, identity)
		r.text(in, text)
		r.open = r.open[:len(r.open)-1]
	}
}
