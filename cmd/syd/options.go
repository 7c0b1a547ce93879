// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"syd/syd"
)

type verb int

const (
	verbRun verb = iota
	verbHelp
	verbVersion
	verbAPI
	verbCheck
	verbExport
	verbProfiles
	verbPrint
	verbShell
)

// later are the options of Syd that this version does not have yet: naming one
// is an error, so that nobody believes it to be in force.
var later = []struct {
	short, long string
	value       bool
	what        string
}{
	{"c", "command", true, "running a shell command"},
	{"f", "fakeroot", false, "a fake root mapping"},
	{"l", "login", false, "login shells"},
	{"q", "quick-boot", false, "a quick start"},
	{"t", "", false, "this option"},
	{"", "el", false, "the Emacs Lisp library"},
}

// options are what the command line asks for.
type options struct {
	syd.Options
	filter, format string // to be exported
}

// parse reads the command line. Options end at the first word that isn't one. An
// empty one asks for a login shell.
func parse(args []string) (options, verb, error) {
	var o options
	if len(args) == 0 {
		o.Options = syd.Login()
		return o, verbRun, nil
	}
	chosen := verbRun
	f := pflag.NewFlagSet("syd", pflag.ContinueOnError)
	f.SetInterspersed(false)
	f.SetOutput(io.Discard)
	f.Usage = func() {}

	option := func(short, long string, value bool, set func(string) error) {
		if long == "" {
			long = "option-" + short
		}
		if value {
			f.VarP(setter(set), long, short, "")
			return
		}
		f.VarPF(setter(func(v string) error {
			if v != noValue {
				return errors.New("expected no value")
			}
			return set(v)
		}), long, short, "").NoOptDefVal = noValue
	}
	is := func(v verb) func(string) error { return func(string) error { chosen = v; return nil } }
	option("h", "help", false, is(verbHelp))
	option("V", "version", false, is(verbVersion))
	option("", "api", false, is(verbAPI))
	option("", "check", false, is(verbCheck))
	option("", "sh", false, is(verbShell))
	option("x", "observe", false, func(string) error { o.Observe = true; return nil })
	option("", "learn", true, func(v string) error {
		if !syd.LearnsInto(v) {
			return errors.New("expected a file's name, NAME.syd-3")
		}
		o.Learn = v
		return nil
	})
	option("a", "arg0", true, func(v string) error { o.Arg0 = v; return nil })
	configure := func(where string, kind syd.Kind) func(string) error {
		return func(v string) error {
			o.Config = append(o.Config, syd.Command{Where: where, Text: v, Kind: kind})
			return nil
		}
	}
	option("m", "magic", true, configure("-m", syd.Line))
	option("P", "profile-file", true, configure("-P", syd.File))
	useProfile := configure("-p", syd.Profile)
	option("p", "profile", true, func(v string) error {
		if v == "list" {
			chosen = verbProfiles
			return nil
		}
		return useProfile(v)
	})
	option("", "print", false, is(verbPrint))
	option("e", "env", true, func(v string) error {
		if name, _, _ := strings.Cut(v, "="); name == "" || strings.ContainsRune(v, 0) {
			return errors.New("expected VAR=VAL, VAR or VAR=")
		}
		o.Env = append(o.Env, v)
		return nil
	})
	option("E", "export", true, func(v string) error {
		names, formats := syd.Exports()
		o.filter, o.format, _ = strings.Cut(v, ":")
		chosen = verbExport
		if !slices.Contains(names, o.filter) || !slices.Contains(formats, o.format) {
			return fmt.Errorf("expected FILTER:FORMAT, of %s and %s", strings.Join(names, " "), strings.Join(formats, " "))
		}
		return nil
	})
	for _, l := range later {
		option(l.short, l.long, l.value, func(string) error {
			return fmt.Errorf("%s comes with a later version of syd", l.what)
		})
	}
	if option := passedOver(f, args); option != "" {
		return o, chosen, fmt.Errorf("unknown option: -%s", option)
	}
	if err := f.Parse(args); err != nil {
		return o, chosen, err
	}
	o.Argv = f.Args()
	if chosen == verbRun && len(o.Argv) == 0 {
		return o, chosen, errors.New("expected a command to run after the options: syd -p off -- COMMAND (syd -h for help)")
	}
	if o.Observe && o.Learn != "" {
		return o, chosen, errors.New("expected one of -x and --learn")
	}
	return o, chosen, nil
}

// noValue stands for the value of an option that takes none: no argument has a
// NUL in it, so it can't be written.
const noValue = "\x00"

// passedOver finds the first short options that pflag would leave out without a
// word, for they look like those of go test: -test.v.
func passedOver(f *pflag.FlagSet, args []string) string {
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && args[0] != "--" {
		arg := args[0]
		args = args[1:]
		var last *pflag.Flag // takes the next argument, if it takes a value
		if name, long := strings.CutPrefix(arg, "--"); long {
			last = f.Lookup(name)
		} else {
			for shorts := arg[1:]; shorts != ""; shorts = shorts[1:] {
				if strings.HasPrefix(shorts, "test.") {
					return shorts
				}
				flag := f.ShorthandLookup(shorts[:1])
				if flag == nil {
					return "" // which pflag refuses
				}
				if flag.NoOptDefVal == "" {
					if len(shorts) == 1 {
						last = flag
					}
					break // the rest is its value
				}
			}
		}
		if last != nil && last.NoOptDefVal == "" && len(args) > 0 {
			args = args[1:]
		}
	}
	return ""
}

// setter is a pflag.Value that only sets.
type setter func(string) error

func (s setter) Set(value string) error { return s(value) }
func (s setter) String() string         { return "" }
func (s setter) Type() string           { return "value" }
