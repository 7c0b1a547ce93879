// SPDX-License-Identifier: GPL-3.0-or-later

package audit

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func goroutine(f func()) { go f() }

// written returns the lines that records leave in a log of level.
func written(t *testing.T, level Level, records ...Record) []string {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	l := New(int(file.Fd()), level, goroutine)
	for _, r := range records {
		l.Write(r)
	}
	l.Close()
	text, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		t.Errorf("the last line has no end: %q", text)
	}
	return slices.Collect(strings.Lines(string(text)))
}

func TestForm(t *testing.T) {
	uid := 0
	lines := written(t, Warn,
		Record{Level: Warn, Ctx: "access", Cap: "exec", Act: "deny", Sys: "execve", Path: "/bin/<sh>", Cmd: "sh -c 'a\nb'",
			CWD: "/", PID: 7, UID: &uid, Op: "o", Msg: "m", Tip: "t"},
		Record{Level: Warn, Ctx: "trace"})
	if len(lines) != 2 {
		t.Fatalf("got %d lines: %q", len(lines), lines)
	}
	var full map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &full); err != nil {
		t.Fatal(err)
	}
	id, _ := full["id"].(string)
	at, _ := full["time"].(string)
	delete(full, "id")
	delete(full, "time")
	want := map[string]any{"ctx": "access", "cap": "exec", "act": "deny", "sys": "execve", "path": "/bin/<sh>",
		"cmd": "sh -c 'a\nb'", "cwd": "/", "pid": 7.0, "uid": 0.0, "op": "o", "msg": "m", "tip": "t"}
	for key := range want {
		if full[key] != want[key] {
			t.Errorf("%s: got %v, want %v", key, full[key], want[key])
		}
	}
	if len(full) != len(want) {
		t.Errorf("got %v, want %v", full, want)
	}
	when, err := time.Parse("20060102T150405Z", at)
	if age := time.Since(when); err != nil || age < -time.Second || age > time.Minute {
		t.Errorf("time %q is %v ago: %v", at, age, err)
	}
	// What is empty is left out; id, time and ctx stand first in every line.
	bare := regexp.MustCompile(`^\{"id":"` + id + `","time":"\d{8}T\d{6}Z","ctx":"trace"\}\n$`)
	if id == "" || !bare.MatchString(lines[1]) {
		t.Errorf("got %q, want %v", lines[1], bare)
	}
}

func TestLevels(t *testing.T) {
	names := []string{"emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"}
	if !slices.Equal(LevelNames(), names) {
		t.Errorf("got %v", LevelNames())
	}
	for i, name := range names {
		if level, ok := ParseLevel(name); !ok || level != Level(i) {
			t.Errorf("%s: got %v %v", name, level, ok)
		}
		var records []Record
		for j, ctx := range names {
			records = append(records, Record{Level: Level(j), Ctx: ctx})
		}
		var got []string
		for _, line := range written(t, Level(i), records...) {
			var r Record
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			got = append(got, r.Ctx)
		}
		if !slices.Equal(got, names[:i+1]) {
			t.Errorf("level %s: got %v", name, got)
		}
	}
	for _, name := range []string{"", "WARN", "warning", "4", "warn "} {
		if _, ok := ParseLevel(name); ok {
			t.Errorf("%q is a level", name)
		}
	}
}

// shown is what a reader of JSON gets of a field.
func shown(t *testing.T, get func(Record) string, r Record) string {
	t.Helper()
	lines := written(t, Warn, r)
	if len(lines) != 1 {
		t.Fatalf("got %d lines: %q", len(lines), lines)
	}
	var back Record
	if err := json.Unmarshal([]byte(lines[0]), &back); err != nil {
		t.Fatal(err)
	}
	return get(back)
}

