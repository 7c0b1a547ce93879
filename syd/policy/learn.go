// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Access is something that a program did, or would have: a record of an observed
// run.
type Access struct {
	Category Category
	Path     string
	Dir      bool // a directory
}

// looks are the categories that change nothing and run nothing; makes those that
// make a name.
const (
	looks = categories(1<<Walk | 1<<List | 1<<Stat | 1<<Read | 1<<Chdir | 1<<Readdir)
	makes = categories(1<<Create | 1<<Mkdir | 1<<Symlink | 1<<Mkfifo | 1<<Rename)
)

// Bounds on what is said one by one: paths below a directory that were only
// looked at, names that something else was done to, a line's length.
const (
	maxLooks   = 12
	maxNames   = 12
	lineLength = 100
)

// Learned is a policy, as text, under which a program that does what records say
// runs: rules of `allow`, few and in a stable order, whatever order the records
// have. Records without an absolute, resolved path are left out.
//
// It is wider than the records where they would be others next time, or are many:
//   - numbers of processes and of pseudo-terminals stand for any;
//   - below /tmp, /var/tmp and /dev/shm names that the program made stand for any;
//   - what it made it may look at, and a file that it renamed it may remove instead;
//   - elsewhere what seems random in the names of files that it made and took away;
//   - a directory that was read may show whatever is in it;
//   - of more than 12 paths below a directory that were only looked at, all of the
//     directory may be; not of a home, and of nothing that near the root;
//   - of more than 12 names in a directory that were written, made, removed ...,
//     all names may be. What is executed is always named.
func Learned(records []Access) string {
	l := learning{of: map[string]categories{}, dirs: map[string]bool{}}
	made := madeBelow(records)
	passing := temporaries(records)
	for _, r := range records {
		if !resolved(r.Path) || r.Category == PID || !everything.has(r.Category) {
			continue
		}
		path := general(r.Path, made, passing)
		l.of[path] |= 1 << r.Category
		l.dirs[path] = l.dirs[path] || r.Dir
	}
	for path, of := range l.of {
		if of&makes&^(1<<Rename) != 0 { // next time it may be there already
			of |= 1 << Stat
		}
		if of.has(Create) && of.has(Rename) {
			of |= 1 << Delete
		}
		l.of[path] = of
	}
	l.listings()
	l.foldLooks()
	l.foldNames()
	return l.text()
}

// resolved: an absolute path as Decide is asked about.
func resolved(path string) bool {
	return path == "/" || strings.HasPrefix(path, "/") && !strings.HasSuffix(path, "/") && !strings.Contains(path, "//")
}

// scratch are the directories for files that live no longer than a program.
var scratch = []string{"/tmp/", "/var/tmp/", "/dev/shm/"}

// madeBelow finds the names in scratch that were made.
func madeBelow(records []Access) map[string]bool {
	made := map[string]bool{}
	for _, r := range records {
		for _, dir := range scratch {
			if name, below := strings.CutPrefix(r.Path, dir); below && makes.has(r.Category) && !strings.Contains(name, "/") {
				made[r.Path] = true
			}
		}
	}
	return made
}

// general is a pattern for path, and for what path will be next time.
func general(path string, made map[string]bool, passing map[string]string) string {
	for _, dir := range scratch {
		if below, ok := strings.CutPrefix(path, dir); ok {
			name, rest, deeper := strings.Cut(below, "/")
			switch {
			case !made[dir+name]:
			case deeper && rest != "":
				return dir + "*/**"
			default:
				return dir + "*"
			}
		}
	}
	at, parts := 0, strings.Split(path, "/")
	for i, part := range parts {
		at += len(part)
		if pattern, ok := passing[path[:at]]; ok {
			parts[i] = pattern
			at++
			continue
		}
		at++
		parts[i] = Exactly(part)
		number := part != "" && strings.Trim(part, "0123456789") == ""
		if number && (parts[1] == "proc" && (i == 2 || i == 4 && parts[3] == "task") || i == 3 && parts[1] == "dev" && parts[2] == "pts") {
			parts[i] = "[0-9]*"
		}
	}
	return strings.Join(parts, "/")
}

