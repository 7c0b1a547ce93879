// SPDX-License-Identifier: GPL-3.0-or-later

package confinement

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"syd/conformance/bpf"
)

// A rule of the test's own compiler: a call is answered with an action when
// registers have values under masks.
type rule struct {
	name   string
	action bpf.Action
	conds  []cond
}

type cond struct {
	register    int
	mask, value uint64
}

const whole = ^uint64(0)

// compile makes a list of the rules: nothing clever, but right.
func compile(rules []rule) bpf.Program {
	// uapi linux/bpf_common.h: LD|W|ABS, JMP|JEQ|K, ALU|AND|K, RET|K
	const ld, jeq, and, ret = 0x20, 0x15, 0x54, 0x06
	kill := bpf.Instruction{Code: ret, K: uint32(bpf.KillProcess)}
	p := bpf.Program{{Code: ld, K: 4}, {Code: jeq, K: bpf.ArchAMD64, JT: 1}, kill}
	for _, r := range rules {
		var body bpf.Program
		for _, c := range r.conds {
			for half := range 2 {
				shift := 32 * half
				if mask := uint32(c.mask >> shift); mask != 0 {
					body = append(body, bpf.Instruction{Code: ld, K: uint32(16 + 8*c.register + 4*half)},
						bpf.Instruction{Code: and, K: mask}, bpf.Instruction{Code: jeq, K: uint32(c.value >> shift)})
				}
			}
		}
		body = append(body, bpf.Instruction{Code: ret, K: uint32(r.action)})
		for i := range body {
			if body[i].Code == jeq {
				body[i].JF = uint8(len(body) - i - 1)
			}
		}
		p = append(p, bpf.Instruction{Code: ld}, bpf.Instruction{Code: jeq, K: Number(r.name), JF: uint8(len(body))})
		p = append(p, body...)
	}
	return append(p, kill)
}

// model is the rules of a supervisor that does everything right.
func model() []rule {
	random := rand.New(rand.NewPCG(5, 6))
	var all []rule
	allow := func(name string, conds ...cond) { all = append(all, rule{name, bpf.Allow, conds}) }
	guard := func(name string, used int, conds ...cond) {
		for register := used; register < 6; register++ {
			conds = append(conds, cond{register, whole, random.Uint64()})
		}
		allow(name, conds...)
	}
	for _, name := range []string{"futex", "waitid", "exit_group", "getpid"} {
		allow(name)
	}
	for _, name := range []string{"open", "stat", "lstat"} {
		all = append(all, rule{name, bpf.Fail(38), nil})
	}
	allow("mmap", cond{2, 4, 0})
	allow("mprotect", cond{2, 4, 0})
	allow("madvise", cond{2, whole, 4})
	allow("fcntl", cond{1, whole, 3})
	allow("prctl", cond{0, whole, 0x53564d41}, cond{1, whole, 0})
	allow("rt_sigaction", cond{1, whole, 0})
	allow("openat", cond{1, whole, 0x4a1230}, cond{2, whole, 0o2200000})
	allow("write", cond{0, whole, 2})
	allow("write", cond{0, whole, 7})
	guard("write", 3)
	guard("openat2", 4)
	guard("close", 1)
	guard("close_range", 3)
	guard("ioctl", 3, cond{1, whole, procmapQuery})
	guard("execveat", 5, cond{4, execveCheck, execveCheck})
	for _, c := range []struct {
		name string
		used int
	}{{"faccessat2", 4}, {"pidfd_send_signal", 4}, {"ptrace", 4}, {"getdents64", 3}, {"pidfd_getfd", 3}, {"pidfd_open", 2}} {
		guard(c.name, c.used)
	}
	return all
}

func judge(rules []rule, o Options) Judgement {
	chain := bpf.Chain{compile(rules)}
	j := Tracer(chain, o)
	Given{Options: o, Descriptors: []uint64{7}, Parent: func(a uint64) bool { return a == 0x4a1230 }}.Special(&j, chain)
	return j
}

func TestARightSupervisor(t *testing.T) {
	j := judge(model(), Options{})
	if len(j.Wrong) > 0 {
		t.Error(strings.Join(j.Wrong[:min(20, len(j.Wrong))], "\n"))
	}
	if j.Total() < 400 || len(j.Cookies) != 12 {
		t.Errorf("%d rows, cookies of %d calls", j.Total(), len(j.Cookies))
	}
	for _, clause := range []string{"CNF-05", "CNF-07", "CNF-08", "CNF-09", "CNF-10", "CNF-11", "CNF-12", "CNF-13", "CNF-14", "CNF-15",
		"CNF-16", "CNF-17", "CNF-18", "CNF-19", "CNF-20", "CNF-21", "CNF-22", "CNF-23"} {
		if j.Rows[clause] == 0 {
			t.Errorf("%s: no rows", clause)
		}
	}
}

