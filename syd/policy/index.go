// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"cmp"
	"slices"
	"strings"
)

// index finds the last rule that matches a path in about the same time however
// many there are: exact paths and trees in a map, globs by what they begin or
// end with, whichever tells more of them apart (those that have neither to
// themselves are tried one by one). A rule is known by its position in the list,
// from 1 on.
type index struct {
	of      categories
	exact   map[string]winners
	trees   map[string]winners // by the tree's top, "" for all paths
	longest int                // of the tops
	heads   affixes
	tails   affixes
}

// winners are the rules of one pattern, newest first, without those that newer
// ones hide for all of their categories.
type winners struct {
	winner
	older []winner
}

type winner struct {
	of categories
	at int32
}

// add adds an older rule.
func (w *winners) add(r rule, at int32) {
	if w.at == 0 {
		w.winner = winner{r.of, at}
		return
	}
	hidden := w.of
	for _, o := range w.older {
		hidden |= o.of
	}
	if left := r.of &^ hidden; left != 0 {
		w.older = append(w.older, winner{left, at})
	}
}

// newest is the position of the newest rule of c, 0 if there is none.
func (w *winners) newest(c Category) int32 {
	if w.of.has(c) {
		return w.at
	}
	for _, o := range w.older {
		if o.of.has(c) {
			return o.at
		}
	}
	return 0
}

// glob is a pattern with wildcards, and its rules.
type glob struct {
	pattern *Pattern
	winners
}

// build makes the index of a list.
func (x *index) build(list []rule) {
	x.exact, x.trees = map[string]winners{}, map[string]winners{}
	var globs []*glob // newest first
	known := map[string]*glob{}
	for i := len(list) - 1; i >= 0; i-- {
		r, at := list[i], int32(i+1)
		x.of |= r.of
		if r.pattern.isGlob {
			g := known[r.pattern.text]
			if g == nil {
				g = &glob{pattern: r.pattern}
				known[r.pattern.text] = g
				globs = append(globs, g)
			}
			g.add(r, at)
			continue
		}
		plain := x.exact
		if r.pattern.tree {
			plain, x.longest = x.trees, max(x.longest, len(r.pattern.literal))
		}
		w := plain[r.pattern.literal]
		w.add(r, at)
		plain[r.pattern.literal] = w
	}
	heads, tails := map[string]int{}, map[string]int{}
	for _, g := range globs {
		heads[g.pattern.head]++
		tails[g.pattern.tail]++
	}
	x.tails.back = true
	byHead, byTail := map[string][]*glob{}, map[string][]*glob{}
	for _, g := range globs {
		if p := g.pattern; heads[p.head] <= tails[p.tail] {
			byHead[p.head] = append(byHead[p.head], g)
		} else {
			byTail[p.tail] = append(byTail[p.tail], g)
		}
	}
	x.heads.build(byHead)
	x.tails.build(byTail)
}

// find is the position of the last rule of c that matches path, 0 if there is
// none.
func (x *index) find(c Category, path string) int32 {
	var last int32
	if w, ok := x.exact[path]; ok {
		last = w.newest(c)
	}
	if len(x.trees) > 0 {
		last = max(last, x.tree(c, path))
	}
	last = x.heads.find(c, path, last)
	return x.tails.find(c, path, last)
}

// tree looks for each directory on path's way, and path itself.
func (x *index) tree(c Category, path string) (last int32) {
	for end := 0; end <= min(len(path), x.longest); end++ {
		if end < len(path) && path[end] != '/' {
			continue
		}
		if w, ok := x.trees[path[:end]]; ok {
			last = max(last, w.newest(c))
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
	globs []*glob
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

func (a *affixes) build(globs map[string][]*glob) {
	for text, list := range globs {
		a.list = append(a.list, affix{text: text, globs: list})
	}
	slices.SortFunc(a.list, func(one, other affix) int { return a.compare(one.text, other.text) })
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
func (a *affixes) find(c Category, path string, last int32) int32 {
	low, high := 0, len(a.list)
	for low < high {
		if middle := (low + high) / 2; a.compare(a.list[middle].text, path) <= 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	for n := a.below(int32(low), path); n > 0; n = a.list[n-1].up {
		for _, g := range a.list[n-1].globs {
			if g.at <= last {
				break // what follows is older
			}
			if at := g.newest(c); at > last && g.pattern.Match(path) {
				last = at
			}
		}
	}
	return last
}
