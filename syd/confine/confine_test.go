// SPDX-License-Identifier: GPL-3.0-or-later

package confine

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"syd/syd/filter"
	"syd/syd/kernel"
)

// The main goroutine stays on the main thread, as in syd: it is what Enter
// confines as the tracer.
func init() { runtime.LockOSThread() }

// acts are what a confined process of its own does: this one would never be
// rid of the filters again.
var acts = map[string]func(*Plan){
	"nothing": func(*Plan) {},
	"close":   func(*Plan) { kernel.Close(1 << 20) },
	"collect": func(*Plan) {
		for range 50 {
			_ = make([]byte, 1<<20)
			runtime.GC()
		}
	},
	"start threads": func(p *Plan) {
		done := make(chan error)
		for range 20 {
			go func() {
				runtime.LockOSThread()
				done <- p.Thread(filter.Writer)
			}()
		}
		for range 20 {
			if err := <-done; err != nil {
				panic(err)
			}
		}
	},
	"read status": func(*Plan) { must(kernel.ReadStatus(os.Getpid())) },
	"read status as a worker": func(p *Plan) {
		elsewhere(func() {
			runtime.LockOSThread()
			if os.Getenv("SYD_TEST_FREE") == "" {
				must(kernel.Status{}, p.Thread(filter.Worker))
			}
			must(kernel.ReadStatus(os.Getpid()))
		})
	},
	"unguarded":      func(*Plan) { syscall.Close(1 << 20) },
	"open":           func(*Plan) { os.Open("/dev/null") },
	"execute":        func(*Plan) { syscall.Exec("/bin/true", []string{"true"}, nil) },
	"fork":           func(*Plan) { exec.Command("/bin/true").Run() },
	"connect":        func(*Plan) { net.Dial("tcp", "127.0.0.1:1") },
	"capability":     func(*Plan) { syscall.Sethostname([]byte("x")) },
	"read elsewhere": func(*Plan) { elsewhere(func() { os.ReadFile("/proc/self/status") }) },
	"exec elsewhere": func(*Plan) { elsewhere(func() { syscall.Exec("/bin/true", []string{"true"}, nil) }) },
	"measure": func(*Plan) {
		fmt.Fprintf(os.Stderr, "%d\n", perCall().Nanoseconds())
	},
}

func must(_ kernel.Status, err error) {
	if err != nil {
		panic(err)
	}
}

func elsewhere(f func()) {
	done := make(chan bool)
	go func() { f(); close(done) }()
	<-done
}

// perCall is the median time that a guarded call takes, in batches.
func perCall() time.Duration {
	const batches, batch = 300, 200
	times := make([]time.Duration, batches)
	for i := range times {
		start := time.Now()
		for range batch {
			kernel.Close(1 << 20)
		}
		times[i] = time.Since(start) / batch
	}
	slices.Sort(times)
	return times[batches/2]
}

func TestMain(m *testing.M) {
	act := acts[os.Getenv("SYD_TEST_ACT")]
	if act == nil {
		os.Exit(m.Run())
	}
	syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}) // some acts are to die
	o := Options{LogFD: 2}
	o.NoCookies = os.Getenv("SYD_TEST_NOCOOKIE") != ""
	plan, err := New(o)
	if err == nil && os.Getenv("SYD_TEST_FREE") == "" {
		err = plan.Enter(-1)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	act(plan)
	os.Exit(0)
}

// confined runs an act in a process of its own.
func confined(t testing.TB, act string, env ...string) (status syscall.WaitStatus, stderr string) {
	t.Helper()
	var text strings.Builder
	// setpriv gives it no_new_privs, which syd's constructor sets for itself.
	cmd := exec.Command("setpriv", "--no-new-privs", os.Args[0])
	// One arena of libc's allocator, as syd's constructor has it.
	cmd.Env = append(append(os.Environ(), "SYD_TEST_ACT="+act, "GLIBC_TUNABLES=glibc.malloc.arena_max=1", "GORACE=atexit_sleep_ms=0"), env...)
	cmd.Stderr = &text
	cmd.Run()
	return cmd.ProcessState.Sys().(syscall.WaitStatus), text.String()
}

func TestWhatIsNeededWorks(t *testing.T) {
	for _, act := range []string{"nothing", "close", "collect", "start threads", "read status as a worker"} {
		for _, env := range []string{"A=1", "GOGC=1", "GOMAXPROCS=1", "SYD_TEST_NOCOOKIE=1"} {
			if status, stderr := confined(t, act, env); !status.Exited() || status.ExitStatus() != 0 {
				t.Errorf("%s with %s: %#x %s", act, env, status, stderr)
			}
		}
	}
}

func TestWhatIsNotKills(t *testing.T) {
	for _, act := range []string{"unguarded", "read status", "open", "execute", "fork", "connect", "capability", "read elsewhere", "exec elsewhere"} {
		if status, stderr := confined(t, act); !status.Signaled() || status.Signal() != syscall.SIGSYS {
			t.Errorf("%s: %#x %s", act, status, stderr)
		}
		if status, stderr := confined(t, act, "SYD_TEST_FREE=1"); !status.Exited() || status.ExitStatus() != 0 {
			t.Errorf("%s without filters: %#x %s", act, status, stderr)
		}
	}
	if status, stderr := confined(t, "unguarded", "SYD_TEST_NOCOOKIE=1"); !status.Exited() {
		t.Errorf("an unguarded call where none is needed: %#x %s", status, stderr)
	}
}

// BenchmarkGuardedCall tells what the filters and the cookies cost a guarded
// call: the difference of two processes' medians.
func BenchmarkGuardedCall(b *testing.B) {
	measure := func(env string) float64 {
		_, text := confined(b, "measure", env)
		n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil {
			b.Fatal(text)
		}
		return n
	}
	var free, both []float64
	for b.Loop() {
		free, both = append(free, measure("SYD_TEST_FREE=1")), append(both, measure("A=1"))
	}
	slices.Sort(free)
	slices.Sort(both)
	b.ReportMetric(free[len(free)/2], "ns/free")
	b.ReportMetric(both[len(both)/2], "ns/guarded")
	b.ReportMetric(both[len(both)/2]-free[len(free)/2], "ns/more")
}
