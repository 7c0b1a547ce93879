// SPDX-License-Identifier: GPL-3.0-or-later

package filter

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"syd/syd/kernel"
)

var update = flag.Bool("update", false, "write the prebuilt filters anew")

// in are inputs whose values nothing else has.
var in = Inputs{PID: 4_194_301, LogFD: 777, EventFD: 778, DotDot: 0x7fff_1234_5678, Listener: 779}

func TestPrebuilt(t *testing.T) {
	for i := range 2 * numRoles {
		r, o := i/2, Options{Emulate: i%2 == 1}
		compiled, err := assemble(supervisorKind, Rules(r, o), exportBPF)
		if err != nil {
			t.Fatal(r, err)
		}
		if *update {
			if err := os.WriteFile(prebuiltName(r, o), compiled, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if !bytes.Equal(prebuilt(r, o), compiled) {
			t.Errorf("%s is not what its rows compile to: go test ./syd/filter -run Prebuilt -update", prebuiltName(r, o))
		}
	}
}

// supervisorVM runs a role's filter with the cookies in force, which this
// test's process makes once.
func supervisorVM(t *testing.T, r Role, o Options) vm {
	t.Helper()
	program, err := Program(r, o)
	if err != nil {
		t.Fatal(err)
	}
	Fill(program, in)
	return machine(t, program)
}

func TestMain(m *testing.M) {
	flag.Parse()
	if err := kernel.MakeCookies(true); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// sample makes the arguments that satisfy all conditions of a row.
func sample(r Rule) []uint64 {
	args := make([]uint64, 6)
	for _, c := range r.all() {
		args[c.Arg] = c.Value
		if c.Input != 0 {
			args[c.Arg] = in.value(c.Input)
		}
	}
	return args
}

func number(name string) (nr uint32, ok bool) {
	Numbers(name, func(arch uint32, n int) {
		if arch == kernel.ArchNative {
			nr, ok = uint32(n), true
		}
	})
	return nr, ok
}

// Each row allows its own sample; with any one bit of a compared register
// wrong, the call kills, unless another row allows that too.
func TestRows(t *testing.T) {
	for r := range numRoles {
		v := supervisorVM(t, r, Options{})
		rules := Rules(r, Options{})
		for _, row := range rules {
			nr, ok := number(row.Syscall)
			if !ok {
				continue
			}
			want := "ALLOW"
			if row.Effect == Errno {
				want = "ERRNO " + row.Errno.Error()
			}
			if got := v.run(t, kernel.ArchNative, nr, sample(row)...); got != want {
				t.Errorf("%s: %s%x: got %s, want %s", r, row.Syscall, sample(row), got, want)
			}
			for _, c := range row.all() {
				for bit := range 64 {
					args := sample(row)
					args[c.Arg] ^= 1 << bit
					want := "KILL"
					for _, other := range rules {
						if other.Syscall == row.Syscall && other.matches(args) {
							want = "ALLOW"
						}
					}
					if got := v.run(t, kernel.ArchNative, nr, args...); got != want {
						t.Errorf("%s: %s(%x), bit %d of argument %d: got %s, want %s", r, row.Syscall, args, bit, c.Arg, got, want)
					}
				}
			}
		}
	}
}

// matches is what the kernel does, said in another way than BPF.
func (r Rule) matches(args []uint64) bool {
	for _, c := range r.all() {
		mask, value := c.Mask, c.Value
		if c.Input != 0 {
			mask, value = ^uint64(0), in.value(c.Input)
		}
		if args[c.Arg]&mask != value {
			return false
		}
	}
	return true
}

func TestEveryOtherCallKills(t *testing.T) {
	for r := range numRoles {
		v := supervisorVM(t, r, Options{})
		listed := map[uint32]bool{}
		for _, row := range Rules(r, Options{}) {
			if nr, ok := number(row.Syscall); ok {
				listed[nr] = true
			}
		}
		for nr := range uint32(700) {
			if got := v.run(t, kernel.ArchNative, nr); !listed[nr] && got != "KILL" {
				t.Errorf("%s: number %d: got %s", r, nr, got)
			}
			if got := v.run(t, kernel.ArchNative, 0x40000000|nr); got != "KILL" {
				t.Errorf("%s: x32 number %d: got %s", r, nr, got)
			}
			if got := v.run(t, kernel.ArchCompat, nr); got != "KILL" {
				t.Errorf("%s: i386 number %d: got %s", r, nr, got)
			}
		}
	}
}

// What a thread may do under its own filter, it may under the outer one.
func TestProcessAllowsWhatAnyRoleDoes(t *testing.T) {
	for _, o := range []Options{{}, {Emulate: true}, {NoCookies: true}, {Kcapi: true}, {UIDs: []Transition{{0, 65534}}, GIDs: []Transition{{0, 1}}}} {
		outer := supervisorVM(t, Process, o)
		for r := range numRoles {
			if r == Receiver && !o.Emulate {
				continue
			}
			for _, row := range Rules(r, o) {
				nr, ok := number(row.Syscall)
				if !ok || row.Effect != Allow {
					continue
				}
				if got := outer.run(t, kernel.ArchNative, nr, sample(row)...); got != "ALLOW" {
					t.Errorf("%+v: %s: %s%x: got %s", o, r, row.Syscall, sample(row), got)
				}
			}
		}
	}
}

func TestOptions(t *testing.T) {
	plain, cookieless := supervisorVM(t, Tracer, Options{}), supervisorVM(t, Tracer, Options{NoCookies: true})
	for _, row := range Rules(Tracer, Options{}) {
		nr, _ := number(row.Syscall)
		args := sample(row)
		without := row
		without.Guarded = false
		bare := sample(without)
		if row.Guarded {
			if got := plain.run(t, kernel.ArchNative, nr, bare...); got != "KILL" {
				t.Errorf("%s without cookies: got %s", row.Syscall, got)
			}
			args = bare
		}
		want := "ALLOW"
		if row.Effect == Errno {
			want = "ERRNO " + row.Errno.Error()
		}
		if got := cookieless.run(t, kernel.ArchNative, nr, args...); got != want {
			t.Errorf("%s with allow_unsafe_nocookie: got %s, want %s", row.Syscall, got, want)
		}
	}
	const setuid, setreuid, setresuid, setgid, socket, splice = 105, 113, 117, 106, 41, 275
	ids := supervisorVM(t, Tracer, Options{UIDs: []Transition{{0, 65534}, {5, 6}}})
	kcapi := supervisorVM(t, Tracer, Options{Kcapi: true, NoCookies: true})
	for _, row := range []struct {
		vm   vm
		nr   uint32
		args []uint64
		want string
	}{
		{ids, setuid, []uint64{65534}, "ALLOW"},
		{ids, setuid, []uint64{6}, "ALLOW"},
		{ids, setuid, []uint64{0}, "KILL"},
		{ids, setuid, []uint64{5}, "KILL"},
		{ids, setuid, []uint64{1<<32 | 6}, "KILL"},
		{ids, setreuid, []uint64{6, 6}, "ALLOW"},
		{ids, setreuid, []uint64{6, 65534}, "KILL"},
		{ids, setresuid, []uint64{6, 6, 6}, "ALLOW"},
		{ids, setresuid, []uint64{6, 6, 0}, "KILL"},
		{ids, setgid, []uint64{65534}, "KILL"},
		{plain, setuid, []uint64{65534}, "KILL"},
		{plain, socket, []uint64{38, 5, 0}, "KILL"},
		{kcapi, socket, []uint64{38, 5, 0}, "ALLOW"},
		{kcapi, socket, []uint64{2, 1, 0}, "KILL"},
		{kcapi, splice, nil, "ALLOW"},
		{plain, splice, nil, "KILL"},
	} {
		if got := row.vm.run(t, kernel.ArchNative, row.nr, row.args...); got != row.want {
			t.Errorf("number %d%v: got %s, want %s", row.nr, row.args, got, row.want)
		}
	}
}

func BenchmarkProgram(b *testing.B) {
	for b.Loop() {
		if _, err := Program(Tracer, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		if _, err := Program(Tracer, Options{NoCookies: true}); err != nil {
			b.Fatal(err)
		}
	}
}
