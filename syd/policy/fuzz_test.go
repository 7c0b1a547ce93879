// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// node is a pattern read by the reference matcher: a byte-for-byte reading of
// Pattern's doc comment, by backtracking, with nothing clever in it.
type node struct {
	kind    byte // 'c' one character, '?', '*', 'D' for `**`, '[', '{', 'T' for a tree's end
	char    rune
	ranges  [][2]rune
	negated bool
	choices [][]node
}

// readPattern reads text, which compilePattern accepts.
func readPattern(text string) []node {
	body, tree := strings.CutSuffix(text, "/***")
	nodes, _ := readNodes([]rune(body), 0, false)
	if tree {
		nodes = append(nodes, node{kind: 'T'})
	}
	return nodes
}

// readNodes reads up to the end or, in braces, up to `,` or `}`.
func readNodes(text []rune, at int, inBraces bool) ([]node, int) {
	var nodes []node
	for at < len(text) {
		c := text[at]
		switch {
		case inBraces && (c == ',' || c == '}'):
			return nodes, at
		case c == '*' && at+1 < len(text) && text[at+1] == '*':
			for at < len(text) && text[at] == '*' {
				at++
			}
			nodes = append(nodes, node{kind: 'D'})
		case c == '*' || c == '?':
			nodes = append(nodes, node{kind: byte(c)})
			at++
		case c == '[':
			var n node
			n, at = readClass(text, at+1)
			nodes = append(nodes, n)
		case c == '{':
			n := node{kind: '{'}
			for at++; ; at++ {
				var choice []node
				choice, at = readNodes(text, at, true)
				n.choices = append(n.choices, choice)
				if text[at] == '}' {
					at++
					break
				}
			}
			nodes = append(nodes, n)
		case c == '\\':
			nodes = append(nodes, node{kind: 'c', char: text[at+1]})
			at += 2
		default:
			nodes = append(nodes, node{kind: 'c', char: c})
			at++
		}
	}
	return nodes, at
}

// readClass reads what follows `[`, character by character: each is itself, or
// what follows a backslash.
func readClass(text []rune, at int) (node, int) {
	n := node{kind: '['}
	if text[at] == '!' {
		n.negated = true
		at++
	}
	one := func() rune {
		if text[at] == '\\' {
			at++
		}
		at++
		return text[at-1]
	}
	for first := true; first || text[at] != ']'; first = false {
		low := one()
		high := low
		// The `]` that ends the class ends a range too: `[a-]` is a choice of two.
		if text[at] == '-' && text[at+1] != ']' {
			at++
			high = one()
		}
		n.ranges = append(n.ranges, [2]rune{low, high})
	}
	return n, at + 1
}

// matchNodes tries everything. steps bounds the work: below 0 it gives up.
func matchNodes(nodes []node, path []rune, then func([]rune) bool, steps *int) bool {
	if *steps--; *steps < 0 {
		return false
	}
	if len(nodes) == 0 {
		return then(path)
	}
	n, rest := nodes[0], nodes[1:]
	next := func(path []rune) bool { return matchNodes(rest, path, then, steps) }
	switch n.kind {
	case '{':
		for _, choice := range n.choices {
			if matchNodes(choice, path, next, steps) {
				return true
			}
		}
		return false
	case '*', 'D':
		for i := 0; ; i++ {
			if next(path[i:]) {
				return true
			}
			if i == len(path) || n.kind == '*' && path[i] == '/' {
				return false
			}
		}
	case 'T':
		return len(path) == 0 || path[0] == '/'
	}
	if len(path) == 0 {
		return false
	}
	fits := path[0] == n.char
	switch n.kind {
	case '?':
		fits = path[0] != '/'
	case '[':
		fits = n.negated && path[0] != '/'
		for _, r := range n.ranges {
			if r[0] <= path[0] && path[0] <= r[1] {
				fits = !n.negated
			}
		}
	}
	return fits && next(path[1:])
}

// referenceMatch answers too late for some patterns: known is false then.
func referenceMatch(text, path string) (match, known bool) {
	steps := 200_000
	// A byte that is no UTF-8 is one character, U+FFFD, as for package regexp.
	match = matchNodes(readPattern(text), []rune(path), func(rest []rune) bool { return len(rest) == 0 }, &steps)
	return match, steps >= 0
}

