// SPDX-License-Identifier: GPL-3.0-or-later

package catalogue

// Overview is the smoke specs of `sydtest kernels --smoke`: of each family one
// that starts few programs, since every start costs ten times as much in a guest
// whose CPU is emulated.
var Overview = []string{
	"API-06.1", "CFG-12.2", "CNF-23.4", "EVT-EXE-03.1", "EVT-EXT-01.1", "EVT-FRK-05.1", "EVT-SCM-02.2", "EVT-SIG-01.7", "EVT-SYX-02.3",
	"GHO-01.2", "LCH-06.2", "LCH-13.1", "LCK-03.1", "LOG-01.1", "PRC-06.15", "PTH-07.1", "TRC-07.1",
}
