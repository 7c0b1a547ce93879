// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// editErrors are what edits are refused with.
var editErrors = []error{ErrSyntax, ErrUnknown, ErrStartup, ErrRefused}

func kindOf(t *testing.T, err error) (kind error) {
	t.Helper()
	for _, k := range editErrors {
		if errors.Is(err, k) {
			if kind != nil {
				t.Errorf("%v is of two kinds", err)
			}
			kind = k
		}
	}
	if (err == nil) != (kind == nil) {
		t.Errorf("%v is of no kind", err)
	}
	return kind
}

func TestEdit(t *testing.T) {
	for _, row := range []struct {
		command string
		want    error
	}{
		{"sandbox/read:off", nil},
		{"sandbox/all,pid:on", nil},
		{"default/read,pid:warn", nil},
		{"allow/all+/a", nil},
		{"  allow/all+/a", nil},
		{"allow/all-/a", nil},
		{"kill/read^/a", nil},
		{"mask+/a", nil},
		{"append-/a", nil},
		{"pid/max:7", nil},
		{"lock:off", nil}, {"lock:exec", nil}, {"lock:ipc", nil}, {"lock:drop", nil}, {"lock:read", nil}, {"lock:on", nil},
		{"reset", nil},
		{"", ErrSyntax},
		{"# a comment", ErrSyntax},
		{":on", ErrSyntax},
		{"allow/all+/a\n", ErrSyntax},
		{"allow/all+/a\nallow/all+/b", ErrSyntax},
		{"allow/all+a", ErrSyntax},
		{"allow/all+/a ", ErrSyntax},
		{"allow/all+/\xff", ErrSyntax},
		{"allow/net+/a", ErrSyntax},
		{"allow/all", ErrSyntax},
		{"allow", ErrSyntax},
		{"sandbox/read", ErrSyntax},
		{"sandbox/read:maybe", ErrSyntax},
		{"sandbox/read?", ErrSyntax},
		{"default/read:permit", ErrSyntax},
		{"pid/max:many", ErrSyntax},
		{"lock", ErrSyntax},
		{"lock?", ErrSyntax},
		{"lock:unset", ErrSyntax},
		{"reset x", ErrSyntax},
		{"segvguard/expiry:x", ErrSyntax},
		{"setuid+x", ErrSyntax},
		{"ghost", ErrUnknown}, {"stat", ErrUnknown}, {"load/3", ErrUnknown}, // not the policy's
		{"permit/all+/a", ErrUnknown},
		{"pid/least:1", ErrUnknown},
		{"trace/no_such:on", ErrUnknown},
		{"cmd/exec!/bin/sh", ErrUnknown},
		{"segvguard/expiry:0", ErrStartup},
		{"segvguard/expiry:120", ErrStartup},
		{"trace/allow_unsafe_env:on", ErrStartup},
		{"trace/exit_wait_all:on", ErrStartup},
		{"setuid+1:2", ErrStartup},
		{"setgid^1", ErrStartup},
		{"include x.syd-3", ErrStartup},
		{"include_profile off", ErrStartup},
	} {
		p := parse(t, "lock:off", "allow/all+/b", "deny/read+/a")
		before := p.Text()
		q, err := p.Edit(row.command)
		if got := kindOf(t, err); got != row.want || (q == nil) != (err != nil) {
			t.Errorf("%q: got %v, want %v", row.command, err, row.want)
		}
		if p.Text() != before {
			t.Errorf("%q: the policy itself changed", row.command)
		}
		if err == nil && row.command != "reset" {
			if want := parse(t, append(strings.Split(strings.TrimSpace(before), "\n"), row.command)...); q.Text() != want.Text() {
				t.Errorf("%q: got\n%s", row.command, q.Text())
			}
		}
	}
}

