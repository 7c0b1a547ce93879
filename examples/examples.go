// SPDX-License-Identifier: GPL-3.0-or-later

// Package examples is policies of a few lines for programs of the real world, to
// read, copy and change.
package examples

import "embed"

// Files are they: NAME.syd-3.
//
//go:embed *.syd-3
var Files embed.FS
