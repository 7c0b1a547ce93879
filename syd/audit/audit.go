// SPDX-License-Identifier: GPL-3.0-or-later

// Package audit turns typed records into JSON lines; nothing else formats.
//
// Writing happens on a goroutine of its own, so that a full pipe or a slow
// reader blocks no tracee: records beyond what it holds, and such as can't be
// written, are counted and dropped. The count is a record itself, once the
// reader reads again or at the end.
package audit

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"syd/syd/kernel"
)

// Level says how much a record matters, as syslog(3) has it: lower is worse.
type Level uint8

// The levels, by their names in SYD_LOG.
const (
	Emerg Level = iota
	Alert
	Crit
	Error
	Warn
	Notice
	Info
	Debug
)

var levelNames = []string{"emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"}

// ParseLevel finds a level by its name.
func ParseLevel(name string) (Level, bool) {
	for i, n := range levelNames {
		if n == name {
			return Level(i), true
		}
	}
	return 0, false
}

// LevelNames lists the names that ParseLevel knows.
func LevelNames() []string { return levelNames }

// Record is one line. Fields that are empty are left out.
type Record struct {
	Level Level `json:"-"`

	ID   string `json:"id"`   // of the run
	Time string `json:"time"` // UTC, basic ISO form
	Ctx  string `json:"ctx"`  // access, exec, spawn, trace, segvguard ...
	Cap  string `json:"cap,omitempty"`
	Act  string `json:"act,omitempty"`
	Sys  string `json:"sys,omitempty"`
	Path string `json:"path,omitempty"`
	Cmd  string `json:"cmd,omitempty"`
	CWD  string `json:"cwd,omitempty"`
	PID  int    `json:"pid,omitempty"`
	UID  *int   `json:"uid,omitempty"`
	Op   string `json:"op,omitempty"`
	Msg  string `json:"msg,omitempty"`
	Tip  string `json:"tip,omitempty"`
}

const (
	queueLength = 1024
	// drainBound is how long after Close records are written; then those that
	// are left are counted, which is told within flushBound.
	drainBound = 700 * time.Millisecond
	flushBound = time.Second
)

// Log writes records to one descriptor. Its methods may be called from any
// thread and never wait, but for Close.
type Log struct {
	fd      int
	level   Level
	id      string
	queue   chan Record
	ending  chan struct{}
	done    chan struct{}
	started atomic.Bool
	dropped atomic.Int64
	start   func(func())

	deadline time.Time // set before ending is closed
	torn     bool      // the last line was written in part
}

// New makes a log of records up to level, written to fd, which stays the
// caller's. start runs the writer in a goroutine when the first record comes.
func New(fd int, level Level, start func(func())) *Log {
	return &Log{
		fd: fd, level: level, start: start,
		id:    fmt.Sprintf("%x", time.Now().UnixNano()),
		queue: make(chan Record, queueLength), ending: make(chan struct{}), done: make(chan struct{}),
	}
}

// Enabled says whether a record of level would be written: ask it before
// gathering what a record costs.
func (l *Log) Enabled(level Level) bool { return level <= l.level }

// Write queues r.
func (l *Log) Write(r Record) {
	if !l.Enabled(r.Level) {
		return
	}
	l.stamp(&r)
	if !l.started.Swap(true) {
		l.start(l.run)
	}
	select {
	case l.queue <- r:
	default:
		l.dropped.Add(1)
	}
}

func (l *Log) stamp(r *Record) {
	r.ID, r.Time = l.id, time.Now().UTC().Format("20060102T150405Z")
}

// Close writes what is queued, for at most a second. A later Write is lost.
func (l *Log) Close() {
	l.deadline = time.Now().Add(drainBound)
	close(l.ending)
	if !l.started.Load() {
		return
	}
	select {
	case <-l.done:
	case <-time.After(flushBound):
	}
}

func (l *Log) run() {
	defer close(l.done)
	for l.next() {
		if len(l.queue) < queueLength/2 {
			l.tell()
		}
	}
	l.tell()
}

// tell writes how many records were dropped since it did so last.
func (l *Log) tell() {
	n := l.dropped.Swap(0)
	if n == 0 {
		return
	}
	r := Record{Ctx: "audit", Op: "drop", Msg: fmt.Sprintf("%d records dropped: they could not be written in time", n)}
	l.stamp(&r)
	if !l.line(r) {
		l.dropped.Add(n)
	}
}

// next writes the next record; false: there is none, nor will there be.
func (l *Log) next() bool {
	select {
	case r := <-l.queue:
		l.put(r)
		return true
	case <-l.ending:
	}
	select {
	case r := <-l.queue:
		if time.Now().After(l.deadline) {
			l.dropped.Add(1 + int64(len(l.queue)))
			return false
		}
		l.put(r)
		return true
	default:
		return false
	}
}

func (l *Log) put(r Record) {
	if !l.line(r) {
		l.dropped.Add(1)
	}
}

// line writes r and says whether it could: a reader that went away, or a full
// disk, is not the sandbox's business. After part of a line the next begins anew.
func (l *Log) line(r Record) bool {
	for _, s := range []*string{&r.Path, &r.Cmd, &r.CWD, &r.Msg, &r.Tip} {
		*s = printable(*s)
	}
	text, err := json.Marshal(r)
	if err != nil {
		return false // no field of Record can fail to marshal
	}
	if l.torn {
		text = append([]byte{'\n'}, text...)
	}
	n, err := kernel.WriteAll(l.fd, append(text, '\n'))
	l.torn = err != nil && (l.torn || n > 0)
	return err == nil
}

// printable keeps what a terminal shows as it is and, below DEL, what JSON
// escapes by itself. Every other byte (invalid UTF-8, C1 controls, characters
// that reorder or hide text) is shown as \xHH; so that two different names never
// look the same, a backslash before an x, too, is shown by its number.
func printable(s string) string {
	if !strings.Contains(s, `\x`) && strings.IndexFunc(s, hidden) < 0 && utf8.ValidString(s) {
		return s
	}
	var out []byte
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1, strings.HasPrefix(s[i:], `\x`), hidden(r):
			for _, b := range []byte(s[i : i+size]) {
				out = fmt.Appendf(out, `\x%02x`, b)
			}
		default:
			out = append(out, s[i:i+size]...)
		}
		i += size
	}
	return string(out)
}

func hidden(r rune) bool { return r >= 0x7f && !unicode.IsPrint(r) }
