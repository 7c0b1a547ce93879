// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/onsi/gomega"

	"syd/conformance/bpf"
	"syd/conformance/confinement"
	"syd/conformance/harness"
	"syd/fixtures"
)

// A target is the fixture `supervisor target threads`, whose filters are known.
type target struct {
	fixture     string
	cmd         *exec.Cmd
	stdin       io.Closer
	first, then int // its threads
}

func startTarget(t *testing.T) *target {
	t.Helper()
	if !testing.Short() {
		t.Skip("the suite has run in this process, and reaps what it starts: go test -short")
	}
	dir := t.TempDir()
	if err := fixtures.Extract(dir); err != nil {
		t.Skip(err)
	}
	one := &target{fixture: fixtures.Path(dir, "supervisor")}
	if output, err := exec.Command(one.fixture, "probe").CombinedOutput(); err != nil {
		t.Skipf("filters can't be read here: %v %s", err, output)
	}
	one.cmd = exec.Command(one.fixture, "target", "threads")
	stdout, err := one.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if one.stdin, err = one.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := one.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(stdout); (one.first == 0 || one.then == 0) && lines.Scan(); {
		fmt.Sscanf(lines.Text(), "ready tid:%d", &one.first)
		fmt.Sscanf(lines.Text(), "thread tid:%d", &one.then)
	}
	return one
}

// say runs a command of the fixture.
func (one *target) say(t *testing.T, args ...string) harness.Result {
	t.Helper()
	output, err := exec.Command(one.fixture, args...).Output()
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return harness.Result{Stdout: string(output)}
}

func (one *target) end(t *testing.T) syscall.WaitStatus {
	t.Helper()
	one.stdin.Close()
	_ = one.cmd.Wait() // its status is looked at
	return one.cmd.ProcessState.Sys().(syscall.WaitStatus)
}

func TestFiltersAreRead(t *testing.T) {
	gomega.RegisterTestingT(t)
	one := startTarget(t)
	chains := chainsOf(one.say(t, "filters", fmt.Sprint(one.first)))
	if len(chains) != 2 || len(chains[one.first]) != 1 || len(chains[one.then]) != 2 {
		t.Fatalf("%v", chains)
	}
	for _, c := range []struct {
		thread int
		call   string
		want   bpf.Action
	}{
		{one.first, "getpgid", bpf.KillProcess}, {one.first, "getsid", bpf.Allow}, {one.first, "getpid", bpf.Allow},
		{one.then, "getpgid", bpf.KillProcess}, {one.then, "getsid", bpf.Fail(syscall.EPERM)}, {one.then, "getpid", bpf.Allow},
	} {
		if got := chains[c.thread].Run(bpf.Data{NR: confinement.Number(c.call), Arch: bpf.ArchAMD64}); got != c.want {
			t.Errorf("%s of %v: %v, not %v", c.call, c, got, c.want)
		}
	}
	if status := one.end(t); !status.Exited() || status.ExitStatus() != 7 {
		t.Errorf("status %#x: it did not go on as before", status)
	}
}

func TestCallsAreMade(t *testing.T) {
	one := startTarget(t)
	for thread, want := range map[int]string{
		one.first: fmt.Sprintf("result %d\nresult -38\n", one.first),
		one.then:  fmt.Sprintf("result %d\nresult -38\nresult -1\n", one.first),
	} {
		calls := []string{"inject", fmt.Sprint(thread), namedCall("getpid"), rawCall("syscall", 9999)}
		if thread == one.then {
			calls = append(calls, namedCall("getsid", 0))
		}
		if got := one.say(t, calls...).Stdout; got != want {
			t.Errorf("thread %d: %q, not %q", thread, got, want)
		}
	}
	if status := one.end(t); status.ExitStatus() != 7 {
		t.Errorf("status %#x: the calls that it slept in were not restarted", status)
	}
}

func TestDeathsAreSeen(t *testing.T) {
	one := startTarget(t)
	if got := one.say(t, "inject", fmt.Sprint(one.then), namedCall("getpid"), namedCall("getpgid", 0), namedCall("getpid")).Stdout; got != fmt.Sprintf("result %d\ndied SIGSYS\n", one.first) {
		t.Errorf("%q", got)
	}
	if status := one.end(t); status.Signal() != syscall.SIGSYS {
		t.Errorf("status %#x", status)
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", one.first)); err == nil {
		t.Error("it is still there")
	}
}