// find is the first rule for a call.
func find(rules []rule, name string) *rule {
	return &rules[slices.IndexFunc(rules, func(r rule) bool { return r.name == name })]
}

// TestWrongSupervisors breaks one thing at a time: the judge names its clause.
func TestWrongSupervisors(t *testing.T) {
	without := func(r *rule, register int) {
		r.conds = slices.DeleteFunc(slices.Clone(r.conds), func(c cond) bool { return c.register == register })
	}
	for name, c := range map[string]struct {
		clause string
		bend   func([]rule) []rule
	}{
		"executable memory": {"CNF-07", func(r []rule) []rule { find(r, "mprotect").conds = nil; return r }},
		"open kills":        {"CNF-08", func(r []rule) []rule { find(r, "open").action = bpf.KillProcess; return r }},
		"any path":          {"CNF-09", func(r []rule) []rule { without(find(r, "openat"), 1); return r }},
		"writable files":    {"CNF-09", func(r []rule) []rule { find(r, "openat").conds[1].value |= 2; return r }},
		"another string":    {"CNF-09", func(r []rule) []rule { find(r, "openat").conds[0].value++; return r }},
		"no cookie":         {"CNF-10", func(r []rule) []rule { without(find(r, "openat2"), 5); return r }},
		"half a cookie":     {"CNF-11", func(r []rule) []rule { find(r, "close").conds[2].mask = 0xffffffff; return r }},
		"one bit less":      {"CNF-11", func(r []rule) []rule { c := &find(r, "close").conds[4]; c.mask ^= 1 << 41; c.value &= c.mask; return r }},
		"the same cookies": {"CNF-11", func(r []rule) []rule {
			r2 := *find(r, "close_range")
			find(r, "close").conds[3].value = r2.conds[1].value
			return r
		}},
		"a weak cookie":     {"CNF-21", func(r []rule) []rule { find(r, "ptrace").conds[0].value = 7; return r }},
		"a descriptor more": {"CNF-12", func(r []rule) []rule { return append(r, rule{"write", bpf.Allow, []cond{{0, whole, 9}}}) }},
		"no high half":      {"CNF-12", func(r []rule) []rule { find(r, "write").conds[0].mask = 0xffffffff; return r }},
		"hwpoison":          {"CNF-13", func(r []rule) []rule { return append(r, rule{"madvise", bpf.Allow, []cond{{2, whole, 100}}}) }},
		"F_SETOWN":          {"CNF-14", func(r []rule) []rule { return append(r, rule{"fcntl", bpf.Allow, []cond{{1, whole, 8}}}) }},
		"PR_SET_PTRACER":    {"CNF-15", func(r []rule) []rule { return append(r, rule{"prctl", bpf.Allow, []cond{{0, whole, 0x59616d61}}}) }},
		"any request":       {"CNF-16", func(r []rule) []rule { without(find(r, "ioctl"), 1); return r }},
		"a handler":         {"CNF-17", func(r []rule) []rule { find(r, "rt_sigaction").conds = nil; return r }},
		"a socket":          {"CNF-18", func(r []rule) []rule { return append(r, rule{"socket", bpf.Allow, nil}) }},
		"trapped":           {"CNF-19", func(r []rule) []rule { return append(r, rule{"lseek", bpf.Trap, nil}) }},
		"it executes":       {"CNF-20", func(r []rule) []rule { without(find(r, "execveat"), 4); return r }},
		"no ptrace":         {"CNF-21", func(r []rule) []rule { find(r, "ptrace").action = bpf.KillProcess; return r }},
		"setuid":            {"CNF-22", func(r []rule) []rule { return append(r, rule{"setuid", bpf.Allow, nil}) }},
		"fork":              {"CNF-23", func(r []rule) []rule { return append(r, rule{"fork", bpf.Allow, nil}) }},
		"an errno":          {"CNF-23", func(r []rule) []rule { return append(r, rule{"sync", bpf.Fail(1), nil}) }},
		"only the thread":   {"CNF-23", func(r []rule) []rule { return append(r, rule{"sync", bpf.KillThread, nil}) }},
	} {
		j := judge(c.bend(model()), Options{})
		if len(j.Of(c.clause)) == 0 {
			t.Errorf("%s: nothing is said of %s: %q", name, c.clause, j.Wrong)
		}
	}
}