func FuzzPattern(f *testing.F) {
	for _, pattern := range []string{
		"/", "/***", "/a/***", "/a*/***", "/**", "/*", "/a?c", "/[ab]", "/[!ab]", "/[a-c]", "/[]a]", "/[a-]",
		"/[!]-a]", "/{a,bc}", "/{a,{b,c}d}", "/{,a}*", "/{}", `/\*`, `/{a\,b,c}`, "/a,b}", "/{a/***}", "/**a**",
		"/[à-ü]?", "/.+(|)^$", `/[\^-]`, "/[&-~]", "/[0--]", "/{*,?}{a,b}", "/*{/***", "/[!/]", "/[a-c-e]",
		`/[\]]`, `/[\\]`, `/[a\-c]`, `/[a-\]]`, `/[!\!-a]`,
	} {
		for _, path := range []string{"/", "/a", "/abc", "/a/b", "/]", "/-", "/é", "/\xff", "/a\n", "/{a,b}", "/a,b}", `/\`} {
			f.Add(pattern, path)
		}
	}
	f.Fuzz(func(t *testing.T, text, path string) {
		if len(text) > 100 || len(path) > 100 || !utf8.ValidString(text) || !strings.HasPrefix(path, "/") {
			return
		}
		p, err := compilePattern(text)
		if err != nil {
			return
		}
		want, known := referenceMatch(text, path)
		if got := p.Match(path); known && got != want {
			t.Errorf("%q on %q: got %v, the reference says %v", text, path, got, want)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"", ":", "lock:on", "pid/max:1", "pid/max:99999999999999999999", "sandbox/exec,chdir,pid:off",
		"default/exec:warn", "allow/exec+/***", "deny/exec,chdir-/{a,b}", "kill/chdir^/[!a-z]*", "allow/pid+/x",
		"segvguard/expiry:0", "trace/exit_wait_all:t", "allow/exec+/" + strings.Repeat("{a,b}", 30),
		"allow/exec+/*********a", "allow/exec+/" + strings.Repeat("?", 4096), "allow/exec+/" + nested(2000),
		"allow/exec+/\xff", "allow/exec+/[", "allow/exec+/{", `allow/exec+/\`, "allow/exec+/[]", "allow/exec+/[!",
		"include x.syd-3", "include_profile off\nreset\ninclude_profile quiet", "# x\n\n \t\n  pid/max:1", "allow/all+/a\\ ", "allow/all+/a ",
		"allow/all+/a #", "allow/exec,all+/a\nallow/all^/a", "setuid+0:1\nsetuid+2:3\nsetuid-0:1", "pid/max?", "cmd/exec!x", "\ufeffreset",
		"warn/exec+/a\nallow/exec-/a", "mask+/a\nappend+/b\nmask-/a\nlock:drop", "allow/all+/a\nallow/read-/a",
		"config/expand:1\nallow/all+$HOME/*\nmask+/${ODD}\ninclude $X\npid/max:$N\n", "config/expand:1\nallow/all+/\\$HOME\\\\$ODD", "include_profile user", "exit/exec+/[a-\U0010ffff]",
	} {
		f.Add(text, "/usr/bin/id")
	}
	f.Fuzz(func(t *testing.T, text, path string) {
		took := cost(t, func() { decides(t, text, path) })
		if len(path) < 4096 && len(text) < 4096 && took > bound {
			t.Errorf("took %v", took)
		}
	})
}

// decides has the policy of text's lines, if it is one, decide on everything.
func decides(t *testing.T, text, path string) {
	p, err := ParseIn([]Command{{"-P", "x.syd-3", File}}, Sources{only(text), testSources.Getenv})
	if err != nil {
		for _, e := range err.(Errors) {
			if strings.ContainsAny(e.Error(), "\n\r\x00\x1b") || len(e.Error()) > 2000 {
				t.Errorf("more than one line: %q", e)
			}
		}
		return
	}
	reprint(t, p, path)
	for _, q := range []*Policy{p, p.Observing()} {
		for c := range everything.each {
			for _, unnamed := range []bool{false, true} {
				action := q.Decide(Request{Category: c, Path: path, Unnamed: unnamed})
				if action < Allow || action >= numActions {
					t.Errorf("%v: decided %d", c, action)
				}
				if q.observing && !action.Allows() {
					t.Errorf("%v: observing, and %v", c, action)
				}
				if !q.observing && unnamed && q.enabled.has(c) && action.Allows() {
					t.Errorf("%v: an unnamed file: %v", c, action)
				}
			}
		}
	}
}

// only is a reader of one file, which may include itself.
func only(text string) Reader {
	return func(string) (Source, error) { return Source{text, "only"}, nil }
}

// reprint wants what p prints to be p again.
func reprint(t *testing.T, p *Policy, path string) {
	t.Helper()
	again, err := Parse([]Command{{"-P", "y.syd-3", File}}, only(p.Text()))
	if err != nil {
		t.Errorf("what is printed is refused: %v\n%s", err, p.Text())
		return
	}
	if again.Text() != p.Text() {
		t.Errorf("printed:\n%s\nand again:\n%s", p.Text(), again.Text())
	}
	flat := func(p Policy) string {
		p.rules = nil
		return fmt.Sprintf("%+v", p)
	}
	if flat(*again) != flat(*p) {
		t.Errorf("was %s, is %s", flat(*p), flat(*again))
	}
	if len(p.rules.list) != len(again.rules.list) {
		t.Errorf("%d rules were %d", len(again.rules.list), len(p.rules.list))
	}
	for c := range everything.each {
		if r := (Request{Category: c, Path: path}); p.Decide(r) != again.Decide(r) {
			t.Errorf("%v of %q: was %v, is %v", c, path, p.Decide(r), again.Decide(r))
		}
	}
}
