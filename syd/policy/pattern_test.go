// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

func compile(t testing.TB, text string) *Pattern {
	t.Helper()
	p, err := compilePattern(text)
	if err != nil {
		t.Fatalf("compilePattern(%.80q): %+v", text, *err)
	}
	return p
}

func TestPatterns(t *testing.T) {
	for _, row := range []struct{ text, matches, others string }{
		{"/", "/", "/a //"},
		{"/a", "/a", "/ /a/ /ab /b /a/b /A"},
		{"/a/", "/a/", "/a"},
		{"/***", "/ /a /a/b", ""},
		{"/a/***", "/a /a/ /a/b /a/b/c", "/ /ab /b/a"},
		{"/a*/***", "/a /ab /ab/c/d", "/ /b/a"},
		{"/**", "/ /a /a/b", ""},
		{"/a/**", "/a/ /a/b /a/b/c", "/a /ab"},
		{"/a/****", "/a/ /a/b/c", "/a"},
		{"/**/c", "//c /a/c /a/b/c", "/c /a/cc"},
		{"/a**c", "/ac /abc /a/b/c", "/a/b"},
		{"/*", "/ /a /.a", "/a/ /a/b"},
		{"/a*c", "/ac /abc /abbc", "/a/c /abcd"},
		{"/*/*", "// /a/b", "/a /a/b/c"},
		{"/?", "/a /é", "/ // /ab"},
		{"/a?c", "/abc", "/ac /a/c /abbc"},
		{"/[ab]", "/a /b", "/ /c /ab"},
		{"/[!ab]", "/c /é", "/a /b / // /cd"},
		{"/[a-c]", "/a /b /c", "/d /-"},
		{"/[a-]", "/a /-", "/b"},
		{"/[-a]", "/a /-", "/b"},
		{"/[]a]", "/] /a", "/b /[]a]"},
		{"/[!]a]", "/b", "/] /a"},
		{"/[^a]", "/^ /a", "/b"},
		{"/[[:]", "/[ /:", "/a"},
		{`/[\d]`, "/d", `/\ /1`},
		{`/[\]a]`, "/] /a", `/\ /b`},
		{`/[\\]`, `/\`, "/]"},
		{`/[a\-c]`, "/a /- /c", "/b"},
		{`/[\!a]`, "/! /a", "/b"},
		{`/[\a-c]`, "/a /b /c", "/d"},
		{`/[a-\c]`, "/a /b /c", "/d"},
		{"/[&~]", "/& /~", "/a"},
		{"/[à-ü]", "/é", "/e"},
		{"/{a,bc}", "/a /bc", "/ /b /abc /{a,bc}"},
		{"/{a,b}{c,d}", "/ac /bd", "/ab /a"},
		{"/{,a}b", "/b /ab", "/a"},
		{"/{a,{b,c}d}", "/a /bd /cd", "/b /ad"},
		{"/{a*,b?}/x", "/a/x /abc/x /bc/x", "/b/x"},
		{"/{a/b,c}", "/a/b /c", "/a"},
		{"/a,b", "/a,b", "/a /b"},
		{"/a}", "/a}", "/a"},
		{"/{}", "/", "/{}"},
		{`/\*`, "/*", "/ /a"},
		{`/\[a\]`, "/[a]", "/a"},
		{`/\{a\,b}`, "/{a,b}", "/a"},
		{`/{a\,b,c}`, "/a,b /c", "/a /b"},
		{`/\\`, `/\`, `/\\`},
		{`/\d`, "/d", "/1"},
		{"/a.c", "/a.c", "/abc"},
		{"/*.c", "/a.c", "/abc"},
		{"/(a|b)+$*", "/(a|b)+$", "/a"},
	} {
		p := compile(t, row.text)
		if p.String() != row.text {
			t.Errorf("%s: String is %q", row.text, p)
		}
		for path := range strings.FieldsSeq(row.matches) {
			if !p.Match(path) {
				t.Errorf("%s doesn't match %s", row.text, path)
			}
		}
		for path := range strings.FieldsSeq(row.others) {
			if p.Match(path) {
				t.Errorf("%s matches %s", row.text, path)
			}
		}
	}
}

// Names are bytes: a newline is one as any other, and what is no UTF-8 counts
// byte by byte.
func TestPatternsMatchOddNames(t *testing.T) {
	for _, row := range []struct {
		text, path string
		want       bool
	}{
		{"/*", "/a\nb", true},
		{"/?", "/\n", true},
		{"/a*", "/a\n/b", false},
		{"/*a", "/b\n/a\n", false},
		{"/**", "/\xff\xfe", true},
		{"/?", "/\xff", true},
		{"/?", "/\xff\xfe", false},
		{"/??", "/\xff\xfe", true},
		{"/[!a]", "/\xff", true},
		{"/\n", "/\n", true},
	} {
		if got := compile(t, row.text).Match(row.path); got != row.want {
			t.Errorf("%q on %q: got %v", row.text, row.path, got)
		}
	}
}

// bound is what compiling and matching the worst pattern may take of a
// processor, with the race detector: a backtracking matcher takes years.
const bound = 2 * time.Second

// cost is the processor time that f takes, whatever else the machine does.
func cost(t testing.TB, f func()) time.Duration {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	spent := func() time.Duration {
		const thread = 1 // getrusage(2), RUSAGE_THREAD
		var u syscall.Rusage
		if err := syscall.Getrusage(thread, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := spent()
	f()
	return spent() - before
}

func TestAdversarialPatterns(t *testing.T) {
	long := "/" + strings.Repeat("a", 4095)
	for name, row := range map[string]struct {
		text, path string
		want       bool
	}{
		"alternatives":        {"/" + strings.Repeat("{a,b}", 30), "/" + strings.Repeat("a", 30), true},
		"alternatives, short": {"/" + strings.Repeat("{a,b}", 30), "/" + strings.Repeat("a", 29), false},
		"equal alternatives":  {"/" + strings.Repeat("{a,a}", 200) + "b", long, false},
		"empty alternatives":  {"/" + strings.Repeat("{a,}", 300), "/" + strings.Repeat("a", 300), true},
		"nested alternatives": {"/" + strings.Repeat("{a,", maxBraces) + "b" + strings.Repeat("}", maxBraces), "/b", true},
		"stars":               {"/*********a", long + "b", false},
		"stars and letters":   {"/" + strings.Repeat("*a", 100) + "b", long, false},
		"double stars":        {"/" + strings.Repeat("**a", 100) + "b", long, false},
		"stars in braces":     {"/" + strings.Repeat("{*,**}", 30) + "b", long, false},
		"question marks":      {"/" + strings.Repeat("?", 4095), long, true},
		"question marks, too": {"/" + strings.Repeat("?", 4096), long, false},
		"classes":             {"/" + strings.Repeat("[a-z]", 3000), "/" + strings.Repeat("a", 3000), true},
		"a long class":        {"/[" + strings.Repeat("ab", 8000) + "]", "/b", true},
	} {
		t.Run(name, func(t *testing.T) {
			took := cost(t, func() {
				if got := compile(t, row.text).Match(row.path); got != row.want {
					t.Errorf("got %v, want %v", got, row.want)
				}
			})
			t.Logf("took %v", took)
			if took > bound {
				t.Error("that is too long")
			}
		})
	}
}

// Exactly's pattern stands in a line and matches the path; nothing else where
// all of the path can be shown.
func TestExactly(t *testing.T) {
	for path, want := range map[string]string{
		"/plain/é":      "/plain/é",
		"/*?[a]{b,c}":   `/\*\?\[a]\{b,c}`,
		"/a/***":        `/a/\*\*\*`,
		"/a b #c ":      `/a b \#c\ `,
		`/a\xff`:        "/a?xff",
		"/\xff\n\t\x7f": "/????",
		"/\u200f\u0085": "/??",
		"/\ufffd":       "/\ufffd",
	} {
		got := Exactly(path)
		if got != want {
			t.Errorf("%q: got %q, want %q", path, got, want)
		}
		s, found, wrong := lex("allow/exec+" + got)
		if wrong != nil || !found || s.arg != got {
			t.Errorf("%q: %+v %v %+v", path, s, found, wrong)
			continue
		}
		p, ill := compilePattern(got)
		if ill != nil || !p.Match(path) || p.Match(path+"x") {
			t.Errorf("%q: %q %+v", path, got, ill)
		}
	}
}
