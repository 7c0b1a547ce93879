// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// learns makes the policy that records teach, under which all of them happen.
func learns(t *testing.T, records []Access) (text string, p *Policy) {
	t.Helper()
	text = Learned(records)
	p, err := Parse([]Command{{"-P", "x.syd-3", File}}, only(text))
	if err != nil {
		t.Fatalf("%.2000s\n%v", text, err)
	}
	for _, r := range records {
		if a := p.Decide(Request{Category: r.Category, Path: r.Path}); resolved(r.Path) && everything.has(r.Category) && r.Category != PID && a != Allow {
			t.Errorf("%v of %q: %v under\n%.2000s", r.Category, r.Path, a, text)
		}
	}
	return text, p
}

// did is one record of each category.
func did(path string, of ...Category) (records []Access) {
	for _, c := range of {
		records = append(records, Access{c, path, strings.HasSuffix(path, "/") && path != "/"})
	}
	for i := range records {
		if records[i].Dir {
			records[i].Path = strings.TrimSuffix(path, "/")
		}
	}
	return records
}

// many is did for n names.
func many(n int, format string, of ...Category) (records []Access) {
	for i := range n {
		records = append(records, did(fmt.Sprintf(format, i), of...)...)
	}
	return records
}

func TestLearned(t *testing.T) {
	for _, row := range []struct {
		name    string
		records [][]Access
		want    string
	}{
		{"nothing", nil, ""},
		{"what no rule is about", [][]Access{{{PID, "/a", false}, {Read, "a", false}, {Read, "", false}, {0, "/a", false}, {99, "/a", false}}}, ""},
		{"a program", [][]Access{
			did("/usr/bin/id", Exec), did("/usr", Walk), did("/usr/bin", Walk), did("/", Walk), did("/etc/passwd", Read, Stat), did("/etc/group", Stat, Read),
		}, `allow/walk+/{,usr,usr/bin}
allow/stat,read+/etc/{group,passwd}
allow/exec+/usr/bin/id
`},
		{"siblings of different kinds", [][]Access{did("/a/x", Read), did("/a/y", Read, Write), did("/a/z", Read), did("/b/x", Read)}, `allow/read+/a/{x,z}
allow/read,write+/a/y
allow/read+/b/x
`},
		{"many files of a directory", [][]Access{many(13, "/usr/lib/lib%02d.so", Read, Stat)}, "allow/stat,read+/usr/lib/*\n"},
		{"not so many", [][]Access{many(3, "/usr/lib/lib%02d.so", Read)}, "allow/read+/usr/lib/{lib00.so,lib01.so,lib02.so}\n"},
		{"many directories", [][]Access{many(20, "/usr/lib/py/%02d/x", Read, Stat), many(20, "/usr/lib/py/%02d/", Walk)}, "allow/walk,stat,read+/usr/lib/py/***\n"},
		{"many deep ones", [][]Access{many(13, "/usr/lib/py/a/%02d", Read), many(13, "/usr/lib/py/b/%02d", Read)}, "allow/read+/usr/lib/py/a/*\nallow/read+/usr/lib/py/b/*\n"},
		{"many near the root", [][]Access{many(13, "/etc/%02d", Read)}, "allow/read+/etc/{00,01,02,03,04,05,06,07,08,09,10,11,12}\n"},
		{"many of a home", [][]Access{many(13, "/home/me/%02d", Read)}, "allow/read+/home/me/{00,01,02,03,04,05,06,07,08,09,10,11,12}\n"},
		{"many below a home", [][]Access{many(13, "/home/me/src/%02d", Read)}, "allow/read+/home/me/src/*\n"},
		{"many that are executed", [][]Access{many(14, "/usr/bin/tool%02d", Exec)}, `allow/exec+/usr/bin/{tool00,tool01,tool02,tool03,tool04,tool05,tool06,tool07,tool08,tool09,tool10}
allow/exec+/usr/bin/{tool11,tool12,tool13}
`},
		{"many that are made", [][]Access{many(13, "/home/me/%02d.o", Create, Write)}, "allow/stat,write,create+/home/me/*\n"},
		{"a listing", [][]Access{did("/etc/", Readdir), many(30, "/etc/%02d", List), did("/etc/03", Stat)}, "allow/readdir+/etc\nallow/list+/etc/*\nallow/stat+/etc/03\n"},
		{"the root's", [][]Access{did("/", Readdir), did("/usr", List)}, "allow/list+/*\nallow/readdir+/\n"},
		{"processes", [][]Access{did("/proc/12/status", Read), did("/proc/3456/task/78/comm", Write), did("/proc/self", Walk), did("/proc/12a", Read)}, `allow/walk+/proc/self
allow/read+/proc/12a
allow/read+/proc/[0-9]*/status
allow/write+/proc/[0-9]*/task/[0-9]*/comm
`},
		{"terminals", [][]Access{did("/dev/pts/3", Write), did("/dev/pts/17", Write)}, "allow/write+/dev/pts/[0-9]*\n"},
		{"scratch files", [][]Access{did("/tmp/a8Xy.o", Create, Write), did("/tmp/b/", Mkdir), did("/tmp/b/c/d", Create), did("/tmp/known", Read)}, `allow/read+/tmp/known
allow/stat,write,create,mkdir+/tmp/*
allow/stat,create+/tmp/*/**
`},
		{"a temporary name of lower case", [][]Access{did("/a/.git/tudehjl", Create, Symlink, Delete), did("/a/.git/ticket", Symlink, Delete)}, "allow/stat,delete,symlink+/a/.git/ticket\nallow/stat,create,delete,symlink+/a/.git/t??????\n"},
		{"temporary names", [][]Access{did("/a/.git/td7hHDC", Create, Symlink, Delete), did("/a/o/tmp_obj_xyzabc", Create, Rename), did("/a/o/tmp_obj_abc", Create),
			did("/a/tmpq_w7/", Mkdir, Rmdir, Walk), did("/a/tmpq_w7/x", Write), did("/a/index.lock", Create, Delete), did("/a/maintenance.lock", Create, Delete),
			did("/a/c12AbXY", Create, Delete), did("/a/12AbXY", Create, Delete), did("/a/imvgYXXXeZ", Create, Delete), did("/a/j0ecsh_h", Create, Delete), did("/a/Pq12AbXY.cdtor.c", Create, Delete), did("/a/Makefilenew", Create, Delete), did("/a/ccx12AbQ.o", Create, Delete), did("/a/Makefile", Create), did("/a/Q,{Abc1De", Create, Delete)}, `allow/stat,create+/a/Makefile
allow/stat,create,delete+/a/{??????,????????,??????????,Makefilenew,Pq??????.cdtor.c,Q\,\{??????}
allow/stat,create,delete+/a/{c??????,cc??????.o,index.lock,maintenance.lock}
allow/walk,stat,mkdir,rmdir+/a/tmp*
allow/stat,create,delete,symlink+/a/.git/t??????
allow/stat,create,delete,rename+/a/o/tmp_obj_*
allow/write+/a/tmp*/x
`},
		{"scratch directories that were read", [][]Access{did("/tmp/a1b2c3/", Mkdir, Readdir), did("/tmp/a1b2c3/d/", Mkdir, Readdir), did("/proc/12/task/", Readdir)}, `allow/readdir+/proc/[0-9]*/task
allow/list+/proc/[0-9]*/task/*
allow/stat,readdir,mkdir+/tmp/*
allow/list,stat,readdir,mkdir+/tmp/*/**
`},
		{"odd names", [][]Access{did("/a/x,y", Read), did("/a/{z}", Read), did("/a/*", Read), did("/a/ ", Read), did("/a/b #", Read), did("/a/\n\xff", Read), did(`/a/\`, Read)}, `allow/read+/a/{?,??,\ ,\*,\{z\},b \#,x\,y}
`},
	} {
		records := slices.Concat(row.records...)
		got, _ := learns(t, records)
		if got != row.want {
			t.Errorf("%s: got\n%s", row.name, got)
		}
		for range 5 { // whatever order they come in
			rand.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
			if again := Learned(slices.Concat(records, records[:len(records)/2])); again != got {
				t.Errorf("%s: and again:\n%s", row.name, again)
			}
		}
	}
}

// What is learned gives nothing where nothing was done.
func TestLearnedIsNarrow(t *testing.T) {
	_, p := learns(t, slices.Concat(many(30, "/usr/lib/py/%d/x", Read, Stat), many(30, "/home/me/src/%d", Read), many(20, "/home/me/src/%d.o", Create, Write),
		did("/usr/bin/cc", Exec), did("/tmp/cc1.o", Create)))
	for path, of := range map[string]categories{
		"/usr/lib/py/new/y": 1<<Read | 1<<Stat, "/usr/lib/other": 0, "/usr/bin/sh": 0, "/home/me/.ssh/id": 0, "/home/me/src/new": 1<<Stat | 1<<Read | 1<<Create | 1<<Write,
		"/home/me/src/d/x": 0, "/tmp/cc2.o": 1<<Stat | 1<<Create, "/etc/shadow": 0, "/": 0,
	} {
		var allowed categories
		for c := range paths.each {
			allowed.put(c, p.Decide(Request{Category: c, Path: path}).Allows())
		}
		if allowed != of {
			t.Errorf("%s: got %v, want %v\n%s", path, allowed.names(), of.names(), p.Text())
		}
	}
}

func FuzzLearned(f *testing.F) {
	f.Add("/usr/bin/id\n/usr/lib/a\n/tmp/x/y\n/proc/12/fd", uint64(1))
	f.Add("/\n//\n/a/\n/*\n/a/***\n/a,b\n/}\n/ \n/ #\n/{", uint64(2))
	f.Add(strings.Repeat("/usr/share/x/\n", 3)+"/dev/pts/1\n/proc/1/task/2/x", uint64(3))
	f.Fuzz(func(t *testing.T, names string, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 0))
		paths := strings.Split(names, "\n")
		if len(names) > 2000 || len(paths) > 40 {
			return
		}
		var records []Access
		for range random.IntN(200) {
			path := paths[random.IntN(len(paths))]
			if random.IntN(3) == 0 {
				path = fmt.Sprintf("%s/%d", path, random.IntN(20))
			}
			records = append(records, Access{Category(random.IntN(int(NumCategories))), path, random.IntN(4) == 0})
		}
		learns(t, records)
	})
}

// A random name that looks like a word is known by the others of its series.
func TestLearnedWordsOfASeries(t *testing.T) {
	var records []Access
	for _, name := range []string{"ccjwzouc.o", "ccB4zk1q.s", "lonely.o"} {
		for _, c := range []Category{Create, Write, Delete} {
			records = append(records, Access{Category: c, Path: "/srv/build/" + name})
		}
	}
	p, err := Parse(commandsOf(Learned(records)), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"ccabcdef.o": true, "ccQ1w2E3.s": true, "lonely.o": true, "lonesome.o": false, "xxabcdef.o": false} {
		if got := p.Decide(Request{Category: Create, Path: "/srv/build/" + name}).Allows(); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func commandsOf(text string) (all []Command) {
	for line := range strings.Lines(text) {
		all = append(all, Command{Where: "learned", Text: strings.TrimSuffix(line, "\n")})
	}
	return all
}
