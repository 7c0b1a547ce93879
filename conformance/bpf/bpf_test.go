// SPDX-License-Identifier: GPL-3.0-or-later

package bpf

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	other "golang.org/x/net/bpf"
)

// openAtOnly kills on another architecture, allows call 257 if its third
// argument is 5 and the lowest bit of the second isn't set, and call 3.
var openAtOnly = Program{
	{Code: ldAbs, K: 4},
	{Code: jeq, K: ArchAMD64, JF: 10},
	{Code: ldAbs, K: 0},
	{Code: jeq, K: 3, JT: 7},
	{Code: jeq, K: 257, JF: 7},
	{Code: ldAbs, K: 16 + 8*2},
	{Code: jeq, K: 5, JF: 5},
	{Code: ldAbs, K: 16 + 8*2 + 4},
	{Code: jeq, K: 0, JF: 3},
	{Code: ldAbs, K: 16 + 8},
	{Code: jset, K: 1, JT: 1},
	{Code: retK, K: uint32(Allow)},
	{Code: retK, K: uint32(KillProcess)},
}

func TestRun(t *testing.T) {
	for _, c := range []struct {
		data Data
		want Action
	}{
		{Data{NR: 3, Arch: ArchAMD64}, Allow},
		{Data{NR: 3, Arch: ArchI386}, KillProcess},
		{Data{NR: 3 | X32, Arch: ArchAMD64}, KillProcess},
		{Data{NR: 257, Arch: ArchAMD64, Args: [6]uint64{0, 2, 5}}, Allow},
		{Data{NR: 257, Arch: ArchAMD64, Args: [6]uint64{0, 3, 5}}, KillProcess},
		{Data{NR: 257, Arch: ArchAMD64, Args: [6]uint64{0, 2, 5 | 1<<32}}, KillProcess},
		{Data{NR: 257, Arch: ArchAMD64, Args: [6]uint64{0, 2 | 1<<32, 5}}, Allow},
	} {
		if got := openAtOnly.Run(c.data); got != c.want {
			t.Errorf("%+v: %v, not %v", c.data, got, c.want)
		}
	}
}

func TestPrecedence(t *testing.T) {
	order := []Action{KillProcess, KillThread, Trap, Fail(syscall.EPERM), UserNotif, Trace, Log, Allow}
	for i, first := range order {
		for _, second := range order[i:] {
			for _, chain := range []Chain{{{{Code: retK, K: uint32(first)}}, {{Code: retK, K: uint32(second)}}},
				{{{Code: retK, K: uint32(second)}}, {{Code: retK, K: uint32(first)}}}} {
				if got := chain.Run(Data{}); got != first {
					t.Errorf("%v and %v: %v", first, second, got)
				}
			}
		}
	}
}

func TestDivisionByZeroKills(t *testing.T) {
	p := Program{{Code: ldImm, K: 7}, {Code: div | sourceX}, {Code: retK, K: uint32(Allow)}}
	if got := p.Run(Data{}); got != KillThread {
		t.Error(got)
	}
}

func TestDecode(t *testing.T) {
	p, err := Decode(openAtOnly.Encode())
	if err != nil || !slices.Equal(p, openAtOnly) {
		t.Errorf("%v %v", p, err)
	}
	for _, wrong := range [][]byte{nil, {1}, make([]byte, 7), make([]byte, 8*(maxInstructions+1))} {
		if _, err := Decode(wrong); err == nil {
			t.Errorf("%d bytes", len(wrong))
		}
	}
}

