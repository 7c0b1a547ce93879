// SPDX-License-Identifier: GPL-3.0-or-later

package harness

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	"golang.org/x/sys/unix"

	"syd/conformance/report"
)

// A Proc is a started command.
type Proc struct {
	launch  *Launch
	argv    []string
	sandbox bool
	process *os.Process
	began   time.Time
	stdout  *os.File // a memfd that the command writes to
	stderr  *os.File
	stdin   *os.File // the pipe's end or the terminal's, when there is one
	screen  *screen
	meant   atomic.Bool // the spec sent a signal itself
	done    chan struct{}
	state   *os.ProcessState
	ended   time.Time
	waitErr error
}

var started = struct {
	sync.Mutex
	pids map[int]*Proc
}{pids: map[int]*Proc{}}

func (l *Launch) start(ctx context.Context, sandbox bool, argv []string) *Proc {
	GinkgoHelper()
	if err := ctx.Err(); err != nil {
		timedOut("no time is left to start %s", strings.Join(quoteAll(argv), " "))
	}
	p := &Proc{launch: l, sandbox: sandbox, argv: argv, done: make(chan struct{})}
	if err := p.start(); err != nil {
		broke("start %s: %v", strings.Join(quoteAll(argv), " "), err)
	}
	return p
}

func (p *Proc) start() error {
	l := p.launch
	files, closeLater, err := p.openFiles()
	defer func() {
		for _, file := range closeLater {
			file.Close()
		}
	}()
	if err != nil {
		return err
	}
	argv, path := p.argv, p.argv[0]
	if !strings.Contains(path, "/") {
		if path, err = lookPath(path); err != nil {
			return err
		}
	}
	if len(l.setup) > 0 {
		launcher := Fixture("process", append([]string{"setup"}, l.setup...)...)
		argv = slices.Concat(launcher, []string{"--", path}, argv[1:])
		path = launcher[0]
	}
	attr := &os.ProcAttr{
		Dir:   l.dir,
		Env:   l.environment(),
		Files: files,
		Sys: &syscall.SysProcAttr{
			Setsid:     l.session,
			Setpgid:    !l.session && !l.sameGroup,
			Setctty:    l.pty,
			Credential: l.credential,
		},
	}
	if attr.Dir == "" {
		attr.Dir = TempDir()
	}
	// The reaper must not see the child before it is known.
	started.Lock()
	defer started.Unlock()
	p.began = time.Now()
	if p.process, err = os.StartProcess(path, argv, attr); err != nil {
		return err
	}
	started.pids[p.process.Pid] = p
	go p.collect()
	s := current()
	s.mu.Lock()
	s.procs = append(s.procs, p)
	s.mu.Unlock()
	return nil
}

func lookPath(name string) (string, error) {
	for _, dir := range strings.Split(pathVariable, ":") {
		if unix.Access(dir+"/"+name, unix.X_OK) == nil {
			return dir + "/" + name, nil
		}
	}
	return "", fmt.Errorf("%s is not in %s", name, pathVariable)
}

const pathVariable = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func (l *Launch) environment() []string {
	if l.noEnv {
		return append([]string{}, l.env...)
	}
	dir := TempDir()
	return append([]string{"PATH=" + pathVariable, "HOME=" + dir, "TMPDIR=" + dir, "LANG=C.UTF-8"}, l.env...)
}

// openFiles returns descriptors 0, 1, 2 and on for the command, and what this
// process must close after the start.
func (p *Proc) openFiles() (files, closeLater []*os.File, err error) {
	l := p.launch
	if l.pty {
		master, slave, err := openPty()
		if err != nil {
			return nil, nil, err
		}
		p.stdin, p.screen = master, watchScreen(master)
		return append([]*os.File{slave, slave, slave}, l.files...), []*os.File{slave}, nil
	}
	var in *os.File
	switch {
	case l.interactive:
		if in, p.stdin, err = os.Pipe(); err != nil {
			return nil, nil, err
		}
	case l.stdin != "":
		if in, err = memoryFile("stdin"); err != nil {
			return nil, nil, err
		}
		if _, err = in.WriteString(l.stdin); err == nil {
			_, err = in.Seek(0, io.SeekStart)
		}
	default:
		in, err = os.Open(os.DevNull)
	}
	if err != nil {
		return nil, nil, err
	}
	closeLater = []*os.File{in}
	// Files, not pipes: whatever outlives the command can neither block on a
	// full pipe nor make this side wait for an end of file.
	if p.stdout, err = memoryFile("stdout"); err != nil {
		return nil, closeLater, err
	}
	if p.stderr, err = memoryFile("stderr"); err != nil {
		return nil, closeLater, err
	}
	return append([]*os.File{in, p.stdout, p.stderr}, l.files...), closeLater, nil
}

