// SPDX-License-Identifier: GPL-3.0-or-later

package harness

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	"golang.org/x/sys/unix"
)

// A Process is one process as /proc shows it.
type Process struct {
	PID     int
	PPID    int
	Group   int
	Session int
	State   string // R, S, D, T, t, Z, X
	Name    string
	start   string // boot time ticks: with the PID an identity
}

// State is the state letter of a process or thread, "" when it is gone.
func State(pid int) string {
	process, _ := readProcess(pid)
	return process.State
}

// Kill sends a signal to one process or thread by its number, as printed by a
// fixture. A number that means more than one process is an error of the spec:
// specs run as root.
func Kill(pid int, sig syscall.Signal) {
	GinkgoHelper()
	if pid <= 1 {
		broke("send %s to %d: that is no process of the spec's", SignalName(sig), pid)
	}
	if err := unix.Kill(pid, sig); err != nil {
		Fail(fmt.Sprintf("send %s to %d: %v", SignalName(sig), pid, err))
	}
}

// Alive says whether the process exists and is no zombie.
func Alive(pid int) bool {
	process, ok := readProcess(pid)
	return ok && !process.dead()
}

func (p Process) dead() bool { return p.State == "Z" || p.State == "X" }

func readProcess(pid int) (Process, bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return Process{}, false
	}
	// The name may hold spaces and parentheses: the last one ends it.
	text := string(stat)
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || end < 0 {
		return Process{}, false
	}
	fields := strings.Fields(text[end+1:])
	if len(fields) < 20 {
		return Process{}, false
	}
	p := Process{PID: pid, State: fields[0], Name: text[open+1 : end], start: fields[19]}
	p.PPID, _ = strconv.Atoi(fields[1])
	p.Group, _ = strconv.Atoi(fields[2])
	p.Session, _ = strconv.Atoi(fields[3])
	return p, true
}

// children is the direct children of a process, zombies too.
func children(pid int) []Process {
	tasks, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
	if err != nil {
		return nil
	}
	var all []Process
	for _, task := range tasks {
		list, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/task/" + task.Name() + "/children")
		if err != nil {
			continue
		}
		for _, word := range strings.Fields(string(list)) {
			number, err := strconv.Atoi(word)
			if err != nil {
				continue
			}
			if child, ok := readProcess(number); ok {
				all = append(all, child)
			}
		}
	}
	return all
}

// hasChildrenFile says whether the kernel has /proc/PID/task/TID/children
// (CONFIG_PROC_CHILDREN).
var hasChildrenFile = func() bool {
	_, err := os.Stat("/proc/thread-self/children")
	return err == nil
}()

func allProcesses() map[int][]Process {
	byParent := map[int][]Process{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		number, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if p, ok := readProcess(number); ok {
			byParent[p.PPID] = append(byParent[p.PPID], p)
		}
	}
	return byParent
}

// descendants is every process below pid that is not dead.
func descendants(pid int) []Process {
	next := children
	if !hasChildrenFile {
		byParent := allProcesses()
		next = func(pid int) []Process { return byParent[pid] }
	}
	var found []Process
	seen := map[int]bool{}
	queue := next(pid)
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		if seen[p.PID] {
			continue
		}
		seen[p.PID] = true
		if !p.dead() {
			found = append(found, p)
		}
		queue = append(queue, next(p.PID)...)
	}
	return found
}

// kill kills exactly this process: a PID that was recycled meanwhile is spared.
func (p Process) kill() {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if now, ok := readProcess(p.PID); ok && now.start == p.start {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
}

// describe is one line a process, for messages.
func describe(processes []Process) string {
	var b strings.Builder
	for i, p := range processes {
		if i == 20 {
			fmt.Fprintf(&b, "  ... and %d more\n", len(processes)-i)
			break
		}
		fmt.Fprintf(&b, "  %d (parent %d) %s %s", p.PID, p.PPID, p.State, p.Name)
		for _, file := range []string{"wchan", "syscall"} {
			if content, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.PID, file)); err == nil {
				fmt.Fprintf(&b, " %s=%s", file, strings.TrimSpace(string(content)))
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