func TestValidate(t *testing.T) {
	end := Instruction{Code: retK}
	for _, wrong := range []Program{
		{{Code: ldImm}},
		{{Code: ldAbs, K: 64}, end},
		{{Code: ldAbs, K: 2}, end},
		{{Code: ja, K: 1}, end},
		{{Code: jeq, JT: 1}, end},
		{{Code: jeq, JF: 1}, end},
		{{Code: stA, K: 16}, end},
		{{Code: ldMem, K: 1}, end},
		{{Code: jeq, JF: 1}, {Code: stA, K: 1}, {Code: ldMem, K: 1}, end},
		{{Code: div}, end},
		{{Code: lsh, K: 32}, end},
		{{Code: 0x28}, end}, // a half-word
		{{Code: 0x94, K: 1}, end},
	} {
		if wrong.Validate() == nil {
			t.Errorf("the kernel would refuse\n%v", wrong)
		}
	}
	for _, right := range []Program{openAtOnly, {{Code: stX, K: 1}, {Code: ldMem, K: 1}, {Code: retA}}} {
		if err := right.Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestString(t *testing.T) {
	text := openAtOnly.String()
	for _, line := range []string{"A = arch\n", "if A == 0xc000003e goto 2 else 12\n", "A = args[2].hi\n", "if A & 0x1 goto 12 else 11\n", "return ALLOW\n", "return KILL_PROCESS\n"} {
		if !strings.Contains(text, line) {
			t.Errorf("no %q in\n%s", line, text)
		}
	}
}

func TestPaths(t *testing.T) {
	paths, err := openAtOnly.Paths(ArchAMD64, 257)
	if err != nil {
		t.Fatal(err)
	}
	allowed := slices.DeleteFunc(paths, func(p Path) bool { return p.Action != Allow })
	if len(allowed) != 1 {
		t.Fatal(allowed)
	}
	if v, ok := allowed[0].Constant(2); !ok || v != 5 {
		t.Errorf("%v", allowed[0])
	}
	if bits, v := allowed[0].Arg(1); bits != 1 || v != 0 || allowed[0].Free(1) || !allowed[0].Free(0) {
		t.Errorf("%v", allowed[0])
	}
	if !allowed[0].Drop(1).Free(1) {
		t.Error("dropped and still asked for")
	}
	if want := "ALLOW if nr == 0x101 && arch == 0xc000003e && args[1].lo&0x1 == 0x0 && args[2].lo == 0x5 && args[2].hi == 0x0"; allowed[0].String() != want {
		t.Error(allowed[0])
	}
}

// randomProgram makes valid programs of the shape that rules are compiled to:
// loads, masks, comparisons, some scratch words.
func randomProgram(r *rand.Rand, more bool) Program {
	n := 2 + r.IntN(30)
	p := make(Program, n)
	constants := []uint32{0, 1, 2, 3, 5, 7, 8, 0xff, 0x100, 0x80000000, all32, ArchAMD64, r.Uint32()}
	k := func() uint32 { return constants[r.IntN(len(constants))] }
	for at := range p {
		behind := n - at - 1
		switch choice := r.IntN(12); {
		case behind == 0 || choice == 0 && behind < n/2:
			p[at] = Instruction{Code: retK, K: []uint32{uint32(Allow), uint32(KillProcess), uint32(Errno) | 38}[r.IntN(3)]}
		case choice < 5:
			p[at] = Instruction{Code: ldAbs, K: 4 * r.Uint32N(words)}
		case choice < 6 && more:
			code := []uint16{add, sub, mul, or, xor, lsh, rsh, and | sourceX, tax, txa, ldImm, ldLen, add | sourceX}[r.IntN(13)]
			p[at] = Instruction{Code: code, K: k() & 31}
		case choice < 7:
			p[at] = Instruction{Code: and, K: k()}
		default:
			code := []uint16{jeq, jgt, jge, jset}[r.IntN(4)]
			p[at] = Instruction{Code: code, K: k(), JT: uint8(r.IntN(behind)), JF: uint8(r.IntN(behind))}
		}
	}
	return p
}

func randomData(r *rand.Rand) (d Data) {
	pick := func() uint32 {
		if r.IntN(2) == 0 {
			return r.Uint32()
		}
		return []uint32{0, 1, 2, 3, 5, 7, 8, 0xff, 0x100, 0x80000000, all32}[r.IntN(11)]
	}
	d.NR, d.Arch, d.IP = pick(), []uint32{ArchAMD64, ArchI386}[r.IntN(2)], uint64(pick())<<32|uint64(pick())
	for i := range d.Args {
		d.Args[i] = uint64(pick())<<32 | uint64(pick())
	}
	return d
}

// reference runs the program in x/net's machine, which reads big-endian words.
func reference(t *testing.T, p Program, d Data) Action {
	raw := make([]other.RawInstruction, len(p))
	for i, one := range p {
		raw[i] = other.RawInstruction{Op: one.Code, Jt: one.JT, Jf: one.JF, K: one.K}
		if one.Code == ldLen { // theirs is an extension's code
			raw[i] = other.RawInstruction{Op: ldImm, K: dataSize}
		}
	}
	instructions, ok := other.Disassemble(raw)
	if !ok {
		t.Fatalf("not disassembled:\n%v", p)
	}
	vm, err := other.NewVM(instructions)
	if err != nil {
		t.Fatalf("%v\n%v", err, p)
	}
	var packet []byte
	for i := range words {
		packet = binary.BigEndian.AppendUint32(packet, d.word(i))
	}
	n, err := vm.Run(packet)
	if err != nil {
		t.Fatal(err)
	}
	return Action(n)
}

func TestRunAgreesWithAnotherMachine(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		p, d := randomProgram(r, true), randomData(r)
		if err := p.Validate(); err != nil {
			t.Fatal(err)
		}
		if got, want := p.Run(d), reference(t, p, d); got != want {
			t.Fatalf("%v, not %v: %+v\n%v", got, want, d, p)
		}
	}
}

// admits says whether the call takes the path.
func (p Path) admits(d Data) bool {
	for i, w := range p.Words {
		if !w.admits(d.word(i)) {
			return false
		}
	}
	return true
}

func TestPathsAreAllWays(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	followed := 0
	for range 5000 {
		d := randomData(r)
		chain := Chain{randomProgram(r, false), randomProgram(r, false)}[:1+r.IntN(2)]
		paths, err := chain.Paths(d.Arch, d.NR)
		if err != nil {
			continue
		}
		followed++
		for _, p := range paths {
			if example := p.Example(); chain.Run(example) != p.Action || !p.admits(example) {
				t.Fatalf("%v\nits example %+v: %v\n%v", p, example, chain.Run(example), chain)
			}
		}
		for range 50 {
			call := randomData(r)
			call.NR, call.Arch = d.NR, d.Arch
			taken := slices.DeleteFunc(slices.Clone(paths), func(p Path) bool { return !p.admits(call) })
			if len(taken) != 1 || taken[0].Action != chain.Run(call) {
				t.Fatalf("%+v: %v takes\n%v\n%v", call, chain.Run(call), taken, chain)
			}
		}
	}
	if followed < 3000 {
		t.Errorf("only %d of 5000 programs were followed", followed)
	}
}

func TestPathsRefuseWhatTheyDoNotFollow(t *testing.T) {
	end := Instruction{Code: retK}
	for _, p := range []Program{
		{{Code: ldAbs, K: 16}, {Code: add, K: 1}, {Code: jeq}, end},
		{{Code: ldAbs, K: 16}, {Code: retA}},
		{{Code: ldAbs, K: 16}, {Code: and, K: 6}, {Code: jgt, K: 2}, end},
	} {
		if paths, err := p.Paths(ArchAMD64, 1); err == nil {
			t.Errorf("%v\n%v", p, paths)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(openAtOnly.Encode(), uint32(257))
	f.Add(Program{{Code: stX, K: 1}, {Code: ldMem, K: 1}, {Code: retA}}.Encode(), uint32(0))
	f.Fuzz(func(t *testing.T, data []byte, nr uint32) {
		p, err := Decode(data)
		if err != nil {
			return
		}
		_ = p.String()
		d := Data{NR: nr, Arch: ArchAMD64, Args: [6]uint64{uint64(nr)}}
		p.Run(d)
		if len(p) > 100 {
			return
		}
		paths, err := p.Paths(d.Arch, nr)
		if err != nil {
			return
		}
		for _, path := range paths {
			if p.Run(path.Example()) != path.Action {
				t.Errorf("%v\n%v", path, p)
			}
		}
	})
}
