// SPDX-License-Identifier: GPL-3.0-or-later

package guest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// emulator is a script in qemu's place, which has the console's path as $console,
// that of the results as $results, and this boot's number as $nonce.
func emulator(t *testing.T, script string) Machine {
	t.Helper()
	path := filepath.Join(t.TempDir(), "qemu")
	const head = `#!/bin/sh
for word; do
	case $word in
	file:*console.log) console=${word#file:} ;;
	file:*) results=${word#file:} ;;
	*sydtest.guest=*) nonce=${word##*sydtest.guest=}; nonce=${nonce%% *} ;;
	esac
done
`
	if err := os.WriteFile(path, []byte(head+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return Machine{Arch: Arches[0], Accel: "tcg", QEMU: path, Memory: 64, CPUs: 1, Limit: time.Minute, Patience: 300 * time.Millisecond, BootBound: 600 * time.Millisecond}
}

const hello = `echo "guest: init $nonce Linux 6.12.1-test" >$console; echo "start LCH-01.1" >>$console; `

// TestBoot has guests that end in every way, and looks at what is left of them.
func TestBoot(t *testing.T) {
	for _, c := range []struct {
		name, script string
		fate         Fate
		words        string
		change       func(*Machine)
	}{
		{name: "comes and goes", script: hello, fate: PoweredOff, words: "LCH-01.1"},
		{name: "falls silent", script: hello + "exec sleep 60", fate: Hung, words: "LCH-01.1"},
		{name: "never speaks", script: "exec sleep 60", fate: NoBoot, words: "first process"},
		{name: "ticks for ever", script: hello + "while :; do echo tick >>$console; sleep 0.05; done", fate: Overtime, words: "not done after", change: func(m *Machine) { m.Limit = time.Second }},
		{name: "panics", script: hello + `echo "[    5.1] Kernel panic - not syncing: x" >>$console`, fate: Panicked, words: "x"},
		{name: "does not start", script: "echo no such machine >&2; exit 1", fate: Emulator, words: "no such machine"},
		{name: "sends noise", script: hello + "echo noise >$results", fate: Truncated, words: "no archive"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := emulator(t, c.script)
			if c.change != nil {
				c.change(&m)
			}
			o, nonce, err := m.Boot(context.Background(), "vmlinux", "initrd", t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			fate, why, _ := Classify(o, Want{Nonce: nonce, Runs: wanted.Runs})
			if fate != c.fate || !strings.Contains(why, c.words) {
				t.Errorf("%s: %s; want %s: ...%s...", fate, why, c.fate, c.words)
			}
			if strings.Contains(c.script, "start LCH") && o.FirstSpec == 0 {
				t.Error("the first spec was not seen")
			}
		})
	}
}

func TestBootIsInterrupted(t *testing.T) {
	m := emulator(t, "exec sleep 60")
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, _, err := m.Boot(ctx, "vmlinux", "initrd", t.TempDir()); err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}

func TestTrial(t *testing.T) {
	for script, good := range map[string]bool{
		`echo "guest: init $nonce Linux 6.12" >$console`: true, "": false, "exit 1": false,
	} {
		m := emulator(t, script)
		if err := m.Trial(context.Background(), "vmlinux", "initrd", t.TempDir()); (err == nil) != good {
			t.Errorf("%q: %v", script, err)
		}
	}
}

func TestMethod(t *testing.T) {
	for _, c := range []struct {
		name, asked string
		modules     []string
		trial       error
		accel       string
		words       string
	}{
		{"no module", "auto", nil, nil, "tcg", "no kvm module"},
		{"a module for other guests", "auto", []string{"kvm", "kvm_pvm"}, nil, "tcg", "kvm_pvm"},
		{"a module that works", "auto", []string{"kvm", "kvm_intel"}, nil, "kvm", "came up"},
		{"a module that does not", "auto", []string{"kvm", "kvm_amd"}, os.ErrClosed, "tcg", "did not come up"},
		{"forced to emulate", "tcg", []string{"kvm_intel"}, nil, "tcg", "asked for"},
		{"forced and works", "kvm", []string{"kvm_pvm"}, nil, "kvm", "came up"},
		{"forced and does not", "kvm", []string{"kvm_intel"}, os.ErrClosed, "", "did not come up"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, m := range c.modules {
				if err := os.Mkdir(filepath.Join(dir, m), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			arch := Arches[0]
			if arch.Name != "amd64" {
				t.Skip("modules of amd64")
			}
			m, err := ChooseMethod(c.asked, arch, dir, func() error { return c.trial })
			text := m.Evidence
			if err != nil {
				text = err.Error()
			}
			if m.Accel != c.accel || (err == nil) != (c.accel != "") || !strings.Contains(text, c.words) {
				t.Errorf("%+v %v", m, err)
			}
		})
	}
}

// TestInitIsForGuests: on this machine the first process' role does nothing,
// whoever calls it.
func TestInitIsForGuests(t *testing.T) {
	if IsInit() {
		t.Fatal("a test is taken for the first process of a guest")
	}
	for _, c := range []struct {
		pid  int
		name string
		root int64
		job  bool
		want bool
	}{
		{1, initPath, 0x858458f6, true, true}, {1, initPath, 0x01021994, true, true},
		{2, initPath, 0x858458f6, true, false}, {1, "sydtest", 0x858458f6, true, false}, {1, initPath, 0xef53, true, false}, {1, initPath, 0x858458f6, false, false},
	} {
		if got := isInit(c.pid, c.name, c.root, c.job); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	os.Args[0] = initPath
	Init() // returns
	if IsInit() {
		t.Fatal("a test is taken for the first process of a guest by its name")
	}
}

// TestRealDeaths boots real kernels, which are in the cache, into their deaths.
func TestRealDeaths(t *testing.T) {
	if testing.Short() {
		t.Skip("boots guests: not with -short")
	}
	qemu, err := FindQEMU(Arches[0])
	if err != nil {
		t.Skip(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip(err)
	}
	kernels, _ := filepath.Glob(filepath.Join(cache, "sydtest", "kernels", "amd64", "*", "vmlinux"))
	if len(kernels) == 0 {
		t.Skip("no kernel is in the cache: run `sydtest kernels` first")
	}
	empty, nothing := filepath.Join(t.TempDir(), "initrd"), tree{}
	file, err := os.Create(empty)
	if err != nil {
		t.Fatal(err)
	}
	if err := nothing.write(file); err != nil {
		t.Fatal(err)
	}
	file.Close()
	for _, c := range []struct {
		name  string
		fate  Fate
		extra []string
		limit time.Duration
	}{
		{"nothing to start", NoInit, []string{"rdinit=/nonexistent"}, time.Minute},
		{"no time", Overtime, nil, time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := Machine{Arch: Arches[0], Accel: "tcg", QEMU: qemu, Memory: 512, CPUs: 1, Limit: c.limit, Extra: c.extra}
			o, nonce, err := m.Boot(context.Background(), kernels[0], empty, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if fate, why, _ := Classify(o, Want{Nonce: nonce}); fate != c.fate {
				t.Errorf("%s: %s\n%s", fate, why, o.Console)
			}
		})
	}
	t.Run("no such machine", func(t *testing.T) {
		m := Machine{Arch: Arches[0], Accel: "nonsense", QEMU: qemu, Memory: 512, CPUs: 1, Limit: time.Minute}
		o, _, err := m.Boot(context.Background(), kernels[0], empty, t.TempDir())
		if fate, why, _ := Classify(o, Want{}); err != nil || fate != Emulator {
			t.Errorf("%v %s: %s", err, fate, why)
		}
	})
}
