// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"io"

	"syd/conformance"
)

func schemaVerb(args []string, stdout, stderr io.Writer) int {
	set := newFlagSet("schema", "schema", stdout, stderr)
	if status, ok := set.noArguments(args); !ok {
		return status
	}
	fmt.Fprint(stdout, conformance.ReportSchema)
	return 0
}