func TestForeignCallsAreSeen(t *testing.T) {
	p := compile(model())
	p[1].JF, p[1].JT = 1, 1 // whatever the architecture
	if j := Tracer(bpf.Chain{p}, Options{}); len(j.Of("CNF-05")) == 0 {
		t.Error("nothing is said")
	}
}

func TestOptions(t *testing.T) {
	free := model()
	for i := range free {
		c := TracerTable(Options{}).Find(Number(free[i].name))
		free[i].conds = slices.DeleteFunc(free[i].conds, func(one cond) bool { return one.register >= used(c) })
	}
	j := judge(free, Options{NoCookies: true})
	if len(j.Wrong) > 0 {
		t.Error(strings.Join(j.Wrong, "\n"))
	}
	guarded := judge(model(), Options{})
	chain, other := bpf.Chain{compile(model())}, bpf.Chain{compile(free)}
	if all, compared := Unlike(chain, other, guarded.Cookies); len(all) > 0 || compared < 400 {
		t.Errorf("%d compared, %q", compared, all)
	}
	if all, _ := Unlike(chain, bpf.Chain{compile(append(free, rule{"fork", bpf.Allow, nil}))}, guarded.Cookies); len(all) == 0 {
		t.Error("a fork more is not seen")
	}
	if judge(free, Options{}).Wrong == nil || judge(model(), Options{NoCookies: true}).Wrong == nil {
		t.Error("one is taken for the other")
	}
	uids := append(model(), rule{"setuid", bpf.Allow, []cond{{0, whole, 65534}}},
		rule{"setreuid", bpf.Allow, []cond{{0, whole, 65534}, {1, whole, 65534}}},
		rule{"setresuid", bpf.Allow, []cond{{0, whole, 65534}, {1, whole, 65534}, {2, whole, 65534}}})
	if j := judge(uids, Options{UIDs: []uint64{65534}}); len(j.Wrong) > 0 {
		t.Error(strings.Join(j.Wrong, "\n"))
	}
	find(uids, "setresuid").conds[1].mask = 0
	if j := judge(uids, Options{UIDs: []uint64{65534}}); len(j.Of("CNF-22")) == 0 {
		t.Error("a free saved ID is not seen")
	}
}

func TestDifferences(t *testing.T) {
	one := bpf.Chain{compile(model())}
	other := model()
	find(other, "close").conds[0].value++
	find(other, "openat").conds[0].value++
	if all := Differences(one, bpf.Chain{compile(other)}); len(all) > 0 {
		t.Errorf("%q", all)
	}
	find(other, "madvise").conds[0].value = 8
	if all := Differences(one, bpf.Chain{compile(other)}); len(all) != 1 {
		t.Errorf("%q", all)
	}
}

func TestThread(t *testing.T) {
	thread := []rule{{"clone", bpf.Allow, []cond{{0, 0x7e020080 | 0x10000, 0x10000}}}, {"clone3", bpf.Fail(38), nil}, {"read", bpf.Allow, nil}}
	if j := Thread(bpf.Chain{compile(thread)}, Options{}); len(j.Wrong) > 0 || j.Total() == 0 {
		t.Errorf("%q", j.Wrong)
	}
	for _, wrong := range []rule{{"execve", bpf.Allow, nil}, {"fork", bpf.Allow, nil}, {"clone", bpf.Allow, nil}, {"socket", bpf.Allow, nil},
		{"ptrace", bpf.Allow, nil}, {"clone3", bpf.Allow, nil}, {"execveat", bpf.Allow, []cond{{5, whole, 77}}}, {"mount", bpf.Fail(1), nil}, {"setuid", bpf.Allow, nil}} {
		if j := Thread(bpf.Chain{compile(append([]rule{wrong}, thread...))}, Options{}); len(j.Wrong) == 0 {
			t.Errorf("%v is not seen", wrong)
		}
	}
	if j := Thread(nil, Options{}); len(j.Wrong) == 0 {
		t.Error("a thread without filters is not seen")
	}
}

// What is dangerous is allowed by no row.
func TestTablesAgree(t *testing.T) {
	table := TracerTable(Options{NoCookies: true, Kcapi: true})
	for _, d := range Dangerous {
		for name := range strings.FieldsSeq(d.Names) {
			if table[name].Class != Kills {
				t.Errorf("%s: %s", name, d.Why)
			}
		}
	}
	if Highest() < 450 || Name(Number("futex")) != "futex" {
		t.Error("the numbers")
	}
}
