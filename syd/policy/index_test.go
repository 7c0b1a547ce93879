// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// lastOf is the slow and obvious way: the list, from its end.
func lastOf(list []rule, c Category, path string) Action {
	for i := len(list) - 1; i >= 0; i-- {
		if r := list[i]; r.of.has(c) && r.pattern.Match(path) {
			return r.action
		}
	}
	return 0
}

// agrees wants the index to answer as the list does.
func agrees(t *testing.T, p *Policy, paths ...string) {
	t.Helper()
	for _, path := range paths {
		for c := Walk; c <= appendList; c++ {
			if got, want := p.rules.last(c, path), lastOf(p.rules.list, c, path); c != PID && got != want {
				t.Fatalf("%v of %q: got %v, the list says %v:\n%.2000s", c, path, got, want, p.Text())
			}
		}
	}
}

// sample puts text together from few pieces, so that much of it meets.
func sample(random *rand.Rand, pieces []string, most int) string {
	var b strings.Builder
	for range 1 + random.IntN(most) {
		b.WriteString(pieces[random.IntN(len(pieces))])
	}
	return b.String()
}

func TestIndexAgreesWithList(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	plain := []string{"/a", "/b", "/", "a", "b", "ab", "é", "\uFFFD", "c"}
	wild := append([]string{"*", "**", "?", "[ab]", "{a,b/}", "{,ab}", `\a`, `\*`, "/***", "/*"}, plain...)
	for range 50 {
		var lines []string
		for range random.IntN(40) {
			head := fmt.Sprintf("%v/%v", Action(1+random.IntN(9)), Walk+Category(random.IntN(int(PID)-1)))
			switch random.IntN(5) {
			case 0:
				head = []string{"mask", "append"}[random.IntN(2)]
			case 1:
				head = "deny/all"
			case 2:
				head = "allow/read,write,exec"
			}
			lines = append(lines, head+string("++++-^"[random.IntN(6)])+"/"+sample(random, wild, 5))
		}
		p, err := Parse(commands(lines...), nil)
		if err != nil {
			continue
		}
		for range 40 {
			agrees(t, p, "/"+sample(random, plain, 6), "/"+sample(random, []string{"a", "/", "b", "\xff", "*"}, 8))
		}
	}
}

func FuzzIndex(f *testing.F) {
	f.Add("allow/read+/a/***\ndeny/read+/a/*b\nmask+/**b", "/a/b")
	f.Add("allow/all+/***\ndeny/all+/{a,b}*\nwarn/all+/\nfilter/all+/a", "/a")
	f.Add("allow/all+/**a\nallow/all+/**ba\nallow/all+/*/ba\nallow/all+/x*ba", "/x/ba")
	f.Add("allow/all+/a?\nallow/all+/aa?\nallow/all+/aaa?\ndeny/all+/aaa/***", "/aaab")
	f.Fuzz(func(t *testing.T, text, path string) {
		if len(text) > 2000 || len(path) > 200 || !strings.HasPrefix(path, "/") {
			return
		}
		if p, err := (files{"x.syd-3": text}).load("x.syd-3"); err == nil {
			agrees(t, p, path, path+"/b", path[:len(path)/2]+"/")
		}
	})
}

// mixed is n rules as people write them: files, trees, and globs of all sorts.
func mixed(n int) string {
	var b strings.Builder
	for i := range n {
		switch i % 5 {
		case 0:
			fmt.Fprintf(&b, "allow/read,stat+/srv/data/%d/file\n", i)
		case 1:
			fmt.Fprintf(&b, "deny/all+/srv/trees/%d/***\n", i)
		case 2:
			fmt.Fprintf(&b, "allow/read+/srv/data/%d-*.log\n", i)
		case 3:
			fmt.Fprintf(&b, "warn/read+/**/name-%d\n", i)
		case 4:
			fmt.Fprintf(&b, "allow/read+/home/*/{.cache,.local/*}/%d.db\n", i)
		}
	}
	return b.String()
}

var benchPaths = []string{
	"/srv/data/5/file", "/srv/trees/1/a/b/c", "/srv/data/7-x.log", "/usr/lib/name-8", "/home/me/.cache/9.db", "/usr/lib/x86_64-linux-gnu/libc.so.6",
}

func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{0, 10, 100, 1000, 10_000, 50_000} {
		p, err := (files{"x.syd-3": mixed(n)}).load("x.syd-3")
		if err != nil {
			b.Fatal(err)
		}
		for i, path := range benchPaths {
			if i != 2 && i != 5 {
				continue
			}
			b.Run(fmt.Sprintf("%d-rules/%s", n, strings.ReplaceAll(path[1:], "/", "_")), func(b *testing.B) {
				r := Request{Category: Read, Path: path}
				p.Decide(r)
				b.ReportAllocs()
				for b.Loop() {
					p.Decide(r)
				}
			})
		}
	}
}

func BenchmarkParse(b *testing.B) {
	f := files{"x.syd-3": mixed(10_000)}
	for b.Loop() {
		p, err := f.load("x.syd-3")
		if err != nil {
			b.Fatal(err)
		}
		p.Decide(Request{Category: Read, Path: "/"})
	}
}

// The least of some calls counts: regexp keeps its memory in a sync.Pool, which
// the garbage collector empties and the race detector has drop one in four.
func TestDecideAllocatesNothing(t *testing.T) {
	p, err := (files{"x.syd-3": mixed(1000)}).load("x.syd-3")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range benchPaths {
		agrees(t, p, path)
		least := math.Inf(1)
		for range 100 {
			least = min(least, testing.AllocsPerRun(1, func() { p.Decide(Request{Category: Read, Path: path}) }))
		}
		if least != 0 {
			t.Errorf("%s: %v allocations", path, least)
		}
	}
}

// Ten thousand rules decide about as fast as ten: BenchmarkDecide tells how fast.
// The bound is for the race detector; walking the list takes
// ten times as long with it.
func TestManyRulesAreFast(t *testing.T) {
	p, err := (files{"x.syd-3": mixed(10_000)}).load("x.syd-3")
	if err != nil {
		t.Fatal(err)
	}
	p.Decide(Request{Category: Read, Path: "/"})
	const rounds = 500
	took := cost(t, func() {
		for range rounds {
			for _, path := range benchPaths {
				p.Decide(Request{Category: Read, Path: path})
			}
		}
	}) / rounds / time.Duration(len(benchPaths))
	t.Logf("%v each", took)
	if took > 100*time.Microsecond {
		t.Errorf("a decision takes %v", took)
	}
}

// Any thread may ask; the index is made once.
func TestIndexIsSafeForThreads(t *testing.T) {
	p, err := (files{"x.syd-3": mixed(500)}).load("x.syd-3")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for _, path := range benchPaths {
				if got, want := p.Decide(Request{Category: Read, Path: path}), lastOf(p.rules.list, Read, path); got != want && want != 0 {
					t.Errorf("%s: got %v, want %v", path, got, want)
				}
			}
		})
	}
	group.Wait()
}
