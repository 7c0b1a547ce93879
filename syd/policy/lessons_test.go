// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

func configured(t *testing.T, text string) *Policy {
	t.Helper()
	p, err := Parse([]Command{{"-P", "x.syd-3", File}}, only(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLearning(t *testing.T) {
	p := configured(t, "deny/read+/a\nallow/read+/b\ndefault/write:kill\ndefault/stat:filter\ndefault/list:allow").Learning()
	for _, row := range []struct {
		Category
		path string
		want Action
	}{{Read, "/a", Deny}, {Read, "/b", Allow}, {Read, "/c", Warn}, {Write, "/a", Warn}, {Stat, "/a", Warn}, {List, "/a", Allow}, {PID, "", Kill}} {
		if got := p.Decide(Request{Category: row.Category, Path: row.path}); got != row.want {
			t.Errorf("%v of %s: %v, want %v", row.Category, row.path, got, row.want)
		}
	}
}

// The policy of the lessons is whole: it allows what was done, by any thread, and
// says all that was said before.
func TestLessons(t *testing.T) {
	base := "deny/read+/home/me/.ssh/***\nallow/exec+/usr/bin/*\nsandbox/ioctl:off\nmask+/etc/shadow\nlock:off\npid/max:7\nconfig/expand:1\n"
	l := NewLessons(configured(t, base))
	for _, row := range []struct {
		Category
		path string
		want bool
	}{{Read, "/etc/passwd", true}, {Exec, "/usr/bin/id", false}, {Exec, "/bin/id", true}, {Ioctl, "/dev/tty", false}, {Read, "/etc/passwd", true}} {
		if got := l.Take(row.Category, row.path); got != row.want {
			t.Errorf("%v of %s: %v", row.Category, row.path, got)
		}
	}
	if (*Lessons)(nil).Take(Read, "/x") {
		t.Error("nil learned something")
	}
	var all sync.WaitGroup
	for thread := range 8 {
		all.Go(func() {
			for i := range 20 {
				l.Take(Read, fmt.Sprintf("/home/me/.ssh%d/%d", i%10, thread))
			}
		})
	}
	all.Wait()
	text, whole := l.Text()
	p := configured(t, text)
	for path, want := range map[string]Action{"/etc/passwd": Allow, "/home/me/.ssh/id": Deny, "/home/me/.ssh3/7": Allow, "/home/me/.ssh3x": Deny} {
		if got := p.Decide(Request{Category: Read, Path: path}); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
	if !whole || p.Enabled(Ioctl) || !p.Masked("/etc/shadow") || p.Lock() != LockOff || p.PIDMax != 7 || !p.Decide(Request{Category: Exec, Path: "/bin/id"}).Allows() ||
		strings.Contains(text, "default/") {
		t.Errorf("%v\n%s", whole, text)
	}
}

func TestLessonsAreBounded(t *testing.T) {
	l := NewLessons(closedByDefault())
	l.Take(Readdir, "/dir")
	for i := range maxLessons * 2 {
		l.Take(List, fmt.Sprintf("/dir/%d", i)) // is all one
	}
	if text, whole := l.Text(); !whole || !strings.Contains(text, "allow/list+/dir/*\n") {
		t.Errorf("%v\n%.200s", whole, text)
	}
	for i := range maxLessons {
		l.Take(Read, fmt.Sprintf("/some/%d/file", i))
	}
	if _, whole := l.Text(); whole || len(l.seen) > maxLessons {
		t.Errorf("%d paths", len(l.seen))
	}
	if !l.Take(Read, "/one/more") || !l.Take(Write, "/some/1/file") || !l.seen["/some/1/file"].has(Write) {
		t.Error("it learns no more of what it knows")
	}
	long := NewLessons(closedByDefault())
	for i := range maxLessonBytes/4000 + 2 {
		long.Take(Read, fmt.Sprintf("/%d/%s", i, strings.Repeat("x", 4000)))
	}
	if _, whole := long.Text(); whole {
		t.Error("long paths are not bounded")
	}
}
