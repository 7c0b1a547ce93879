// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"errors"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Pattern is a compiled path pattern: `?` and `*` match within a component,
// `**` across components, `[...]` and `[!...]` one byte's choice, `{a,b}`
// alternatives; a trailing `/***` means the directory and all below it; a
// backslash takes the next character as it is. Matching takes time linear in
// the length of the path times that of the pattern, whatever they are.
type Pattern struct {
	text    string
	literal string // exact path, or the tree's top
	tree    bool
	glob    *regexp.Regexp // nil: literal decides
}

func (p Pattern) String() string { return p.text }

// Match says whether the absolute path fits.
func (p Pattern) Match(path string) bool {
	if p.glob != nil {
		return p.glob.MatchString(path)
	}
	if p.tree {
		below, ok := strings.CutPrefix(path, p.literal)
		return ok && (below == "" || below[0] == '/') || p.literal == "" && path == "/"
	}
	return path == p.literal
}

const treeSuffix = "/***"

// CompilePattern compiles text. The error says what was expected.
func CompilePattern(text string) (Pattern, error) {
	if !strings.HasPrefix(text, "/") {
		return Pattern{}, errors.New("an absolute path pattern")
	}
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return Pattern{}, errors.New("a path pattern in UTF-8 without NUL")
	}
	p := Pattern{text: text}
	body, tree := strings.CutSuffix(text, treeSuffix)
	if !strings.ContainsAny(body, `*?[{\`) {
		p.literal, p.tree = body, tree
		return p, nil
	}
	t := translation{rest: body}
	if err := t.run(); err != nil {
		return Pattern{}, err
	}
	if tree {
		t.out.WriteString("(?:/.*)?")
	}
	glob, err := regexp.Compile("^(?s:" + t.out.String() + ")$")
	if err != nil {
		return Pattern{}, errors.New("a shorter path pattern")
	}
	p.glob = glob
	return p, nil
}

// translation turns glob syntax into that of package regexp, which matches in
// linear time.
type translation struct {
	rest  string
	out   strings.Builder
	depth int
}

func (t *translation) run() error {
	for t.rest != "" {
		c, size := utf8.DecodeRuneInString(t.rest)
		t.rest = t.rest[size:]
		switch {
		case c == '*' && strings.HasPrefix(t.rest, "*"):
			t.rest = strings.TrimLeft(t.rest, "*")
			t.out.WriteString(".*")
		case c == '*':
			t.out.WriteString("[^/]*")
		case c == '?':
			t.out.WriteString("[^/]")
		case c == '[':
			if err := t.class(); err != nil {
				return err
			}
		case c == '{':
			t.depth++
			t.out.WriteString("(?:")
		case c == ',' && t.depth > 0:
			t.out.WriteString("|")
		case c == '}' && t.depth > 0:
			t.depth--
			t.out.WriteString(")")
		case c == '\\':
			if t.rest == "" {
				return errors.New("a character after the backslash")
			}
			c, size = utf8.DecodeRuneInString(t.rest)
			t.rest = t.rest[size:]
			t.out.WriteString(regexp.QuoteMeta(string(c)))
		default:
			t.out.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	if t.depth > 0 {
		return errors.New("a `}` for the `{`")
	}
	return nil
}

// class translates what follows `[`. A slash is never in it.
func (t *translation) class() error {
	negated := strings.HasPrefix(t.rest, "!")
	set := strings.TrimPrefix(t.rest, "!")
	end := strings.IndexByte(set[min(1, len(set)):], ']')
	if set == "" || end < 0 {
		return errors.New("a `]` for the `[`")
	}
	end += min(1, len(set))
	t.rest = set[end+1:]
	var choice strings.Builder
	runes := []rune(set[:end])
	for i := 0; i < len(runes); i++ {
		if i+2 < len(runes) && runes[i+1] == '-' {
			if runes[i] > runes[i+2] {
				return errors.New("a range that goes up in `[...]`")
			}
			choice.WriteString(quoteClass(runes[i]) + "-" + quoteClass(runes[i+2]))
			i += 2
			continue
		}
		choice.WriteString(quoteClass(runes[i]))
	}
	if negated {
		t.out.WriteString("[^/" + choice.String() + "]")
		return nil
	}
	// A range may span the slash (`[+-9]`): take it out by an intersection that
	// package regexp can't write, so as a choice of the class without it.
	class := "[" + choice.String() + "]"
	if regexp.MustCompile(class).MatchString("/") {
		return errors.New("no `/` in `[...]`")
	}
	t.out.WriteString(class)
	return nil
}

func quoteClass(r rune) string {
	if strings.ContainsRune(`\]^-[&~`, r) {
		return `\` + string(r)
	}
	return string(r)
}
