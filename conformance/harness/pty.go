// SPDX-License-Identifier: GPL-3.0-or-later

package harness

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	"golang.org/x/sys/unix"
)

// openPty returns both ends of a new terminal.
func openPty() (master, slave *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 200})
	}
	if err != nil {
		master.Close()
		return nil, nil, fmt.Errorf("open a terminal: %w", err)
	}
	return master, slave, nil
}

// A screen collects what a terminal shows.
type screen struct {
	mu      sync.Mutex
	content strings.Builder
	ended   chan struct{} // closed when nothing more can come
}

// drain waits for what is still on its way when the terminal's session has
// ended, which hangs the terminal up.
func (s *screen) drain() {
	select {
	case <-s.ended:
	case <-time.After(Bound(time.Second)):
	}
}

func watchScreen(master *os.File) *screen {
	s := &screen{ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		buffer := make([]byte, 4096)
		for {
			// EIO: the last descriptor of the other end was closed.
			n, err := master.Read(buffer)
			s.mu.Lock()
			s.content.WriteString(strings.ReplaceAll(string(buffer[:n]), "\r\n", "\n"))
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return s
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.content.String()
}

// WaitOutput waits until what was printed (or what the terminal shows) matches
// the regular expression, and returns the match.
func (p *Proc) WaitOutput(ctx context.Context, pattern string) string {
	GinkgoHelper()
	expression, err := regexp.Compile(pattern)
	if err != nil {
		broke("%v", err)
	}
	var match string
	p.waitFor(ctx, fmt.Sprintf("output like %q", pattern), func() bool {
		text := p.Stdout()
		match = expression.FindString(text)
		return expression.MatchString(text)
	})
	return match
}

// WaitLine waits until a line of stdout contains the words, and returns it.
func (p *Proc) WaitLine(ctx context.Context, words string) string {
	GinkgoHelper()
	var found string
	p.waitFor(ctx, fmt.Sprintf("a line with %q", words), func() bool {
		text := p.Stdout()
		// An unfinished last line could still grow.
		text = text[:strings.LastIndexByte(text, '\n')+1]
		for _, line := range lines(text) {
			if strings.Contains(line, words) {
				found = line
				return true
			}
		}
		return false
	})
	return found
}

// WaitState waits until the process itself is in one of the states (letters of
// /proc/PID/stat), as T for a stopped one.
func (p *Proc) WaitState(ctx context.Context, letters string) {
	GinkgoHelper()
	p.waitFor(ctx, "state "+letters, func() bool {
		state := State(p.PID())
		return state != "" && strings.Contains(letters, state)
	})
}

func (p *Proc) waitFor(ctx context.Context, what string, condition func() bool) {
	GinkgoHelper()
	good, ended := false, false
	waitUntil(ctx, func() bool {
		// In this order: what is printed before the end is seen after it.
		ended = p.Exited()
		good = condition()
		return good || ended
	})
	switch {
	case good:
	case ended:
		p.refused(p.result())
		Fail(fmt.Sprintf("ended without %s\n%s", what, p.result()))
	default:
		tree := describe(p.tree())
		result := p.result()
		p.kill()
		timedOut("no %s in time\n%s\nprocesses then:\n%s", what, result, tree)
	}
}
