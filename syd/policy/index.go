// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"cmp"
	"slices"
	"strings"
	"sync"
)

// index finds the last rule that matches a path in about the same time however
// many there are: exact paths and trees in a map, globs by what they begin or
// end with, whichever tells more of them apart (those that have neither to
// themselves are tried one by one). A rule is known by its position in the list,
// from 1 on. The index is made once, when it is asked first, and only knows the
// patterns: which categories a rule is of is the list's to say, and may be fewer
// than when the index was made.
type index struct {
	once    sync.Once
	exact   map[string]positions
	trees   map[string]positions // by the tree's top, "" for all paths
	longest int                  // of the tops
	heads   affixes
	tails   affixes
}

// positions are the rules of one pattern, newest first.
type positions struct {
	at    int32
	older []int32
}

// add adds an older rule.
func (p *positions) add(at int32) {
	if p.at == 0 {
		p.at = at
		return
	}
	p.older = append(p.older, at)
}

// newest is the newest rule of c, 0 if there is none.
func (p *positions) newest(list []rule, c Category) int32 {
	if list[p.at-1].of.has(c) {
		return p.at
	}
	for _, at := range p.older {
		if list[at-1].of.has(c) {
			return at
		}
	}
	return 0
}

// glob is a pattern with wildcards, and its rules.
type glob struct {
	pattern *Pattern
	positions
}

// build makes the index of a list.
func (x *index) build(list []rule) {
	exact, trees := 0, 0
	for _, r := range list {
		switch {
		case r.pattern.tree:
			trees++
		case !r.pattern.isGlob:
			exact++
		}
	}
	x.exact, x.trees = make(map[string]positions, exact), make(map[string]positions, trees)
	globs := make([]glob, 0, len(list)-exact-trees) // newest first
	known := make(map[string]int, cap(globs))
	for i := len(list) - 1; i >= 0; i-- {
		p, at := list[i].pattern, int32(i+1)
		if p.isGlob {
			n, ok := known[p.text]
			if !ok {
				n = len(globs)
				known[p.text] = n
				globs = append(globs, glob{pattern: p})
			}
			globs[n].add(at)
			continue
		}
		plain := x.exact
		if p.tree {
			plain, x.longest = x.trees, max(x.longest, len(p.literal))
		}
		w := plain[p.literal]
		w.add(at)
		plain[p.literal] = w
	}
	heads, tails := map[string]int{}, map[string]int{}
	for _, g := range globs {
		heads[g.pattern.head]++
		tails[g.pattern.tail]++
	}
	x.tails.back = true
	for _, g := range globs {
		if p := g.pattern; heads[p.head] <= tails[p.tail] {
			x.heads.list = append(x.heads.list, affix{text: p.head, globs: []glob{g}})
		} else {
			x.tails.list = append(x.tails.list, affix{text: p.tail, globs: []glob{g}})
		}
	}
	x.heads.build()
	x.tails.build()
}

// find is the position of the last rule of c that matches path, 0 if there is
// none.
func (x *index) find(list []rule, c Category, path string) int32 {
	var last int32
	if p, ok := x.exact[path]; ok {
		last = p.newest(list, c)
	}
	if len(x.trees) > 0 {
		last = max(last, x.tree(list, c, path))
	}
	last = x.heads.find(list, c, path, last)
	return x.tails.find(list, c, path, last)
}

// tree looks for each directory on path's way, and path itself.
func (x *index) tree(list []rule, c Category, path string) (last int32) {
	for end := 0; end <= min(len(path), x.longest); end++ {
		if end < len(path) && path[end] != '/' {
			continue
		}
		if p, ok := x.trees[path[:end]]; ok {
			last = max(last, p.newest(list, c))
		}
	}
	return last
}

// affixes are globs by a text that paths which they match begin (or, back, end)
// with. The texts are sorted; those that begin another one are found from there.
type affixes struct {
	back bool
	list []affix
}

type affix struct {
	text  string
	up    int32 // the longest other one that begins this, plus 1
	globs []glob
}

func (a *affixes) compare(one, other string) int {
	if !a.back {
		return strings.Compare(one, other)
	}
	for i, j := len(one)-1, len(other)-1; i >= 0 && j >= 0; i, j = i-1, j-1 {
		if one[i] != other[j] {
			return cmp.Compare(one[i], other[j])
		}
	}
	return cmp.Compare(len(one), len(other))
}

func (a *affixes) fits(path, text string) bool {
	if a.back {
		return strings.HasSuffix(path, text)
	}
	return strings.HasPrefix(path, text)
}

// build sorts the list and makes one of equal texts, whose globs stay in order.
func (a *affixes) build() {
	slices.SortStableFunc(a.list, func(one, other affix) int { return a.compare(one.text, other.text) })
	merged := a.list[:0]
	for _, one := range a.list {
		if n := len(merged); n > 0 && merged[n-1].text == one.text {
			merged[n-1].globs = append(merged[n-1].globs, one.globs...)
			continue
		}
		merged = append(merged, one)
	}
	a.list = merged
	for i := range a.list {
		a.list[i].up = a.below(int32(i), a.list[i].text)
	}
}

// below is the last of the first n texts that path begins with, plus 1. All that
// it begins with begin each other: the last that sorts before path has them on
// its way up.
func (a *affixes) below(n int32, path string) int32 {
	for n > 0 && !a.fits(path, a.list[n-1].text) {
		n = a.list[n-1].up
	}
	return n
}

// find looks for a rule of c that matches path and is newer than last.
func (a *affixes) find(list []rule, c Category, path string, last int32) int32 {
	low, high := 0, len(a.list)
	for low < high {
		if middle := (low + high) / 2; a.compare(a.list[middle].text, path) <= 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	for n := a.below(int32(low), path); n > 0; n = a.list[n-1].up {
		globs := a.list[n-1].globs
		for i := range globs {
			g := &globs[i]
			if g.at <= last {
				break // what follows is older
			}
			if at := g.newest(list, c); at > last && g.pattern.Match(path) {
				last = at
			}
		}
	}
	return last
}