func memoryFile(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFL, unix.O_APPEND|unix.O_RDWR); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("set O_APPEND: %w", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

func readAll(file *os.File) string {
	if file == nil {
		return ""
	}
	info, err := file.Stat()
	if err != nil {
		return ""
	}
	content := make([]byte, info.Size())
	n, _ := file.ReadAt(content, 0)
	return string(bytes.ToValidUTF8(content[:n], []byte("\uFFFD")))
}

func (p *Proc) collect() {
	p.state, p.waitErr = p.process.Wait()
	p.ended = time.Now()
	started.Lock()
	delete(started.pids, p.process.Pid)
	started.Unlock()
	if p.screen != nil {
		p.screen.drain()
	}
	close(p.done)
}

// PID is the process ID of what was started: the build itself, or the native
// command.
func (p *Proc) PID() int { return p.process.Pid }

// Stdout is what was printed so far; on a terminal, all that it shows.
func (p *Proc) Stdout() string {
	if p.screen != nil {
		return p.screen.text()
	}
	return readAll(p.stdout)
}

// Stderr is what was printed there so far.
func (p *Proc) Stderr() string { return readAll(p.stderr) }

// Exited says whether it ended.
func (p *Proc) Exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Signal sends a signal to the started process itself.
func (p *Proc) Signal(sig syscall.Signal) {
	GinkgoHelper()
	p.meant.Store(true)
	if err := p.process.Signal(sig); err != nil && !p.Exited() {
		Fail(fmt.Sprintf("send %s to process %d: %v", SignalName(sig), p.PID(), err))
	}
}

// SignalGroup sends a signal to its process group, which must be its own.
func (p *Proc) SignalGroup(sig syscall.Signal) {
	GinkgoHelper()
	if p.launch.sameGroup {
		broke("SignalGroup would reach the harness itself: the command shares its group")
	}
	p.meant.Store(true)
	if err := unix.Kill(-p.PID(), sig); err != nil && !p.Exited() {
		Fail(fmt.Sprintf("send %s to group %d: %v", SignalName(sig), p.PID(), err))
	}
}

// Send writes to its stdin: the terminal, or the pipe of Interactive.
func (p *Proc) Send(text string) {
	GinkgoHelper()
	if p.stdin == nil {
		broke("Send needs With(Pty()) or With(Interactive())")
	}
	if _, err := p.stdin.WriteString(text); err != nil && !p.Exited() {
		Fail(fmt.Sprintf("write to stdin of %d: %v", p.PID(), err))
	}
}

// CloseStdin ends an Interactive stdin.
func (p *Proc) CloseStdin() {
	if p.stdin != nil && p.screen == nil {
		p.stdin.Close()
	}
}

// Descendants is every process below it that is not a zombie.
func (p *Proc) Descendants() []Process { return descendants(p.PID()) }

// Wait waits for its end. When ctx or the run's own bound passes first,
// everything is killed and the spec's verdict is timeout.
func (p *Proc) Wait(ctx context.Context) Result {
	GinkgoHelper()
	if p.launch.within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, Bound(p.launch.within))
		defer cancel()
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		tree := describe(p.tree())
		p.kill()
		result := p.result()
		result.TimedOut = true
		timedOut("did not end in time\n%s\nprocesses then:\n%s", result, tree)
	}
	result := p.result()
	if p.waitErr != nil {
		broke("wait for %d: %v", p.PID(), p.waitErr)
	}
	p.checkHealth(result)
	p.refused(result)
	return result
}

// refusals are words by which a build says which capability of the kernel it
// can't do without, and the capability.
var refusals = map[string]string{"WAIT_KILLABLE_RECV": "wait_killable_recv", "PTRACE_SEIZE": "trace_children"}

// refused ends the spec as unsupported when the build would not start for want of
// a capability that the kernel lacks indeed: the probe has the last word.
func (p *Proc) refused(r Result) {
	GinkgoHelper()
	said := r.Stderr
	if p.launch.pty {
		said, r.Stdout = r.Stdout, "" // a terminal shows both
	}
	if !p.sandbox || r.Status != int(syscall.EOPNOTSUPP) || r.Stdout != "" {
		return
	}
	for words, name := range refusals {
		if strings.Contains(said, words) {
			Require(name)
		}
	}
}

// Kill kills it and everything below it.
func (p *Proc) Kill() {
	p.meant.Store(true)
	p.kill()
}

func (p *Proc) tree() []Process {
	all := descendants(p.PID())
	if self, ok := readProcess(p.PID()); ok {
		all = append([]Process{self}, all...)
	}
	return all
}

func (p *Proc) kill() {
	// The tree first: once its root is gone, what is left hangs elsewhere.
	tree := p.tree()
	for _, process := range tree {
		process.kill()
	}
	_ = p.process.Kill()
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
	}
}

func (p *Proc) result() Result {
	r := Result{Argv: p.argv, Sandbox: p.sandbox, Stdout: p.Stdout(), Stderr: p.Stderr(), Code: -1, Status: -1}
	if !p.Exited() || p.state == nil {
		r.Duration = time.Since(p.began)
		return r
	}
	r.Duration = p.ended.Sub(p.began)
	if status, ok := p.state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		r.Signal = status.Signal()
		r.Status = 128 + int(r.Signal)
	} else {
		r.Code = p.state.ExitCode()
		r.Status = r.Code
	}
	return r
}

// checkHealth notes a crash of the build, whatever the spec goes on to expect.
func (p *Proc) checkHealth(r Result) {
	if !p.sandbox {
		return
	}
	if what := crashOf(r, p.meant.Load() || p.launch.doomed, p.launch.quiet); what != "" {
		current().note(report.Crash, fmt.Sprintf("%s\n%s", what, r))
	}
}

// close frees what the harness holds of it.
func (p *Proc) close() {
	for _, file := range []*os.File{p.stdout, p.stderr, p.stdin} {
		if file != nil {
			file.Close()
		}
	}
}