func TestEditKeepsFinalLocks(t *testing.T) {
	for l := LockUnset; l <= LockOn; l++ {
		p := parse(t).WithLock(l)
		for _, command := range []string{"lock:off", "allow/all+/a", "deny/all+/a", "reset", "no such", "lock:on"} {
			_, err := p.Edit(command)
			if got := errors.Is(err, ErrRefused); got != (l >= LockDrop) {
				t.Errorf("%v: %s: got %v", l, command, err)
			}
		}
		if _, err := p.Drop("deny/all+/a"); errors.Is(err, ErrRefused) != (l > LockDrop) {
			t.Errorf("%v: drop: got %v", l, err)
		}
	}
}

func TestDrop(t *testing.T) {
	for _, row := range []struct {
		command string
		want    error
	}{
		{"deny/all+/a", nil}, {"filter/read+/a", nil}, {"panic/read+/a", nil}, {"stop/read+/a", nil}, {"abort/read+/a", nil},
		{"kill/read+/a", nil}, {"exit/read+/a", nil},
		{"allow/all-/a", nil}, {"warn/read^/a", nil},
		{"sandbox/read:on", nil}, {"sandbox/all,pid:1", nil},
		{"default/read:deny", nil}, {"default/all,pid:filter", nil}, {"default/read:exit", nil},
		{"lock:drop", nil}, {"lock:read", nil}, {"lock:on", nil},
		{"allow/read+/a", ErrRefused}, {"warn/read+/a", ErrRefused},
		{"deny/read-/a", ErrRefused}, {"filter/read^/a", ErrRefused},
		{"sandbox/read:off", ErrRefused}, {"default/read:allow", ErrRefused}, {"default/read:warn", ErrRefused},
		{"lock:off", ErrRefused}, {"lock:exec", ErrRefused}, {"lock:ipc", ErrRefused},
		{"mask+/a", ErrRefused}, {"mask-/a", ErrRefused}, {"append+/a", ErrRefused}, {"append^/a", ErrRefused},
		{"pid/max:1", ErrRefused}, {"reset", ErrRefused},
		{"deny/read+a", ErrSyntax}, {"lock:unset", ErrSyntax}, {"no/such:on", ErrUnknown},
		{"trace/exit_wait_all:on", ErrStartup}, {"include_profile off", ErrStartup},
	} {
		p := parse(t, "lock:drop", "allow/all+/a", "sandbox/write:off")
		q, err := p.Drop(row.command)
		if got := kindOf(t, err); got != row.want {
			t.Errorf("%q: got %v, want %v", row.command, err, row.want)
		}
		if err == nil {
			gives(t, row.command, p, q, "/a", "/b")
		}
	}
}

// gives wants q to allow no more than p.
func gives(t *testing.T, command string, p, q *Policy, paths ...string) {
	t.Helper()
	for _, path := range paths {
		for c := range everything.each {
			r := Request{Category: c, Path: path}
			if q.Decide(r).Allows() && !p.Decide(r).Allows() {
				t.Errorf("%q: %v of %q is allowed now", command, c, path)
			}
		}
	}
}

func TestIntercepting(t *testing.T) {
	p := parse(t, "lock:off", "sandbox/write,exec:off").Intercepting(func(c Category) bool { return c != Write && c != PID })
	for command, want := range map[string]error{
		"sandbox/write:on": ErrStartup, "sandbox/all:on": ErrStartup, "sandbox/exec:on": nil, "sandbox/read:off": nil,
		"sandbox/write:off": nil, "sandbox/pid:on": nil, // as it is
	} {
		q, err := p.Edit(command)
		if got := kindOf(t, err); got != want {
			t.Errorf("%s: got %v, want %v", command, err, want)
		}
		if _, err := p.Drop(command); want == ErrStartup && !errors.Is(err, want) {
			t.Errorf("%s: drop: got %v", command, err)
		}
		if command == "sandbox/exec:on" && !q.Enabled(Exec) {
			t.Error("exec is off")
		}
	}
	q, err := p.Edit("reset")
	if err != nil || q.Enabled(Write) || !q.Enabled(Exec) || q.Lock() != LockOff {
		t.Errorf("reset: %v, %s", err, q.Text())
	}
	if again := q.Intercepting(func(Category) bool { return true }); again.passed != 0 {
		t.Error("what is intercepted adds up")
	}
}

