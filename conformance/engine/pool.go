// SPDX-License-Identifier: GPL-3.0-or-later

package engine

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"syd/conformance/catalogue"
	"syd/conformance/harness"
	"syd/conformance/report"
)

// A pool runs some positions of one pass with several workers.
type pool struct {
	exe    string
	config harness.Config // WorkDir is the directory above the workers' own
	seed   int64
	pass   int
	owner  *syscall.Credential
	order  []catalogue.Spec // what runs, by position
	queue  *os.File
	tell   func(report.Event)

	mu      sync.Mutex
	workers map[int]bool // PIDs
	count   int
}

// run starts the workers and returns when every position was taken and ended.
func (p *pool) run(ctx context.Context, positions []int, jobs int) error {
	if len(positions) == 0 {
		return nil
	}
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("make the queue: %w", err)
	}
	p.queue = os.NewFile(uintptr(ends[0]), "queue")
	defer p.queue.Close()
	go func() {
		defer unix.Close(ends[1])
		var record [4]byte
		for _, position := range positions {
			binary.LittleEndian.PutUint32(record[:], uint32(position))
			if _, err := unix.Write(ends[1], record[:]); err != nil {
				return
			}
		}
	}()
	errs := make(chan error, jobs)
	jobs = min(jobs, len(positions))
	for range jobs {
		go func() { errs <- p.slot(ctx) }()
	}
	var first error
	for range jobs {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// slot keeps one worker going until the queue is empty: one that dies in a spec
// costs that spec, not the run.
func (p *pool) slot(ctx context.Context) error {
	for idle := 0; ; {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		open, done, output := p.worker(ctx)
		if done {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if open == nil {
			if idle++; idle == 3 {
				return fmt.Errorf("workers end before they run a spec:\n%s", output)
			}
			continue
		}
		idle = 0
		end := report.Event{Kind: "end", ID: open.ID, Position: open.Position, Worker: open.Worker, Pass: p.pass,
			Verdict: report.Error, Message: "the worker died while it ran this spec", Details: output}
		if open.Verdict != "" {
			end.Verdict, end.Message = open.Verdict, open.Message
		}
		p.tell(end)
	}
}

// worker runs one worker to its end. open is the start event of a spec that it
// left unended.
func (p *pool) worker(ctx context.Context) (open *report.Event, done bool, output string) {
	cmd, events, dir, err := p.start()
	if err != nil {
		return nil, false, err.Error()
	}
	defer os.RemoveAll(dir)
	defer events.Close()
	tail := cmd.Stderr.(*tailBuffer)
	stop := context.AfterFunc(ctx, func() { harness.KillTree(cmd.Process.Pid) })
	defer stop()
	var watchdog *time.Timer
	var gaveUp atomic.Bool
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var e report.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			continue
		}
		e.Pass = p.pass
		if watchdog != nil {
			watchdog.Stop()
		}
		if e.Kind == "start" {
			started := e
			open = &started
			watchdog = time.AfterFunc(p.patience(e.Position), func() {
				gaveUp.Store(true)
				harness.KillTree(cmd.Process.Pid)
			})
		} else {
			open = nil
		}
		p.tell(e)
	}
	if watchdog != nil {
		watchdog.Stop()
	}
	err = cmd.Wait()
	if open != nil && gaveUp.Load() {
		open.Verdict, open.Message = report.Timeout, "the spec did not end even when its time was over; its worker was killed"
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.workers, cmd.Process.Pid)
	if err != nil {
		// What it had started is now this process's.
		harness.KillOrphans(func(pid int) bool { return p.workers[pid] })
	}
	return open, err == nil && open == nil, fmt.Sprintf("worker: %v\n%s", err, tail)
}

// patience is how long a spec may be silent before its worker is given up: its
// bound, Ginkgo's grace, the harness's own clean-up.
func (p *pool) patience(position int) time.Duration {
	bound := harness.DefaultBound
	if position < len(p.order) {
		bound = p.order[position].Bound
	}
	return time.Duration(p.config.Factor*float64(bound)) + 25*time.Second
}

func (p *pool) start() (cmd *exec.Cmd, events *os.File, dir string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	config := workerConfig{Config: p.config, Seed: p.seed, Worker: p.count}
	dir = filepath.Join(p.config.WorkDir, fmt.Sprintf("p%dw%d", p.pass, p.count))
	config.WorkDir = dir
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nil, "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, nil, "", err
	}
	if p.owner != nil {
		if err := os.Chown(dir, int(p.owner.Uid), int(p.owner.Gid)); err != nil {
			return nil, nil, "", err
		}
	}
	argument, err := json.Marshal(config)
	if err != nil {
		return nil, nil, "", err
	}
	events, write, err := os.Pipe()
	if err != nil {
		return nil, nil, "", err
	}
	defer write.Close()
	cmd = exec.Command(p.exe, WorkerFlag, string(argument))
	cmd.Dir = dir
	cmd.ExtraFiles = []*os.File{p.queue, write}
	cmd.Stderr = &tailBuffer{}
	// The group of its own keeps a terminal's Ctrl-C for this process.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: p.owner}
	// A spec's orphan can hold the worker's stderr open.
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		events.Close()
		return nil, nil, "", fmt.Errorf("start a worker: %w", err)
	}
	if p.workers == nil {
		p.workers = map[int]bool{}
	}
	p.workers[cmd.Process.Pid] = true
	return cmd, events, dir, nil
}

// tailBuffer keeps the end of what is written.
type tailBuffer struct {
	mu      sync.Mutex
	content []byte
}

const tailSize = 16 << 10

func (t *tailBuffer) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.content = append(t.content, b...)
	if len(t.content) > 2*tailSize {
		t.content = bytes.Clone(t.content[len(t.content)-tailSize:])
	}
	return len(b), nil
}

func (t *tailBuffer) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.content)
}
