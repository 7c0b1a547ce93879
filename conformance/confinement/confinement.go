// SPDX-License-Identifier: GPL-3.0-or-later

// Package confinement is what the filters of a supervisor's threads have to do
// with every system call of amd64: tables as data, and the judge who holds the
// programs that are really loaded against them.
package confinement

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"

	"syd/conformance/bpf"
)

//go:generate go run zz_generate.go

// Class says how calls of one number are to be answered.
type Class int

// The classes.
const (
	Kills   Class = iota + 1 // whatever the arguments
	Absent                   // ENOSYS, whatever the arguments
	May                      // allowed or killed, the rows say more
	Guarded                  // allowed with cookies only, as the rows say
)

// Want is what a row expects.
type Want int

// The expectations.
const (
	Kill Want = iota + 1
	Allow
)

// A Row is a call's arguments and what is to come of them. Where the class is
// Guarded, the registers behind the used ones are filled with cookies.
type Row struct {
	Args [6]uint64
	Want Want
	Why  string
}

// A Call is the expectation for one system call.
type Call struct {
	Name   string
	Clause string
	Class  Class
	Used   int // how many registers the call uses, for Guarded
	Rows   []Row
	Why    string
}

// A Table is the expectations for all calls that are not just killed.
type Table map[string]Call

// Options are those of the build that change the table.
type Options struct {
	NoCookies  bool
	Kcapi      bool
	UIDs, GIDs []uint64 // targets of configured transitions
}

// Highest is the highest number that amd64 has.
func Highest() uint32 { return slices.Max(slices.Collect(maps.Values(numbers))) }

// Number is a call's number; a name that is none is a mistake of the suite's.
func Number(name string) uint32 {
	nr, ok := numbers[name]
	if !ok {
		panic("confinement: there is no system call " + name)
	}
	return nr
}

var names = func() map[uint32]string {
	all := map[uint32]string{}
	for name, nr := range numbers {
		all[nr] = name
	}
	return all
}()

// Name is the name of a number, or the number.
func Name(nr uint32) string {
	if name, ok := names[nr]; ok {
		return name
	}
	return fmt.Sprintf("call %#x", nr)
}

// Find is the expectation for a number: what no row names is killed.
func (t Table) Find(nr uint32) Call {
	if c, ok := t[names[nr]]; ok {
		return c
	}
	return Call{Name: Name(nr), Clause: "CNF-23", Class: Kills, Why: "everything else"}
}

// A Judgement is what became of holding programs against a table.
type Judgement struct {
	// Rows counts the comparisons of one call with one expectation, by clause.
	Rows map[string]int
	// Wrong says what is not as expected, one line each.
	Wrong []string
	// Cookies are the values that were found, by call.
	Cookies map[string][6]uint64
}

// New is a judgement of nothing yet.
func New() Judgement {
	return Judgement{Rows: map[string]int{}, Cookies: map[string][6]uint64{}}
}

// Of is what is wrong with a clause.
func (j Judgement) Of(clause string) (wrong []string) {
	for _, line := range j.Wrong {
		if strings.HasPrefix(line, clause+" ") {
			wrong = append(wrong, line)
		}
	}
	return wrong
}

// Total is the number of all comparisons.
func (j Judgement) Total() (n int) {
	for _, rows := range j.Rows {
		n += rows
	}
	return n
}

func (j *Judgement) complain(c Call, format string, args ...any) {
	j.Wrong = append(j.Wrong, fmt.Sprintf("%s %s: %s (%s)", c.Clause, c.Name, fmt.Sprintf(format, args...), c.Why))
}

// row compares one call.
func (j *Judgement) row(chain bpf.Chain, c Call, args [6]uint64, want bpf.Action, why string) {
	j.Rows[c.Clause]++
	got := chain.Run(bpf.Data{NR: Number(c.Name), Arch: bpf.ArchAMD64, Args: args})
	if got != want {
		j.complain(c, "%#x gives %v, not %v: %s", args, got, want, why)
	}
}

func (w Want) action() bpf.Action {
	if w == Allow {
		return bpf.Allow
	}
	return bpf.KillProcess
}

// Tracer judges the filters of a tracer thread: every number there is, and some
// that there are not.
func Tracer(chain bpf.Chain, o Options) Judgement {
	t := TracerTable(o)
	j := New()
	for nr := range Highest() + 65 {
		j.judge(chain, t.Find(nr), nr, o)
	}
	for shift := uint(9); shift < 32; shift++ { // far numbers, x32's among them
		for _, nr := range []uint32{1 << shift, 1<<shift + 1, 1<<shift | Number("read"), 1<<shift | Number("futex"), ^uint32(0) << shift} {
			j.judge(chain, t.Find(nr), nr, o)
		}
	}
	j.crossed(chain, t)
	j.foreign(chain)
	return j
}

// judge holds all ways through the programs against the expectation.
func (j *Judgement) judge(chain bpf.Chain, c Call, nr uint32, o Options) {
	paths, err := chain.Paths(bpf.ArchAMD64, nr)
	if err != nil {
		j.complain(c, "%v", err)
		return
	}
	allowed := slices.DeleteFunc(slices.Clone(paths), func(p bpf.Path) bool { return p.Action != bpf.Allow })
	want := bpf.KillProcess
	if c.Class == Absent {
		want = bpf.Fail(syscall.ENOSYS)
	}
	for _, p := range paths {
		j.Rows[c.Clause]++
		switch {
		case p.Action == want:
		case p.Action == bpf.Allow && (c.Class == May || c.Class == Guarded):
		default:
			j.complain(c, "%v", p)
		}
	}
	switch {
	case c.Class == Guarded && !o.NoCookies:
		j.guarded(chain, c, allowed)
	case c.Class == Guarded:
		j.unguarded(c, allowed)
		fallthrough
	default:
		for _, r := range c.Rows {
			j.row(chain, c, r.Args, r.Want.action(), r.Why)
		}
	}
}

// unguarded expects of a call without cookies that no unused register counts.
func (j *Judgement) unguarded(c Call, allowed []bpf.Path) {
	for _, p := range allowed {
		for register := c.Used; register < 6; register++ {
			j.Rows[c.Clause]++
			if !p.Free(register) {
				j.complain(c, "register %d counts: %v", register, p)
			}
		}
	}
	if len(allowed) == 0 {
		j.complain(c, "nothing allows it")
	}
}

// foreign expects that other architectures, and x32 numbers, are killed.
func (j *Judgement) foreign(chain bpf.Chain) {
	for nr := range Highest() + 65 {
		for _, d := range []bpf.Data{{NR: nr, Arch: bpf.ArchI386}, {NR: nr | bpf.X32, Arch: bpf.ArchAMD64},
			{NR: nr, Arch: 0}, {NR: nr, Arch: 0xc00000b7 /* AUDIT_ARCH_AARCH64 */}} {
			j.Rows["CNF-05"]++
			if got := chain.Run(d); got != bpf.KillProcess {
				j.Wrong = append(j.Wrong, fmt.Sprintf("CNF-05 number %#x of architecture %#x: %v", d.NR, d.Arch, got))
			}
		}
	}
}
