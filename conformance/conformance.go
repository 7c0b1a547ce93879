// SPDX-License-Identifier: GPL-3.0-or-later

// Package conformance holds the specs of what a build of syd does, one file a
// surface (NAME_specs.go). README.md says how to add one.
package conformance

import _ "embed"

// ReportSchema is the JSON Schema of the report that `sydtest run --json` writes.
//
//go:embed report.schema.json
var ReportSchema string

// SpecsPerClause is the least number of specs that every clause in scope needs.
const SpecsPerClause = 3
