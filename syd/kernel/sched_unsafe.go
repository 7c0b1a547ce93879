// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"bytes"
	"strconv"

	"golang.org/x/sys/unix"
)

// CPUSet is a set of processors.
type CPUSet = unix.CPUSet

// Affinity is the set that the calling thread may run on.
func Affinity() (set CPUSet, err error) {
	err = unix.SchedGetaffinity(0, &set)
	return set, err
}

// SetAffinity binds the calling thread to set.
func SetAffinity(set *CPUSet) error { return unix.SchedSetaffinity(0, set) }

// LastCPU is the processor that tid last ran on: field 39 of /proc/tid/stat
// (proc_pid_stat(5)).
func LastCPU(tid int) (int, bool) {
	fields, err := statFields(tid)
	if err != nil {
		return 0, false
	}
	cpu, err := strconv.Atoi(string(fields[36]))
	return cpu, err == nil
}

// statFields are those of /proc/tid/stat from the third on. The second, the
// name, may hold anything: count from its last `)`.
func statFields(tid int) ([][]byte, error) {
	text, err := readProc("/proc/" + strconv.Itoa(tid) + "/stat")
	if err != nil {
		return nil, err
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 37 {
		return nil, unix.ESRCH
	}
	return fields, nil
}
