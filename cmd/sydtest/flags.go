// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"syd/conformance/report"
)

// A flagSet is a verb's options: flag.FlagSet with its help on stdout and its
// errors in one line.
type flagSet struct {
	*flag.FlagSet
	synopsis       string
	stdout, stderr io.Writer
}

func newFlagSet(name, synopsis string, stdout, stderr io.Writer) *flagSet {
	set := &flagSet{flag.NewFlagSet(name, flag.ContinueOnError), synopsis, stdout, stderr}
	set.SetOutput(io.Discard)
	return set
}

// parse says whether to go on, and if not with which exit status.
func (s *flagSet) parse(args []string) (status int, ok bool) {
	args = slices.Clone(args)
	for i, arg := range args {
		// -j4 is how everyone writes it.
		if number, short := strings.CutPrefix(arg, "-j"); short && number != "" && strings.Trim(number, "0123456789") == "" {
			args[i] = "-j=" + number
		}
	}
	switch err := s.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		s.help()
		return 0, false
	case err != nil:
		fmt.Fprintf(s.stderr, "sydtest %s: %v (`sydtest %s --help` lists the options)\n", s.Name(), err, s.Name())
		return report.ExitUsage, false
	}
	return 0, true
}

// noArguments is parse for verbs that take options only.
func (s *flagSet) noArguments(args []string) (status int, ok bool) {
	if status, ok := s.parse(args); !ok {
		return status, false
	}
	if s.NArg() > 0 {
		fmt.Fprintf(s.stderr, "sydtest %s: unexpected argument %q\n", s.Name(), s.Arg(0))
		return report.ExitUsage, false
	}
	return 0, true
}

func (s *flagSet) help() {
	fmt.Fprintf(s.stdout, "usage: sydtest %s\n", s.synopsis)
	first := true
	s.VisitAll(func(f *flag.Flag) {
		if first {
			fmt.Fprintln(s.stdout)
			first = false
		}
		value, help := flag.UnquoteUsage(f)
		dashes := "--"
		if len(f.Name) == 1 {
			dashes = "-"
		}
		fmt.Fprintf(s.stdout, "  %-22s %s\n", dashes+f.Name+" "+value, help)
	})
}
