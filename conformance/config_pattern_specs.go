// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// configMatches expects each pattern, below the spec's directory, to match the
// programs of its row and no other of them: as a rule that allows, and as one
// that denies.
func configMatches(ctx context.Context, names []string, rows [][]string) {
	GinkgoHelper()
	programs := configPrograms(names...)
	Expect(configRan(ctx, Rules("allow/exec+/***"), programs...)).To(Equal(names))
	Each(rows, 2, func(row []string) {
		pattern, matches := TempDir()+row[0], row[1:]
		Expect(configRan(ctx, Rules("allow/exec+"+pattern), programs...)).To(Equal(matches), pattern)
		var others []string
		for _, name := range names {
			if !containsName(matches, name) {
				others = append(others, name)
			}
		}
		denied := configRan(ctx, Rules("allow/exec+/***", "deny/exec+"+pattern), programs...)
		Expect(denied).To(HaveLen(len(others)), "deny %s leaves %q", pattern, denied)
		Expect(denied).To(ContainElements(others), pattern)
	})
}

func containsName(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

var _ = Describe("a path pattern", func() {
	Spec("CFG-05.1", "without wildcards is exactly that path", func(ctx context.Context) {
		configMatches(ctx, []string{"a", "ab", "A", "d/a"}, [][]string{{"/a", "a"}, {"/ab", "ab"}, {"/d/a", "d/a"}, {"/d"}, {"/d/"}, {"/a/"}, {""}})
	}, Smoke)

	Spec("CFG-05.2", "matches one character by `?`, but no slash", func(ctx context.Context) {
		configMatches(ctx, []string{"a", "ab", "axb", "é", "x/b"}, [][]string{{"/?", "a", "é"}, {"/a?", "ab"}, {"/a?b", "axb"}, {"/x?b"}, {"/??", "ab"}, {"/?/?", "x/b"}})
	})

	Spec("CFG-05.3", "matches within a component by `*`", func(ctx context.Context) {
		configMatches(ctx, []string{"a", "ab", "abc", "d/a", "d/e/a"}, [][]string{
			{"/*", "a", "ab", "abc"}, {"/a*", "a", "ab", "abc"}, {"/*b", "ab"}, {"/*b*", "ab", "abc"}, {"/*/a", "d/a"}, {"/*/*", "d/a"}, {"/d/*/a", "d/e/a"},
		})
	}, Smoke)

	Spec("CFG-05.4", "matches across components by `**`", func(ctx context.Context) {
		configMatches(ctx, []string{"a", "b", "d/a", "d/e/a", "d/e/b"}, [][]string{
			{"/**", "a", "b", "d/a", "d/e/a", "d/e/b"}, {"/**a", "a", "d/a", "d/e/a"}, {"/**/a", "d/a", "d/e/a"}, {"/d/**", "d/a", "d/e/a", "d/e/b"}, {"/d**b", "d/e/b"},
		})
	})

	Spec("CFG-05.5", "matches one of a choice by `[...]`", func(ctx context.Context) {
		configMatches(ctx, []string{"a", "b", "c", "-", "]", "ab"}, [][]string{
			{"/[ab]", "a", "b"}, {"/[a-c]", "a", "b", "c"}, {"/[a-]", "a", "-"}, {"/[-a]", "a", "-"}, {"/[]a]", "a", "]"}, {"/[a][b]", "ab"}, {"/[cb-]", "b", "c", "-"},
		})
	}, Stress)

	Spec("CFG-05.6", "matches all but a choice by `[!...]`, but no slash", func(ctx context.Context) {
		configMatches(ctx, []string{"a", "b", "é", "!", "d/a"}, [][]string{
			{"/[!a]", "b", "é", "!"}, {"/[!a-c]", "é", "!"}, {"/[!!]", "a", "b", "é"}, {"/[!]a]", "b", "é", "!"}, {"/d[!x]a"}, {"/[a!]", "a", "!"},
		})
	})

	Spec("CFG-05.7", "matches alternatives by `{...,...}`, also inside each other", func(ctx context.Context) {
		configMatches(ctx, []string{"a", "b", "bc", "bd", "d/a", "{a,b}", "a,b"}, [][]string{
			{"/{a,b}", "a", "b"}, {"/{a,bc}", "a", "bc"}, {"/b{,c}", "b", "bc"}, {"/{a,b{c,d}}", "a", "bc", "bd"}, {"/{d/a,b?}", "bc", "bd", "d/a"}, {"/a,b", "a,b"}, {"/{b}", "b"},
		})
	})

	Spec("CFG-05.8", "that ends in /*** is the directory and all below it", func(ctx context.Context) {
		configMatches(ctx, []string{"d/a", "d/e/a", "da", "f"}, [][]string{
			{"/d/***", "d/a", "d/e/a"}, {"/d/e/***", "d/e/a"}, {"/f/***", "f"}, {"/***", "d/a", "d/e/a", "da", "f"}, {"/?/***", "d/a", "d/e/a", "f"}, {"/{f,da}/***", "da", "f"},
		})
		directory := TempDir() + "/d"
		cmd := Fixture("tracestate", "chdir", directory, directory+"/e", TempDir())
		program := "allow/exec+" + Fixture("tracestate")[0]
		Expect(Syd(ctx, OnlyExecChdir(program, "allow/chdir+/***"), cmd...).Facts("chdir")).To(Equal([]string{"ok", "ok", "ok"}))
		Expect(Syd(ctx, OnlyExecChdir(program, "allow/chdir+"+directory+"/***"), cmd...).Facts("chdir")).To(Equal([]string{"ok", "ok", "EACCES"}))
	}, Smoke)

	Spec("CFG-05.9", "takes a character as it is after a backslash", func(ctx context.Context) {
		configMatches(ctx, []string{"*", "?", "[a]", "{a,b}", `\`, "a", "ab"}, [][]string{
			{`/\*`, "*"}, {`/\?`, "?"}, {`/\[a]`, "[a]"}, {`/\[a\]`, "[a]"}, {`/\{a,b\}`, "{a,b}"}, {`/{a\,b,ab}`, "ab"}, {`/\\`, `\`}, {`/\a`, "a"}, {`/\a*`, "a", "ab"},
		})
	})

	Spec("CFG-05.10", "takes a character as it is after a backslash in `[...]` too", func(ctx context.Context) {
		configMatches(ctx, []string{"]", `\`, "-", "a", "b", "c", "!"}, [][]string{
			{`/[\]]`, "]"}, {`/[\\]`, `\`}, {`/[a\-c]`, "-", "a", "c"}, {`/[\!a]`, "a", "!"}, {`/[!\]\\]`, "-", "a", "b", "c", "!"}, {`/[\a-b]`, "a", "b"},
		})
	})

	Spec("CFG-05.11", "matches blanks, line ends and other odd bytes of names", func(ctx context.Context) {
		odd := "new\nline"
		configMatches(ctx, []string{odd, "bytes\xff\xfe", " a ", "a #b", "a"}, [][]string{
			{"/*", odd, "bytes\xff\xfe", " a ", "a #b", "a"}, {"/new?line", odd}, {"/**line", odd}, {"/bytes??", "bytes\xff\xfe"}, {"/bytes[!a]?", "bytes\xff\xfe"}, {`/ a\ `, " a "}, {`/a \#b`, "a #b"}, {"/[!a]*", odd, "bytes\xff\xfe", " a "},
		})
	})

	Spec("CFG-05.12", "has no meaning to a regular expression", func(ctx context.Context) {
		configMatches(ctx, []string{"a.b", "axb", "a+", "aa", "(a|b)", "^a$"}, [][]string{
			{"/a.b", "a.b"}, {"/a+", "a+"}, {"/(a|b)", "(a|b)"}, {"/^a$", "^a$"}, {"/?.b", "a.b"}, {"/a[.]b", "a.b"},
		})
	})

	Spec("CFG-05.13", "that is relative, or has no end, is refused", func(ctx context.Context) {
		configMistakes(ctx, "allow/exec+", "allow/exec+bin", "allow/exec+*", "allow/exec+***", "allow/exec+./a", "allow/exec-bin", "allow/exec^bin",
			"allow/exec+/[a", "allow/exec+/[]", "allow/exec+/[!]", `allow/exec+/[a\]`, "allow/exec+/{a", "allow/exec+/{a,{b}", `allow/exec+/a\`,
			"allow/exec+/[z-a]", "allow/exec+/[a/b]", "allow/exec+/[+-9]")
	})

	Spec("CFG-05.14", "takes linear time, however it is made", func(ctx context.Context) {
		name := strings.Repeat("a", 250)
		programs := configPrograms(name)
		for _, pattern := range []string{
			strings.Repeat("*a", 100) + "b", strings.Repeat("**a", 100) + "b", strings.Repeat("{a,a}", 200) + "b", strings.Repeat("{a,}", 300) + "b",
			strings.Repeat("{*,**}", 30) + "b", strings.Repeat("{a,", 200) + "b" + strings.Repeat("}", 200), strings.Repeat("[a-z]*", 60) + "[b]",
		} {
			begun := time.Now()
			Expect(configRan(ctx, Rules("allow/exec+"+TempDir()+"/"+pattern), programs...)).To(BeEmpty())
			Expect(configRan(ctx, Rules("allow/exec+/***", "deny/exec+"+TempDir()+"/"+pattern), programs...)).To(HaveLen(1))
			Expect(time.Since(begun)).To(BeNumerically("<", Bound(4*time.Second)), pattern)
		}
	})
})
