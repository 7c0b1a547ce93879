// SPDX-License-Identifier: GPL-3.0-or-later

// Command sydtest judges a build of syd, from outside, by what it does.
package main

import (
	"fmt"
	"io"
	"os"

	_ "syd/conformance"
	"syd/conformance/engine"
	"syd/conformance/guest"
	"syd/conformance/report"
)

// A verb is one command of sydtest, in a file of its own.
type verb struct {
	name string
	help string
	run  func(args []string, stdout, stderr io.Writer) int
}

var verbs = []verb{
	{"run", "run the suite against a build", runVerb},
	{"list", "list specs, clauses, capabilities or fixtures", listVerb},
	{"doctor", "say what this kernel and machine can do", doctorVerb},
	{"kernels", "run the suite on other kernels, in guests", kernelsVerb},
	{"bench", "measure what a build costs, as ratios to native", benchVerb},
	{"schema", "print the JSON Schema of the reports", schemaVerb},
}

func main() {
	// The first process of a guest is this program, too; see conformance/guest.
	if guest.IsInit() {
		guest.Init()
	}
	// A worker is this program again; see conformance/engine.
	if len(os.Args) == 3 && os.Args[1] == engine.WorkerFlag {
		os.Exit(engine.Worker(os.Args[2]))
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		usage(stderr)
		return report.ExitUsage
	}
	switch args[0] {
	case "help", "-h", "--help":
		usage(stdout)
		return 0
	}
	for _, v := range verbs {
		if v.name == args[0] {
			return v.run(args[1:], stdout, stderr)
		}
	}
	fmt.Fprintf(stderr, "sydtest: there is no verb %q; `sydtest help` lists them\n", args[0])
	return report.ExitUsage
}

func usage(w io.Writer) {
	fmt.Fprint(w, "usage: sydtest VERB [OPTION...]\n\n")
	for _, v := range verbs {
		fmt.Fprintf(w, "  %-8s %s\n", v.name, v.help)
	}
	fmt.Fprint(w, "\n`sydtest VERB --help` lists the options of a verb.\n")
}
