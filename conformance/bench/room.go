// SPDX-License-Identifier: GPL-3.0-or-later

package bench

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"syd/conformance/report"
)

const (
	// spareTasks is left to everyone else on the machine.
	spareTasks = 1000
	// taskMemory is what a sleeping task takes at most, in KiB: kernel stack,
	// page tables and the pages that it wrote to, on either side of the tracer.
	taskMemory = 256
)

// A machine is where the limits on live tasks are read.
type machine struct {
	proc, cgroup string
	// userLimit is RLIMIT_NPROC, or none for who is exempt from it.
	userLimit func() uint64
}

var thisMachine = machine{"/proc", "/sys/fs/cgroup", userLimit}

func userLimit() uint64 {
	var limit unix.Rlimit
	if os.Geteuid() == 0 || unix.Getrlimit(unix.RLIMIT_NPROC, &limit) != nil {
		return math.MaxUint64
	}
	return limit.Cur
}

// lacksRoom says why this many tasks cannot live here; nil if they can.
func (m machine) lacksRoom(tasks int) *report.Record {
	running := m.running()
	needed := uint64(tasks + running + spareTasks)
	limits := []struct {
		what  string
		limit uint64
		probe string
	}{
		{"process numbers", m.number("sys/kernel/pid_max"), "/proc/sys/kernel/pid_max"},
		{"threads", m.number("sys/kernel/threads-max"), "/proc/sys/kernel/threads-max"},
		{"processes of this user", m.userLimit(), "getrlimit(RLIMIT_NPROC)"},
		{"tasks in this control group", m.groupLimit(), "pids.max"},
		{"tasks' memory", m.memory() / taskMemory, "MemAvailable in /proc/meminfo"},
	}
	for _, l := range limits {
		if l.limit < needed {
			return &report.Record{
				Capability: "live-tasks",
				Required:   fmt.Sprintf("%d %s", needed, l.what),
				Observed:   fmt.Sprintf("room for %d", l.limit),
				Probe:      l.probe,
			}
		}
	}
	return nil
}

// running is the number of tasks that there are: the second number of
// /proc/loadavg's fourth field.
func (m machine) running() int {
	fields := strings.Fields(m.read("loadavg"))
	if len(fields) < 4 {
		return 0
	}
	_, all, _ := strings.Cut(fields[3], "/")
	n, _ := strconv.Atoi(all)
	return n
}

func (m machine) memory() uint64 {
	for line := range strings.Lines(m.read("meminfo")) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "MemAvailable:" {
			return parseLimit(fields[1])
		}
	}
	return math.MaxUint64
}

// groupLimit is the tightest pids.max from this process's control group upwards.
func (m machine) groupLimit() uint64 {
	limit := uint64(math.MaxUint64)
	for line := range strings.Lines(m.read("self/cgroup")) {
		path, unified := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !unified {
			continue
		}
		for dir := filepath.Clean("/" + path); ; dir = filepath.Dir(dir) {
			if text, err := os.ReadFile(filepath.Join(m.cgroup, dir, "pids.max")); err == nil {
				limit = min(limit, parseLimit(strings.TrimSpace(string(text))))
			}
			if dir == "/" {
				break
			}
		}
	}
	return limit
}

func (m machine) number(name string) uint64 { return parseLimit(strings.TrimSpace(m.read(name))) }

// parseLimit takes what is no number ("max", or a file that isn't there) for no
// limit.
func parseLimit(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return math.MaxUint64
	}
	return n
}

func (m machine) read(name string) string {
	content, err := os.ReadFile(filepath.Join(m.proc, name))
	if err != nil {
		return ""
	}
	return string(content)
}
