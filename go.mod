// SPDX-License-Identifier: GPL-3.0-or-later
module syd

go 1.26.0

require (
	github.com/seccomp/libseccomp-golang v0.11.1
	github.com/spf13/pflag v1.1.0
	golang.org/x/sys v0.49.0
)

require golang.org/x/net v0.56.0
