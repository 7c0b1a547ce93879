// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Pattern is a compiled path pattern: `?` and `*` match within a component,
// `**` across components, `[...]` and `[!...]` one byte's choice, `{a,b}`
// alternatives; a trailing `/***` means the directory and all below it; a
// backslash takes the next character as it is, in `[...]` too. Matching takes time linear in
// the length of the path times that of the pattern, whatever they are.
type Pattern struct {
	text    string
	literal string // exact path, or the tree's top
	tree    bool
	// Else it is a glob: head begins and tail ends whatever matches.
	isGlob     bool
	head, tail string
	source     string // in the syntax of package regexp
	once       sync.Once
	glob       *regexp.Regexp // compiled when it is asked for the first time
}

func (p *Pattern) String() string { return p.text }

// Match says whether the absolute path fits.
func (p *Pattern) Match(path string) bool {
	if p.isGlob {
		return strings.HasPrefix(path, p.head) && strings.HasSuffix(path, p.tail) && p.compiled().MatchString(path)
	}
	if p.tree {
		below, ok := strings.CutPrefix(path, p.literal)
		return ok && (below == "" || below[0] == '/') || p.literal == "" && path == "/"
	}
	return path == p.literal
}

// compiled is the glob. What translation accepts package regexp takes: it would
// refuse groups that are nested deeper than maxBraces.
func (p *Pattern) compiled() *regexp.Regexp {
	p.once.Do(func() { p.glob = regexp.MustCompile(p.source) })
	return p.glob
}

// all: no path that it doesn't match.
func (p *Pattern) all() bool { return p.text == "/***" || p.text == "/**" }

const treeSuffix = "/***"

// maxPattern leaves room in a line for the names of all categories, so that
// every rule can be printed. maxBraces bounds braces inside each other.
const (
	maxPattern = maxLine - 256
	maxBraces  = 250
)

// compilePattern compiles text, which is UTF-8.
func compilePattern(text string) (*Pattern, *mistake) {
	switch {
	case !strings.HasPrefix(text, "/"):
		return nil, &mistake{0, "an absolute path pattern"}
	case len(text) > maxPattern:
		return nil, &mistake{0, "a shorter path pattern"}
	}
	p := &Pattern{text: text}
	body, tree := strings.CutSuffix(text, treeSuffix)
	t := translation{rest: body}
	if expected := t.run(); expected != "" {
		return nil, &mistake{len(body) - len(t.rest), expected}
	}
	if !t.wild {
		p.literal, p.tree = t.tail.String(), tree
		return p, nil
	}
	p.isGlob, p.head, p.tail = true, t.head, t.tail.String()
	if tree {
		t.out.WriteString("(?:/.*)?")
		p.tail = ""
	}
	p.source = "^(?s:" + t.out.String() + ")$"
	return p, nil
}

// Exactly is a pattern that matches path, for a rule in one line of text. Where
// path has what such a line can't have or show (control characters, invalid
// UTF-8, marks that hide or reorder text), and for its backslashes, the pattern
// has a `?`; it matches other names there too.
func Exactly(path string) string {
	var out strings.Builder
	for i := 0; i < len(path); {
		c, size := utf8.DecodeRuneInString(path[i:])
		switch {
		case c == utf8.RuneError && size == 1, c == '\\', !unicode.IsPrint(c):
			c = '?'
		case strings.ContainsRune("*?[{", c), c == '#' && i > 0 && path[i-1] == ' ', c == ' ' && i == len(path)-1:
			out.WriteByte('\\')
		}
		out.WriteRune(c)
		i += size
	}
	return out.String()
}

// translation turns glob syntax into that of package regexp, which matches in
// linear time.
type translation struct {
	rest  string
	out   strings.Builder
	depth int
	// head is what stands before the first wildcard, once there was one; tail is
	// what stands behind the last.
	wild bool
	head string
	tail strings.Builder
}

// wildcard ends a run of characters that stand for themselves.
func (t *translation) wildcard(out string) {
	if !t.wild {
		t.wild, t.head = true, t.tail.String()
	}
	t.tail.Reset()
	t.out.WriteString(out)
}

// plain is a character that stands for itself. U+FFFD does not: package regexp
// takes every byte that is no UTF-8 for one.
func (t *translation) plain(c rune) {
	switch {
	case c == utf8.RuneError:
		t.wildcard(string(c))
		return
	case t.depth == 0:
		t.tail.WriteRune(c)
	}
	t.out.WriteString(regexp.QuoteMeta(string(c)))
}

// run translates all of it. Else rest is where it says what was expected.
func (t *translation) run() (expected string) {
	for t.rest != "" {
		c, size := utf8.DecodeRuneInString(t.rest)
		t.rest = t.rest[size:]
		switch {
		case c == '*' && strings.HasPrefix(t.rest, "*"):
			t.rest = strings.TrimLeft(t.rest, "*")
			t.wildcard(".*")
		case c == '*':
			t.wildcard("[^/]*")
		case c == '?':
			t.wildcard("[^/]")
		case c == '[':
			if expected := t.class(); expected != "" {
				return expected
			}
		case c == '{' && t.depth == maxBraces:
			return "fewer braces inside each other"
		case c == '{':
			t.wildcard("(?:")
			t.depth++
		case c == ',' && t.depth > 0:
			t.wildcard("|")
		case c == '}' && t.depth > 0:
			t.depth--
			t.wildcard(")")
		case c == '\\' && t.rest == "":
			return "a character after the backslash"
		case c == '\\':
			c, size = utf8.DecodeRuneInString(t.rest)
			t.rest = t.rest[size:]
			t.plain(c)
		default:
			t.plain(c)
		}
	}
	if t.depth > 0 {
		return "a `}` for the `{`"
	}
	return ""
}

// class translates what follows `[`. A slash is never in it.
func (t *translation) class() (expected string) {
	set, negated := strings.CutPrefix(t.rest, "!")
	runes, escaped, rest := members(set)
	if rest == "" {
		return "a `]` for the `[`"
	}
	var choice strings.Builder
	for i := 0; i < len(runes); i++ {
		low, high := runes[i], runes[i]
		if i+2 < len(runes) && runes[i+1] == '-' && !escaped[i+1] {
			high = runes[i+2]
			i += 2
		}
		// A range may span the slash (`[+-9]`): package regexp can't take it out.
		switch {
		case low > high:
			return "a range that goes up in `[...]`"
		case low <= '/' && '/' <= high && !negated:
			return "no `/` in `[...]`"
		}
		choice.WriteString(quoteClass(low) + "-" + quoteClass(high))
	}
	t.rest = rest[1:]
	if negated {
		choice.WriteString("/")
		t.wildcard("[^" + choice.String() + "]")
		return ""
	}
	t.wildcard("[" + choice.String() + "]")
	return ""
}

// members reads the characters of a class up to the `]` that ends it, which is
// not the first: rest begins with it, or is empty if there is none.
func members(set string) (runes []rune, escaped []bool, rest string) {
	for set != "" && (set[0] != ']' || len(runes) == 0) {
		c, size := utf8.DecodeRuneInString(set)
		quoted := c == '\\' && len(set) > 1
		if quoted {
			set = set[1:]
			c, size = utf8.DecodeRuneInString(set)
		}
		set = set[size:]
		runes, escaped = append(runes, c), append(escaped, quoted)
	}
	return runes, escaped, set
}

func quoteClass(r rune) string {
	if strings.ContainsRune(`\]^-[&~`, r) {
		return `\` + string(r)
	}
	return string(r)
}