// temporaries finds the names that were made and taken away, or renamed, and seem
// random, by their paths: patterns for the like of them.
func temporaries(records []Access) map[string]string {
	const takes = categories(1<<Delete | 1<<Rmdir | 1<<Rename)
	did := map[string]categories{}
	for _, r := range records {
		did[r.Path] |= 1 << r.Category
	}
	patterns := map[string]string{}
	series := map[[2]string]bool{} // directories, and what random names there begin with
	var words []string             // might be random, were there others of a series
	for path, of := range did {
		if of&makes&^(1<<Rename) == 0 || !resolved(path) || path == "/" {
			continue
		}
		dir, name := split(path)
		switch pattern := random(name); {
		case of&takes == 0 && !strings.HasPrefix(name, "tmp"):
		case pattern == "":
			words = append(words, path)
		default:
			patterns[path] = pattern
			if parts := randomName().FindStringSubmatch(name); parts != nil {
				series[[2]string{dir, parts[1]}] = true
			}
		}
	}
	// Six letters that chance has made all lower case look like a word: they are
	// known by the others of their series, or since no name that is meant to stay is
	// given to a file and to a symlink and taken away.
	for _, path := range words {
		dir, name := split(path)
		both := did[path].has(Create) && did[path].has(Symlink)
		if parts := randomName().FindStringSubmatch(name); parts != nil && (both || series[[2]string{dir, parts[1]}]) {
			patterns[path] = Exactly(parts[1]) + "??????" + parts[3]
		}
	}
	return patterns
}

// Compiled by who learns: they take longer than the rest of a start.
var (
	tmpName    = pattern(`^tmp([_.-][a-z]+[_.-])*`)
	pythonName = pattern(`^[a-z0-9_]{8}$`)
	perlName   = pattern(`^[A-Za-z0-9_]{10}$`)
	randomName = pattern(`^(.*)([0-9A-Za-z]{6})((?:\.[a-z]+)*)$`)
)

func pattern(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}