func TestResetKeepsWhatIsSaidAtTheStart(t *testing.T) {
	p := parse(t, "lock:exec", "segvguard/expiry:7", "trace/exit_wait_all:on", "setuid+1:2", "pid/max:3", "allow/all+/***", "default/all:allow", "mask+/a")
	q, err := p.Observing().Edit("reset")
	if err != nil {
		t.Fatal(err)
	}
	want := parse(t, "lock:exec", "segvguard/expiry:7", "trace/exit_wait_all:on", "setuid+1:2")
	if q.Text() != want.Text() || q.Decide(Request{Category: Read, Path: "/a"}) != Warn {
		t.Errorf("got %s", q.Text())
	}
}

func TestLoad(t *testing.T) {
	p := parse(t, "lock:exec", "allow/all+/a")
	q, err := p.Load("# a policy\n\n  deny/read+/a\nreset\nallow/read+/b\nlock:on\n")
	if err != nil {
		t.Fatal(err)
	}
	if got := q.Decide(Request{Category: Read, Path: "/b"}); got != Allow || q.Lock() != LockOn || len(q.rules.list) != 1 {
		t.Errorf("got %s", q.Text())
	}
	for text, want := range map[string]error{
		"":                                  nil,
		"deny/all+/b":                       nil,
		"deny/all+/b\nno such":              ErrUnknown,
		"deny/all+/b\nsandbox/read":         ErrSyntax,
		"deny/all+/b\nsegvguard/expiry:0\n": ErrStartup,
		"include x.syd-3":                   ErrStartup,
		"include_profile off":               ErrStartup,
		"lock:on\nallow/all+/b":             ErrRefused,
		"lock:read\nlock:on":                ErrRefused,
		strings.Repeat("#\n", maxText):      ErrSyntax,
	} {
		_, err := p.Load(text)
		if got := kindOf(t, err); got != want {
			t.Errorf("%.60q: got %v, want %v", text, err, want)
		}
	}
	_, err = p.Load("lock:off\n\n sandbox/é:on")
	if want := `load:3:10: "sandbox/é:on": malformed command: expected a category`; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestQuery(t *testing.T) {
	p := parse(t, "sandbox/write,pid:off", "trace/exit_wait_all:on")
	for command, want := range map[string]any{
		"sandbox/read?": true, "sandbox/write?": false, "sandbox/read,stat?": true, "sandbox/read,write?": false,
		"sandbox/all?": false, "sandbox/pid?": false, "trace/exit_wait_all?": true, "trace/allow_unsafe_env?": false,
		"lock?": ErrSyntax, "pid/max?": ErrSyntax, "default/read?": ErrSyntax, "allow/read?": ErrSyntax, "mask?": ErrSyntax,
		"sandbox/net?": ErrSyntax, "sandbox?": ErrSyntax, "sandbox/?": ErrSyntax, "sandbox/read?x": ErrSyntax,
		"sandbox/read": ErrSyntax, "sandbox/read:on": ErrSyntax, "?": ErrSyntax, "": ErrSyntax, "a\x00?": ErrSyntax,
		"ghost?": ErrUnknown, "no/such?": ErrUnknown,
	} {
		on, err := p.Query(command)
		got := any(on)
		if err != nil {
			got = kindOf(t, err)
		}
		if got != want {
			t.Errorf("%q: got %v, want %v", command, got, want)
		}
		if asks := strings.Contains(command, "?") && command != "a\x00?"; IsQuery(command) != asks {
			t.Errorf("%q: is a query: %v", command, !asks)
		}
	}
	if on, err := parse(t).Query("sandbox/all,pid?"); !on || err != nil {
		t.Errorf("all: got %v %v", on, err)
	}
	if IsQuery("allow/read+/a?") {
		t.Error("a pattern is no query")
	}
}

// Many edits, one after the other, decide as the same commands in one text.
func TestManyEdits(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	pieces := []string{"/a", "/b", "a", "b", "*", "**", "?", "/***"}
	for range 8 {
		p, said := parse(t, "lock:off"), []string{"lock:off"}
		for range 150 {
			command := fmt.Sprintf("%v/%v%c/%s", Action(1+random.IntN(9)), []string{"read", "all", "write,read"}[random.IntN(3)],
				"++++--^"[random.IntN(7)], sample(random, pieces, 3))
			q, err := p.Edit(command)
			if err != nil {
				t.Fatal(err)
			}
			p, said = q, append(said, command)
			agrees(t, p, "/"+sample(random, pieces[:4], 5))
		}
		if want := parse(t, said...); p.Text() != want.Text() {
			t.Errorf("%q: got\n%s\nwant\n%s", said, p.Text(), want.Text())
		}
	}
}

// An edit of ten thousand rules, and the first answer after it. The bound is for
// the race detector: BenchmarkEdit tells how long it takes.
func TestEditsAreFast(t *testing.T) {
	p, err := (files{"x.syd-3": "lock:off\n" + mixed(10_000)}).load("x.syd-3")
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"sandbox/write:off", "allow/all+/new", "deny/all-/srv/trees/1/***", "allow/read^/srv/data/7-*.log"} {
		q, edits := p, 40 // now and then the index is made anew
		took := cost(t, func() {
			for range edits {
				if q, err = q.Edit(command); err != nil {
					t.Fatal(err)
				}
				q.Decide(Request{Category: Read, Path: "/srv/data/7-x.log"})
			}
		}) / time.Duration(edits)
		t.Logf("%s: %v", command, took)
		if took > 30*time.Millisecond {
			t.Errorf("%s: %v", command, took)
		}
	}
}

