// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A thread bound to one processor ran there last, whatever its name is.
func TestLastCPU(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	all, err := Affinity()
	if err != nil {
		t.Fatal(err)
	}
	defer SetAffinity(&all)
	name := []byte("a) R 1 (b\x00")
	if err := unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	for cpu := range len(all) * 64 {
		if !all.IsSet(cpu) {
			continue
		}
		var one CPUSet
		one.Set(cpu)
		if err := SetAffinity(&one); err != nil {
			t.Fatal(err)
		}
		if got, ok := LastCPU(unix.Gettid()); !ok || got != cpu {
			t.Errorf("LastCPU = %d, %v on processor %d", got, ok, cpu)
		}
	}
	if _, ok := LastCPU(1 << 30); ok {
		t.Error("a task that isn't there ran somewhere")
	}
}