// random is a pattern for names like name, of which a part seems random: behind
// tmp whatever there is, else as mkstemp(3), Python and Perl make it. "": none does.
func random(name string) string {
	if prefix := tmpName().FindString(name); prefix != "" && prefix != name {
		return prefix + "*"
	}
	lower := func(s string) bool { return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") == "" }
	if pythonName().MatchString(name) || perlName().MatchString(name) && !lower(name) {
		return strings.Repeat("?", len(name))
	}
	parts := randomName().FindStringSubmatch(name)
	if parts == nil || lower(parts[2]) {
		return ""
	}
	return Exactly(parts[1]) + "??????" + parts[3]
}

// learning is patterns, and what was done to what they match.
type learning struct {
	of   map[string]categories
	dirs map[string]bool
}

// above are the directories on the way to path, the nearest first, without "/".
func above(path string) (dirs []string) {
	for end := strings.LastIndexByte(path, '/'); end > 0; end = strings.LastIndexByte(path[:end], '/') {
		dirs = append(dirs, path[:end])
	}
	return dirs
}

// take takes categories from a path.
func (l *learning) take(path string, what categories) {
	if l.of[path] &^= what; l.of[path] == 0 {
		delete(l.of, path)
	}
}

// listings lets directories that were read show all that is in them.
func (l *learning) listings() {
	for _, path := range slices.Sorted(maps.Keys(l.of)) {
		if !l.of[path].has(Readdir) {
			continue
		}
		names := strings.TrimSuffix(path, "/") + "/*"
		switch {
		case strings.HasSuffix(path, "/**"): // whatever is deep below
			names = path
		case strings.HasSuffix(path, "/*"): // any of the scratch
			names = path + "/**"
		}
		for other := range l.of {
			if dir, _ := split(other); dir == path {
				l.take(other, 1<<List)
			}
		}
		l.of[names] |= 1 << List
	}
}

// split is the directory and the name.
func split(path string) (dir, name string) {
	at := strings.LastIndexByte(path, '/')
	return cmp.Or(path[:at], "/"), path[at+1:]
}

// foldLooks makes one pattern of the many paths below a directory that were
// looked at, from the deepest directory on.
func (l *learning) foldLooks() {
	below := map[string][]string{}
	for path, of := range l.of {
		if of&looks != 0 {
			for _, dir := range above(path) {
				below[dir] = append(below[dir], path)
			}
		}
	}
	deepest := func(one, other string) int {
		return cmp.Or(cmp.Compare(strings.Count(other, "/"), strings.Count(one, "/")), cmp.Compare(one, other))
	}
	for _, dir := range slices.SortedFunc(maps.Keys(below), deepest) {
		paths := slices.DeleteFunc(below[dir], func(path string) bool { return l.of[path]&looks == 0 })
		if len(paths) <= maxLooks || !foldable(dir) {
			continue
		}
		tree, flat := dir+treeSuffix, dir+"/*"
		seen := categories(0)
		for _, path := range paths {
			seen |= l.of[path] & looks
			if parent, _ := split(path); parent != dir || l.dirs[path] || l.of[path]&(1<<Readdir|1<<Chdir) != 0 {
				flat = ""
			}
		}
		for _, path := range paths {
			l.take(path, looks)
		}
		folded := flat
		if flat == "" {
			folded = tree
			seen |= l.of[dir] & looks
			l.take(dir, looks)
		}
		l.of[folded] |= seen
		for _, parent := range above(dir) {
			below[parent] = append(below[parent], folded)
		}
	}
}

// foldable says whether all of dir may be seen where much of it was.
func foldable(dir string) bool {
	parts := strings.Split(dir[1:], "/")
	switch parts[0] {
	case "proc", "dev":
		return false
	case "home":
		return len(parts) > 2
	}
	return len(parts) > 1
}

// foldNames makes one pattern of the many names in a directory that the same was
// done to.
func (l *learning) foldNames() {
	type group struct {
		dir string
		of  categories
	}
	groups := map[group][]string{}
	for path, of := range l.of {
		dir, name := split(path)
		if of&^looks != 0 && !of.has(Exec) && !strings.Contains(name, "*") {
			g := group{dir, of}
			groups[g] = append(groups[g], path)
		}
	}
	for g, paths := range groups {
		if len(paths) > maxNames {
			for _, path := range paths {
				delete(l.of, path)
			}
			l.of[strings.TrimSuffix(g.dir, "/")+"/*"] |= g.of
		}
	}
}

// text is the rules: ways first, then by path.
func (l *learning) text() string {
	var lines []string
	ways := []string{}
	for path, of := range l.of {
		if of.has(Walk) && !strings.HasSuffix(path, "*") {
			l.of[path] = of &^ (1 << Walk)
			ways = append(ways, path[1:])
		}
	}
	lines = braced(lines, 1<<Walk, "/", ways)

	type head struct {
		prefix string
		of     categories
	}
	names := map[head][]string{}
	for path, of := range l.of {
		dir, name := split(path)
		prefix := strings.TrimSuffix(dir, "/") + "/"
		if strings.HasSuffix(path, treeSuffix) {
			prefix, name = path, "" // no alternative may be a tree
		}
		if of != 0 {
			names[head{prefix, of}] = append(names[head{prefix, of}], name)
		}
	}
	order := func(one, other head) int {
		return cmp.Or(cmp.Compare(one.prefix, other.prefix), cmp.Compare(one.of, other.of))
	}
	for _, h := range slices.SortedFunc(maps.Keys(names), order) {
		lines = braced(lines, h.of, h.prefix, names[h])
	}
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

// braced adds the rules for names behind a prefix, as few as fit.
func braced(lines []string, of categories, prefix string, names []string) []string {
	slices.Sort(names)
	head := "allow/" + of.names() + "+" + prefix
	for len(names) > 0 {
		n, length := 1, len(head)+len(names[0])
		for n < len(names) && length+len(names[n]) < lineLength {
			length += len(names[n]) + 1
			n++
		}
		if n == 1 {
			lines = append(lines, head+names[0])
		} else {
			for i := range names[:n] {
				names[i] = strings.NewReplacer(",", `\,`, "}", `\}`).Replace(names[i])
			}
			lines = append(lines, head+"{"+strings.Join(names[:n], ",")+"}")
		}
		names = names[n:]
	}
	return lines
}
