// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// logLoop is a shell that is refused a directory so many times, and says so.
func logLoop(times int, directory string) []string {
	script := `i=0; while [ $i -lt $2 ]; do cd "$1" 2>/dev/null; i=$((i+1)); done; echo done $i; [ -z "$3" ] || read line`
	return []string{"/bin/sh", "-c", script, "sh", directory, strconv.Itoa(times)}
}

// logCount is how many records there are, and how many the log says it dropped.
func logCount(records []map[string]any) (written, told int) {
	GinkgoHelper()
	for _, record := range records {
		if record["ctx"] != "audit" {
			written++
			continue
		}
		Expect(record).To(And(HaveKeyWithValue("op", "drop"), HaveKey("id"), HaveKeyWithValue("time", Not(BeEmpty()))))
		n, err := strconv.Atoi(strings.Fields(record["msg"].(string))[0])
		Expect(err).NotTo(HaveOccurred())
		told += n
	}
	return written, told
}

// A logPipe is a pipe for a log that is read when the spec says so.
type logPipe struct {
	read, write *os.File
	lock        sync.Mutex
	text        bytes.Buffer
	done        chan struct{}
}

// newLogPipe makes the smallest pipe there is.
func newLogPipe(flags int) *logPipe {
	GinkgoHelper()
	var ends [2]int
	Expect(syscall.Pipe2(ends[:], syscall.O_CLOEXEC)).To(Succeed())
	_, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(ends[1]), 1031, 4096) // F_SETPIPE_SZ (fcntl(2))
	Expect(errno).To(BeZero())
	_, _, errno = syscall.Syscall(syscall.SYS_FCNTL, uintptr(ends[1]), syscall.F_SETFL, uintptr(flags))
	Expect(errno).To(BeZero())
	p := &logPipe{read: os.NewFile(uintptr(ends[0]), "read"), write: os.NewFile(uintptr(ends[1]), "write"), done: make(chan struct{})}
	DeferCleanup(func() { p.read.Close(); p.write.Close() })
	return p
}

// drain reads on, with a pause after each read, until nobody writes any more.
func (p *logPipe) drain(pause time.Duration) {
	go func() {
		defer close(p.done)
		block := make([]byte, 4096)
		for {
			n, err := p.read.Read(block)
			p.lock.Lock()
			p.text.Write(block[:n])
			p.lock.Unlock()
			if err != nil {
				return
			}
			time.Sleep(pause) // the reader's slowness is what is tried
		}
	}()
}

func (p *logPipe) soFar() string {
	p.lock.Lock()
	defer p.lock.Unlock()
	return p.text.String()
}

// end is what was read when nobody writes any more.
func (p *logPipe) end() []map[string]any {
	GinkgoHelper()
	p.write.Close()
	<-p.done
	return logRecords(p.text.Bytes())
}

