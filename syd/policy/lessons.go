// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"slices"
	"strings"
	"sync"
)

// Bounds on what is remembered of a run: paths, and bytes of them.
const (
	maxLessons     = 1 << 17
	maxLessonBytes = 32 << 20
)

// Lessons is what a program does that a policy's defaults would deny. Its methods
// may be called from any thread, and make no system call but for the lock.
type Lessons struct {
	base *Policy

	mu    sync.Mutex
	seen  map[string]categories
	bytes int
	full  bool
}

// NewLessons are those for a program that is to run under p, and what is learned.
func NewLessons(p *Policy) *Lessons { return &Lessons{base: p, seen: map[string]categories{}} }

// Learning is p with what its defaults deny turned into warnings: what to run a
// program under, to learn. What a rule denies is denied.
func (p *Policy) Learning() *Policy {
	l := *p
	for c := range paths.each {
		if !l.defaults[c].Allows() {
			l.defaults[c] = Warn
		}
	}
	return &l
}

// Take remembers that c was had of path, and says whether that is a lesson. On
// nil nothing is.
func (l *Lessons) Take(c Category, path string) bool {
	if l == nil || l.base.Decide(Request{Category: c, Path: path}).Allows() {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	of, known := l.seen[path]
	switch dir, _ := split(path); {
	case of.has(c), c == List && l.seen[dir].has(Readdir): // which shows whatever is there
	case known:
		l.seen[path] = of | 1<<c
	case len(l.seen) >= maxLessons || l.bytes+len(path) > maxLessonBytes:
		l.full = true
	default:
		l.seen[path] = 1 << c
		l.bytes += len(path)
	}
	return true
}

// Text is the policy: what was learned, and behind it what there was before,
// whose rules so have the last word. Not whole: there was more to remember than
// there was room for.
func (l *Lessons) Text() (text string, whole bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var records []Access
	for path, of := range l.seen {
		for c := range of.each {
			records = append(records, Access{Category: c, Path: path})
		}
	}
	var b strings.Builder
	b.WriteString(Learned(records))
	closed := slices.Collect(strings.Lines(closedByDefault().Text()))
	for line := range strings.Lines(l.base.Text()) {
		if !slices.Contains(closed, line) {
			b.WriteString(line)
		}
	}
	return b.String(), !l.full
}
