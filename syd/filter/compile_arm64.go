// SPDX-License-Identifier: GPL-3.0-or-later

package filter

// compat are the other ABIs that a tracee may use: none. Few arm64 machines can run
// AArch32 programs at all.
var compat []callABI