func TestInvalidUTF8(t *testing.T) {
	path := func(r Record) string { return r.Path }
	for text, want := range map[string]string{
		"/plain":        "/plain",
		"/é\u00a9":      "/é\u00a9",
		"/\u2028\u009b": `/\xe2\x80\xa8\xc2\x9b`,
		"/\ufffd":       "/\ufffd",
		"/\n\x01\"":     "/\n\x01\"",
		"/\xff":         `/\xff`,
		"/\xc3":         `/\xc3`,
		"/a\xfe\xffé":   `/a\xfe\xffé`,
		"/\xed\xa0\x80": `/\xed\xa0\x80`, // a surrogate
		"/\ufffd\xff":   "/\ufffd" + `\xff`,
		`/a\b`:          `/a\b`,
	} {
		if got := shown(t, path, Record{Level: Warn, Path: text}); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	// Different names never look the same.
	names := []string{"/\xff", `/\xff`, "/\ufffd", "/\\\xff", `/\\xff`, `/\x5cxff`, "/\xfe", "/\xff\xff", `/\xff` + "\xff", "/\xff" + `\xff`}
	seen := map[string]string{}
	for _, name := range names {
		got := shown(t, path, Record{Level: Warn, Path: name})
		if other, taken := seen[got]; taken {
			t.Errorf("%q and %q both look like %q", name, other, got)
		}
		seen[got] = name
	}
}

func TestInvalidUTF8InEveryField(t *testing.T) {
	for field, make := range map[string]func(string) (Record, func(Record) string){
		"path": func(s string) (Record, func(Record) string) {
			return Record{Path: s}, func(r Record) string { return r.Path }
		},
		"cmd": func(s string) (Record, func(Record) string) {
			return Record{Cmd: s}, func(r Record) string { return r.Cmd }
		},
		"cwd": func(s string) (Record, func(Record) string) {
			return Record{CWD: s}, func(r Record) string { return r.CWD }
		},
		"msg": func(s string) (Record, func(Record) string) {
			return Record{Msg: s}, func(r Record) string { return r.Msg }
		},
		"tip": func(s string) (Record, func(Record) string) {
			return Record{Tip: s}, func(r Record) string { return r.Tip }
		},
	} {
		r, get := make("a\xffb")
		r.Level = Warn
		if got := shown(t, get, r); got != `a\xffb` {
			t.Errorf("%s: got %q", field, got)
		}
	}
}

func TestNothingIsStartedForNothing(t *testing.T) {
	l := New(-1, Warn, func(func()) { t.Error("a writer was started") })
	l.Write(Record{Level: Notice})
	l.Close()
}

func TestClosedDescriptorIsSilent(t *testing.T) {
	l := New(-1, Warn, goroutine)
	for range 10 {
		l.Write(Record{Level: Warn})
	}
	l.Close()
	select {
	case <-l.done:
	default:
		t.Error("the writer goes on")
	}
}

// A reader that never reads: the pipe fills, then the queue, then records are
// dropped; Write returns all the same, and so does Close, in its time.
func TestReaderThatNeverReads(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	l := New(int(w.Fd()), Warn, goroutine)
	record := Record{Level: Warn, Ctx: "access", Path: "/" + strings.Repeat("x", 4000)}
	const records = 3 * queueLength
	for range records {
		l.Write(record)
	}
	dropped := int(l.dropped.Load())
	if dropped == 0 || dropped > 2*queueLength {
		t.Errorf("%d of %d records were dropped", dropped, records)
	}
	start := time.Now()
	l.Close()
	if took := time.Since(start); took < flushBound || took > 5*flushBound {
		t.Errorf("Close took %v", took)
	}
	// At last it reads: what is there comes, and the number of what isn't.
	text := make(chan string)
	go func() {
		all, _ := io.ReadAll(r)
		text <- string(all)
	}()
	<-l.done
	w.Close()
	count(t, <-text, records)
}

// count expects of a log that its records and those that it tells were dropped
// are so many.
func count(t *testing.T, text string, want int) {
	t.Helper()
	var written, told int
	for line := range strings.Lines(text) {
		var r Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		if r.Ctx != "audit" {
			written++
			continue
		}
		n, err := strconv.Atoi(strings.Fields(r.Msg)[0])
		if _, ill := time.Parse("20060102T150405Z", r.Time); err != nil || ill != nil || r.Op != "drop" || r.ID == "" {
			t.Errorf("got %+v", r)
		}
		told += n
	}
	if told == 0 || written+told != want {
		t.Errorf("%d written, %d told: want %d", written, told, want)
	}
}

// The count is told as soon as the reader has read what was queued.
func TestDropsAreToldBeforeTheEnd(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	l := New(int(w.Fd()), Warn, goroutine)
	const records = 3 * queueLength
	for range records {
		l.Write(Record{Level: Warn, Ctx: "access", Path: "/" + strings.Repeat("x", 4000)})
	}
	var text strings.Builder
	for s := bufio.NewReader(r); !strings.Contains(text.String(), `"drop"`); {
		line, err := s.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString(line)
	}
	if l.dropped.Load() != 0 {
		t.Error("not all are told")
	}
	go io.Copy(io.Discard, r)
	l.Close()
	w.Close()
}

// What can't be written is counted too, and half a line spoils no other.
func TestFullDisk(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	closed := New(-1, Warn, goroutine)
	l := New(int(file.Fd()), Warn, goroutine)
	l.dropped.Store(7)
	l.torn = true
	file.WriteString(`{"half":`)
	l.Write(Record{Level: Warn, Ctx: "access"})
	l.Close()
	text, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	half, rest, _ := strings.Cut(string(text), "\n")
	if half != `{"half":` {
		t.Errorf("got %q", text)
	}
	count(t, rest, 8)
	closed.Write(Record{Level: Warn})
	closed.Close()
	if closed.dropped.Load() != 1 || closed.torn {
		t.Errorf("%d are counted, torn %v", closed.dropped.Load(), closed.torn)
	}
}

// A non-blocking pipe that fills loses nothing while somebody reads.
func TestNonBlockingPipe(t *testing.T) {
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_NONBLOCK|syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	const records = 200
	l := New(ends[1], Warn, goroutine)
	for range records {
		l.Write(Record{Level: Warn, Path: strings.Repeat("x", 4000)})
	}
	lines := make(chan int)
	go func() {
		r := os.NewFile(uintptr(ends[0]), "pipe")
		defer r.Close()
		text, _ := io.ReadAll(r)
		lines <- strings.Count(string(text), "\n")
	}()
	l.Close()
	<-l.done
	syscall.Close(ends[1])
	if got := <-lines; got != records {
		t.Errorf("got %d lines, want %d", got, records)
	}
}
