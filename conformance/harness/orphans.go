// SPDX-License-Identifier: GPL-3.0-or-later

package harness

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// KillTree kills a process and all below it.
func KillTree(pid int) {
	tree := descendants(pid)
	if self, ok := readProcess(pid); ok {
		tree = append(tree, self)
	}
	for _, p := range tree {
		p.kill()
	}
}

// KillOrphans kills and reaps the children of this process that keep does not
// know, and all below them, until there are none: what a dead worker left.
func KillOrphans(keep func(pid int) bool) {
	for until := time.Now().Add(5 * time.Second); time.Now().Before(until); {
		found := false
		mine := children(os.Getpid())
		if !hasChildrenFile {
			mine = allProcesses()[os.Getpid()]
		}
		for _, p := range mine {
			if keep(p.PID) {
				continue
			}
			found = true
			KillTree(p.PID)
			_, _ = unix.Wait4(p.PID, nil, unix.WNOHANG|unix.WALL, nil)
		}
		if !found {
			return
		}
		time.Sleep(time.Millisecond)
	}
}
