// SPDX-License-Identifier: GPL-3.0-or-later

package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// measureBound ends a measurement that hangs; the longest takes seconds.
const measureBound = 2 * time.Minute

// A sampler measures one side of one case, once for each call of sample.
type sampler interface {
	sample(ctx context.Context) ([]float64, error)
	// close ends what is left running and says whether it ended well.
	close() error
}

// open starts what has to run before the first sample.
func (s side) open(ctx context.Context, dir string) (sampler, error) {
	if !s.onRequest {
		return &oneShot{s.argv, dir}, nil
	}
	return startStanding(ctx, s.argv, dir)
}

// A failure is a measurement that could not be made.
type failure struct {
	argv   []string
	cause  error
	stderr string
}

func (f *failure) Error() string {
	text := fmt.Sprintf("`%s`: %v", strings.Join(f.argv, " "), f.cause)
	if said := strings.TrimSpace(f.stderr); said != "" {
		first, _, _ := strings.Cut(said, "\n")
		text += ": " + first
	}
	return text
}

// command prepares a process group of its own that is killed when ctx ends.
func command(ctx context.Context, argv []string, dir string, stderr io.Writer) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Stderr = stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	return cmd
}

// A oneShot starts its command for each sample.
type oneShot struct {
	argv []string
	dir  string
}

func (o *oneShot) sample(ctx context.Context) ([]float64, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, measureBound, fmt.Errorf("no end after %v", measureBound))
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := command(ctx, o.argv, o.dir, &stderr)
	cmd.Stdout = &stdout
	err := cmd.Run()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	var samples []float64
	if err == nil {
		samples, err = read(bufio.NewScanner(&stdout), "")
	}
	if err != nil {
		return nil, &failure{o.argv, err, stderr.String()}
	}
	return samples, nil
}

func (o *oneShot) close() error { return nil }

// A standing sampler keeps one process for all its samples.
type standing struct {
	argv   []string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	lines  *bufio.Scanner
	stderr bytes.Buffer
	ctx    context.Context
	cancel context.CancelCauseFunc
}

func startStanding(ctx context.Context, argv []string, dir string) (*standing, error) {
	s := &standing{argv: argv}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.cmd = command(s.ctx, argv, dir, &s.stderr)
	stdin, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.stdin, s.lines = stdin, bufio.NewScanner(stdout)
	if err := s.cmd.Start(); err != nil {
		return nil, &failure{argv, err, ""}
	}
	defer s.bounded()()
	if _, err := read(s.lines, "ready"); err != nil {
		return nil, s.fail(err)
	}
	return s, nil
}

func (s *standing) sample(context.Context) ([]float64, error) {
	defer s.bounded()()
	if _, err := io.WriteString(s.stdin, "go\n"); err != nil {
		return nil, s.fail(err)
	}
	samples, err := read(s.lines, "end")
	if err != nil {
		return nil, s.fail(err)
	}
	return samples, nil
}

func (s *standing) close() error {
	defer s.cancel(nil)
	defer s.bounded()()
	s.stdin.Close()
	if err := s.cmd.Wait(); err != nil {
		if s.ctx.Err() != nil {
			err = context.Cause(s.ctx)
		}
		return &failure{s.argv, err, s.stderr.String()}
	}
	return nil
}

// bounded kills the process if the step that begins now has no end; the function
// that it returns ends the step.
func (s *standing) bounded() func() bool {
	return time.AfterFunc(measureBound, func() { s.cancel(fmt.Errorf("no end after %v", measureBound)) }).Stop
}

// fail ends the process, whose own status explains more than a pipe's end does.
func (s *standing) fail(err error) error {
	s.stdin.Close()
	timer := time.AfterFunc(time.Second, func() { s.cancel(err) })
	defer timer.Stop()
	if status := s.cmd.Wait(); status != nil {
		err = status
	}
	if s.ctx.Err() != nil {
		err = context.Cause(s.ctx)
	}
	s.cancel(nil)
	return &failure{s.argv, err, s.stderr.String()}
}

// read collects "sample N" lines up to the line end, or to the end of the file
// if that is empty. Other lines are none of its business.
func read(lines *bufio.Scanner, end string) ([]float64, error) {
	var samples []float64
	for lines.Scan() {
		line := lines.Text()
		if end != "" && line == end {
			return samples, nil
		}
		if text, ok := strings.CutPrefix(line, "sample "); ok {
			ns, err := strconv.ParseFloat(text, 64)
			if err != nil || ns <= 0 {
				return nil, fmt.Errorf("%q is no time", line)
			}
			samples = append(samples, ns)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if end != "" {
		return nil, fmt.Errorf("its output ended before %q", end)
	}
	if len(samples) == 0 {
		return nil, fmt.Errorf("it printed no samples")
	}
	return samples, nil
}