func FuzzEdit(f *testing.F) {
	for _, command := range []string{"allow/all+/a", "deny/read-/a", "sandbox/read?", "lock:drop", "reset", "mask+/a", "setuid+1:2", "include x", "?", ":"} {
		f.Add(command, "allow/all+/a\ndeny/read+/b", "/a")
	}
	f.Fuzz(func(t *testing.T, command, text, path string) {
		if len(command) > 1000 || len(text) > 1000 || !strings.HasPrefix(path, "/") {
			return
		}
		p, err := parse(t, "lock:exec").Load(text)
		if err != nil || p.Lock().String() != "exec" {
			return
		}
		before := p.Text()
		if q, err := p.Edit(command); kindOf(t, err) == nil {
			agrees(t, q, path)
		}
		q, err := p.Drop(command)
		if kindOf(t, err) == nil {
			gives(t, command, p, q, path)
		}
		if _, err := p.Query(command); err == nil != IsQuery(command) && err == nil {
			t.Errorf("%q is answered, and no query", command)
		}
		if p.Text() != before {
			t.Error("the policy itself changed")
		}
		if err != nil && len(fmt.Sprint(err)) > 2000 {
			t.Errorf("a long error: %.3000v", err)
		}
	})
}

func BenchmarkEdit(b *testing.B) {
	p, err := (files{"x.syd-3": "lock:off\n" + mixed(10_000)}).load("x.syd-3")
	if err != nil {
		b.Fatal(err)
	}
	for _, command := range []string{"sandbox/write:off", "allow/all+/new", "deny/all-/srv/trees/1/***"} {
		b.Run(command[:7], func(b *testing.B) {
			for b.Loop() {
				q, _ := p.Edit(command)
				q.Decide(Request{Category: Read, Path: "/srv/data/7-x.log"})
			}
		})
	}
}
