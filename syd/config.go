// SPDX-License-Identifier: GPL-3.0-or-later

package syd

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"syd/syd/kernel"
	"syd/syd/kernel/spawn"
	"syd/syd/policy"
)

// Command is a piece of configuration, and where it stands.
type Command = policy.Command

// Kind is what a Command's text is.
type Kind = policy.Kind

// The kinds of commands: a line of the language, a file's name, a profile's.
const (
	Line    = policy.Line
	File    = policy.File
	Profile = policy.Profile
)

// ConfigErrors is all that is wrong with a configuration.
type ConfigErrors = policy.Errors

// Profiles are the names of the built-in profiles.
func Profiles() []string { return policy.Profiles() }

// maxConfig is what a file of configuration may have.
const maxConfig = 1 << 20

// configure makes the policy. Files are read here, before anything is confined.
func configure(o Options) (*policy.Policy, error) {
	return policy.ParseIn(o.Config, policy.Sources{Read: readConfig, Getenv: lookup})
}

// lookup is the environment for configurations: PWD is where we are, whatever
// was handed down, and HOME is the user's if none was.
func lookup(name string) (value string, set bool) {
	if name == "PWD" {
		wd, err := syscall.Getwd()
		return wd, err == nil && strings.HasPrefix(wd, "/")
	}
	value, set = os.LookupEnv(name)
	if name == "HOME" && !set {
		if user, ok := account(os.Getuid()); ok {
			return user.home, true
		}
	}
	return value, set
}

// Configuration is the policy that o asks for, as commands. Nothing is started.
func Configuration(o Options) (string, Exit, error) {
	p, err := configure(o)
	if err != nil {
		return "", exitOf(err), err
	}
	return p.Text(), 0, nil
}

// readConfig reads a file that only root or the caller may have written.
func readConfig(name string) (policy.Source, error) {
	f, err := kernel.ReadRegular(name, maxConfig)
	switch {
	case err == kernel.ErrNotRegular:
		return policy.Source{}, errors.New("expected a regular file")
	case err == kernel.ErrTooLong:
		return policy.Source{}, errors.New("expected at most 1 MiB")
	case err != nil:
		return policy.Source{}, &fileError{err.(syscall.Errno)}
	case f.Mode&0o002 != 0:
		return policy.Source{}, errors.New("expected a file that not everybody may write (chmod o-w)")
	case f.UID != 0 && int(f.UID) != os.Getuid():
		return policy.Source{}, errors.New("expected a file of root's or your own")
	}
	return policy.Source{Text: string(f.Content), Identity: fmt.Sprint(f.Identity)}, nil
}

// fileError is a file that could not be read.
type fileError struct{ errno syscall.Errno }

func (e *fileError) Error() string { return spawn.Strerror(e.errno) }
func (e *fileError) Unwrap() error { return e.errno }