var _ = Describe("the log's descriptor", func() {
	closedChdir := OnlyExecChdir("allow/exec+/***")
	denied := func() []string { return Fixture("tracestate", "chdir", "/") }

	Spec("LOG-02.1", "is stderr where nothing is said, and never stdout", func(ctx context.Context) {
		result := Syd(ctx, closedChdir, denied()...)
		Expect(logRecords([]byte(result.Stderr))).To(HaveLen(1))
		Expect(result.Stdout).NotTo(ContainSubstring(`"ctx"`))
	}, Smoke)

	Spec("LOG-02.2", "is the one of SYD_LOG_FD: 1, 3, 9", func(ctx context.Context) {
		file := logFile()
		defer file.Close()
		null, err := os.Open(os.DevNull)
		Expect(err).NotTo(HaveOccurred())
		defer null.Close()
		for fd, files := range map[string][]*os.File{"3": {file}, "9": {null, null, null, null, null, null, file}} {
			Expect(os.Truncate(file.Name(), 0)).To(Succeed())
			result := With(Files(files...), Env("SYD_LOG_FD="+fd)).Syd(ctx, closedChdir, denied()...)
			Expect(result.Stderr).To(BeEmpty())
			text, err := os.ReadFile(file.Name())
			Expect(err).NotTo(HaveOccurred())
			Expect(logRecords(text)).To(HaveLen(1), fd)
		}
		result := With(Env("SYD_LOG_FD=1")).Syd(ctx, closedChdir, denied()...)
		Expect(result.Stderr).To(BeEmpty())
		Expect(result.Stdout).To(ContainSubstring(`"ctx":"access"`))
	})

	Spec("LOG-02.3", "has to be open and a number: else nothing is started", func(ctx context.Context) {
		Expect(Syd(ctx, Off, "echo", "started")).To(SayLine("started"))
		for _, fd := range []string{"9", "2147483647", "", "x", "-1", "3 ", "0x3", "99999999999"} {
			result := With(Env("SYD_LOG_FD="+fd)).Syd(ctx, Off, "echo", "started")
			Expect(result.Status).NotTo(BeZero(), fd)
			Expect(result).To(SayNothing(), fd)
			Expect(result.Stderr).To(HavePrefix("syd: "), fd)
		}
	})

	Spec("LOG-02.4", "is not handed on to programs", func(ctx context.Context) {
		file := logFile()
		defer file.Close()
		cmd := Fixture("process", "descriptors")
		launch := []LaunchOption{Files(file), Env("SYD_LOG_FD=3")}
		Expect(With(launch...).Native(ctx, cmd...).Stdout).To(ContainSubstring(file.Name()))
		for _, profile := range execProfiles {
			Expect(With(launch...).Syd(ctx, profile, cmd...).Stdout).NotTo(ContainSubstring(file.Name()))
		}
	})

	Spec("LOG-02.5", "has what SYD_LOG asks for, and with no other word is anything started", func(ctx context.Context) {
		program := execCopy("exec", "program")
		cmd := Fixture("exec", "attempts", "3", "0", program, "crash", "0")
		// One variable is dropped (notice), the first crash counted (info), the
		// second suspends (warn), the third attempt is refused (warn).
		for level, want := range map[string]int{"emerg": 0, "alert": 0, "crit": 0, "error": 0, "warn": 2, "notice": 3, "info": 4, "debug": 4} {
			_, records := logged(ctx, execRules("segvguard/maxcrashes:2"), cmd, Env("SYD_LOG="+level, "LD_X=1"))
			found := 0
			for _, record := range records {
				if record["ctx"] == "segvguard" || record["ctx"] == "env" {
					found++
				}
			}
			Expect(found).To(Equal(want), "%s: %v", level, records)
		}
		for _, level := range []string{"", "WARN", "warning", "4", "warn "} {
			result := With(Env("SYD_LOG="+level)).Syd(ctx, Off, "echo", "started")
			Expect(result).To(And(ExitWith(22), SayNothing()), level)
		}
	})

	Spec("LOG-02.6", "may be a file that others append to: nothing is overwritten", func(ctx context.Context) {
		file := logFile()
		defer file.Close()
		launch := With(Files(file), Env("SYD_LOG_FD=3"))
		for range 3 {
			launch.Syd(ctx, closedChdir, denied()...)
			_, err := file.WriteString("{\"ctx\":\"other\"}\n")
			Expect(err).NotTo(HaveOccurred())
		}
		text, err := os.ReadFile(file.Name())
		Expect(err).NotTo(HaveOccurred())
		var order []any
		for _, record := range logRecords(text) {
			order = append(order, record["ctx"])
		}
		Expect(order).To(Equal([]any{"access", "other", "access", "other", "access", "other"}))
	})

	Spec("LOG-02.7", "may be full or at its limit: the program runs on, and ends as it would", func(ctx context.Context) {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		Expect(err).NotTo(HaveOccurred())
		defer full.Close()
		file := logFile()
		defer file.Close()
		result := With(Files(full), Env("SYD_LOG_FD=3")).Syd(ctx, closedChdir, logLoop(200, "/")...)
		Expect(result).To(And(ExitWith(0), SayLine("done 200")))
		limited := append([]string{"/bin/sh", "-c", `ulimit -f 2; exec "$@"`, "sh", Build()}, append(closedChdir, "--")...)
		result = With(Files(file), Env("SYD_LOG_FD=3")).Native(ctx, append(limited, logLoop(200, "/")...)...)
		Expect(result).To(And(ExitWith(0), SayLine("done 200")))
	})
})

