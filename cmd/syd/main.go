// SPDX-License-Identifier: GPL-3.0-or-later

// Command syd runs a program in a sandbox: see `syd -h`.
package main

import (
	"os"

	"syd/syd"
)

func main() {
	defer syd.Recover()
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}
