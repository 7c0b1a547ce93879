// SPDX-License-Identifier: GPL-3.0-or-later

package syd

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"syd/syd/kernel"
	"syd/syd/kernel/spawn"
	"syd/syd/policy"
)

// school is a run that makes a policy.
type school struct {
	file    string
	fd      int // opened before the start: nothing can be opened later
	of      string
	lessons *policy.Lessons
}

// enrol opens the file that o names, which is emptied; nil: it names none.
func enrol(o Options, p *policy.Policy) (*school, error) {
	if o.Learn == "" {
		return nil, nil
	}
	s := &school{file: o.Learn, of: fmt.Sprintf("%.200q", o.Argv), lessons: policy.NewLessons(p)}
	var err error
	if s.fd, err = kernel.CreateRegular(o.Learn); err != nil {
		return nil, s.wrong(err)
	}
	return s, nil
}

// graduate writes the policy down.
func (s *school) graduate(status Exit) (Exit, error) {
	text, whole := s.lessons.Text()
	head := "# What syd --learn saw of " + s.of + "\n"
	if !whole {
		head += "# Not all of it: there were too many paths.\n"
	}
	_, err := kernel.WriteAll(s.fd, []byte(head+text))
	switch {
	case err != nil:
		err = s.wrong(err)
		return exitOf(err), err
	case !whole:
		return status, fmt.Errorf("--learn: %s: not all that the program needs: there were too many paths", s.file)
	}
	return status, nil
}

// wrong is err, said of the file.
func (s *school) wrong(err error) error {
	errno, says := syscall.EINVAL, "expected a regular file"
	if of, ok := errors.AsType[syscall.Errno](err); ok {
		errno, says = of, spawn.Strerror(of)
	}
	return &learnError{errno, fmt.Sprintf("--learn: %s: %s", s.file, says)}
}

// learnError is a policy that can't be written.
type learnError struct {
	errno syscall.Errno
	says  string
}

func (e *learnError) Error() string { return e.says }
func (e *learnError) Unwrap() error { return e.errno }

// LearnsInto says whether a policy may be written to a file of this name, as one
// that can be read again.
func LearnsInto(name string) bool { return strings.HasSuffix(name, policy.Extension) }
