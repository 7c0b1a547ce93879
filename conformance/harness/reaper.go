// SPDX-License-Identifier: GPL-3.0-or-later

package harness

import (
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"syd/conformance/capability"
)

var reaperOnce sync.Once

// startReaper reaps, as init would, the orphans that this process inherits as a
// subreaper. Children that a Proc waits for are left to it.
func startReaper() {
	reaperOnce.Do(func() {
		capability.Run = func(cmd *exec.Cmd) error {
			started.Lock()
			defer started.Unlock()
			return cmd.Run()
		}
		wake := make(chan os.Signal, 1)
		signal.Notify(wake, syscall.SIGCHLD)
		go func() {
			for range wake {
				reapOrphans()
				// A storm of deaths is handled in batches.
				time.Sleep(time.Millisecond)
			}
		}()
	})
}

func reapOrphans() {
	self := os.Getpid()
	mine := children(self)
	if !hasChildrenFile {
		mine = allProcesses()[self]
	}
	started.Lock()
	defer started.Unlock()
	for _, p := range mine {
		if _, known := started.pids[p.PID]; known || !p.dead() {
			continue
		}
		_, _ = unix.Wait4(p.PID, nil, unix.WNOHANG|unix.WALL, nil)
	}
}
