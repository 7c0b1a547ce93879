// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"io"

	"syd/conformance"
	"syd/conformance/guest"
)

func schemaVerb(args []string, stdout, stderr io.Writer) int {
	var grid bool
	set := newFlagSet("schema", "schema [OPTION]", stdout, stderr)
	set.BoolVar(&grid, "kernels", false, "that of the report of sydtest kernels")
	if status, ok := set.noArguments(args); !ok {
		return status
	}
	schema := conformance.ReportSchema
	if grid {
		schema = guest.Schema
	}
	fmt.Fprint(stdout, schema)
	return 0
}
