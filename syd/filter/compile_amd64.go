// SPDX-License-Identifier: GPL-3.0-or-later

package filter

import (
	seccomp "github.com/seccomp/libseccomp-golang"

	"syd/syd/kernel"
)

// compat are the other ABIs that a tracee may use.
var compat = []callABI{{kernel.ArchCompat, seccomp.ArchX86}}
