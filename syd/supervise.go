// SPDX-License-Identifier: GPL-3.0-or-later

package syd

import (
	"fmt"
	"os"
	"strings"
)

// supervise runs f in a goroutine: the only way to start one. A panic in it
// ends the process, and with it, by EXITKILL, every tracee.
func supervise(f func()) {
	go func() {
		defer Recover()
		f()
	}()
}

// Recover is to be deferred first in the goroutine of Run: a panic ends the
// sandbox with one line and status 127, never with a tracee left to itself.
func Recover() {
	if cause := recover(); cause != nil {
		fmt.Fprintf(os.Stderr, "syd: panic: %s\n", strings.ReplaceAll(fmt.Sprint(cause), "\n", " "))
		os.Exit(int(StatusFault))
	}
}