var _ = Describe("a reader of the log", func() {
	storm := 4000
	rules := OnlyExecChdir("allow/exec+/***")

	Spec("LOG-02.8", "that never reads holds up neither the program nor syd's end", func(ctx context.Context) {
		for _, flags := range []int{0, syscall.O_NONBLOCK} {
			p := newLogPipe(flags)
			launch := With(Files(p.write), Env("SYD_LOG_FD=3"), Interactive())
			proc := launch.Start(ctx, rules, append(logLoop(storm, "/"), "wait")...)
			proc.WaitLine(ctx, "done "+strconv.Itoa(storm))
			told := time.Now()
			proc.CloseStdin()
			Expect(proc.Wait(ctx)).To(ExitWith(1))
			Expect(time.Since(told)).To(BeNumerically("<", Bound(2*time.Second)))
		}
	}, Smoke, TimeLimit(time.Minute), Stress)

	Spec("LOG-02.9", "that reads again is told at once how many records it missed", func(ctx context.Context) {
		for _, flags := range []int{0, syscall.O_NONBLOCK} {
			p := newLogPipe(flags)
			launch := With(Files(p.write), Env("SYD_LOG_FD=3"), Interactive())
			proc := launch.Start(ctx, rules, append(logLoop(storm, "/"), "wait")...)
			proc.WaitLine(ctx, "done "+strconv.Itoa(storm))
			p.drain(0)
			WaitFor(ctx, "the count", func() bool { return strings.Contains(p.soFar(), `"op":"drop"`) })
			Expect(proc.Exited()).To(BeFalse())
			proc.CloseStdin()
			proc.Wait(ctx)
			written, told := logCount(p.end())
			Expect(told).To(BeNumerically(">", 0))
			Expect(written + told).To(Equal(storm))
		}
	}, TimeLimit(time.Minute), Stress)

	Spec("LOG-02.10", "that is slow is told at the end what it missed, and holds up nobody", func(ctx context.Context) {
		p := newLogPipe(0)
		p.drain(20 * time.Millisecond)
		proc := With(Files(p.write), Env("SYD_LOG_FD=3"), Interactive()).Start(ctx, rules, append(logLoop(storm, "/"), "wait")...)
		proc.WaitLine(ctx, "done "+strconv.Itoa(storm))
		ended := time.Now()
		proc.CloseStdin()
		proc.Wait(ctx)
		Expect(time.Since(ended)).To(BeNumerically("<", Bound(2*time.Second)))
		written, told := logCount(p.end())
		Expect(told).To(BeNumerically(">", 0))
		Expect(written + told).To(Equal(storm))
	}, TimeLimit(time.Minute), Stress)

	Spec("LOG-02.11", "that was away for a while, with the pipe full, gets every record", func(ctx context.Context) {
		for _, flags := range []int{0, syscall.O_NONBLOCK} {
			p := newLogPipe(flags)
			proc := With(Files(p.write), Env("SYD_LOG_FD=3"), Interactive()).Start(ctx, rules, append(logLoop(500, "/"), "wait")...)
			proc.WaitLine(ctx, "done 500")
			p.drain(0)
			proc.CloseStdin()
			proc.Wait(ctx)
			written, told := logCount(p.end())
			Expect([]int{written, told}).To(Equal([]int{500, 0}))
		}
	})

	Spec("LOG-02.12", "that goes away ends nothing: no signal, no error, the same status", func(ctx context.Context) {
		p := newLogPipe(0)
		Expect(p.read.Close()).To(Succeed())
		result := With(Files(p.write), Env("SYD_LOG_FD=3")).Syd(ctx, rules, logLoop(500, "/")...)
		Expect(result).To(And(ExitWith(0), SayLine("done 500")))
		Expect(result.Stderr).To(BeEmpty())
		q := newLogPipe(0)
		proc := With(Files(q.write), Env("SYD_LOG_FD=3")).Start(ctx, rules, logLoop(500, "/")...)
		_, err := io.ReadFull(q.read, make([]byte, 100))
		Expect(err).NotTo(HaveOccurred())
		Expect(q.read.Close()).To(Succeed())
		Expect(proc.Wait(ctx)).To(And(ExitWith(0), SayLine("done 500")))
	})

	Spec("LOG-02.13", "finds whole lines in a file, however much was refused before the end", func(ctx context.Context) {
		_, records := logged(ctx, OnlyExecChdir("allow/exec+/***", "panic/chdir+/proc"), append(logLoop(300, "/")[:2],
			`i=0; while [ $i -lt 300 ]; do cd / 2>/dev/null; i=$((i+1)); done; cd /proc`))
		written, told := logCount(records)
		Expect(written + told).To(Equal(301))
		Expect(filepath.Clean(records[len(records)-1]["path"].(string))).To(Equal("/proc"))
	})
})
