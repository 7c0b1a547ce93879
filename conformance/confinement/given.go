// SPDX-License-Identifier: GPL-3.0-or-later

package confinement

import (
	"slices"

	"syd/conformance/bpf"
)

// Given is what is known of the process whose filters are judged, beside its
// options.
type Given struct {
	Options
	// Descriptors are those that it may write to without cookies: its log, its
	// runtime's event descriptor, one that it has reserved. 2 is always one.
	Descriptors []uint64
	// Parent says whether the program's own constant ".." is at an address. Nil:
	// that can't be seen.
	Parent func(address uint64) bool
}

// Special judges the calls whose constants are numbers of this one process.
func (g Given) Special(j *Judgement, chain bpf.Chain) {
	t := TracerTable(g.Options)
	g.openat(j, chain, t["openat"])
	g.write(j, chain, t["write"])
}

func allowing(j *Judgement, chain bpf.Chain, c Call) []bpf.Path {
	paths, err := chain.Paths(bpf.ArchAMD64, Number(c.Name))
	if err != nil {
		j.complain(c, "%v", err)
	}
	return slices.DeleteFunc(paths, func(p bpf.Path) bool { return p.Action != bpf.Allow })
}

// openat expects one path and one set of flags, which only opens directories.
func (g Given) openat(j *Judgement, chain bpf.Chain, c Call) {
	const harmless = 0o200000 | 0o400000 | 0o2000000 | 0o10000000 | 0o4000 // O_DIRECTORY O_NOFOLLOW O_CLOEXEC O_PATH O_NONBLOCK
	for _, p := range allowing(j, chain, c) {
		path, fixed := p.Constant(1)
		flags, whole := p.Constant(2)
		if !fixed || !whole {
			j.complain(c, "path or flags are not fixed: %v", p)
			continue
		}
		if flags&^harmless != 0 {
			j.complain(c, "flags %#o do more than look at a directory", flags)
		}
		if g.Parent != nil && !g.Parent(path) {
			j.complain(c, "%#x is not the address of a constant \"..\"", path)
		}
		right := p.Example().Args
		j.row(chain, c, right, bpf.Allow, "the constant")
		for _, register := range []int{1, 2} {
			for bit := range 64 {
				args := right
				args[register] ^= 1 << bit
				j.row(chain, c, args, bpf.KillProcess, "one bit of the path's address or the flags")
			}
		}
	}
}

// write expects of each way either a known descriptor or all cookies.
func (g Given) write(j *Judgement, chain bpf.Chain, c Call) {
	if g.NoCookies {
		return
	}
	var guarded []bpf.Path
	var open []uint64
	for _, p := range allowing(j, chain, c) {
		fd, whole := p.Constant(0)
		switch {
		case whole && (fd == 2 || g.Descriptors == nil || slices.Contains(g.Descriptors, fd)):
			open = append(open, fd)
		case whole && p.Free(3) && p.Free(4) && p.Free(5):
			j.complain(c, "descriptor %d is open to anybody's writes", fd)
		default:
			guarded = append(guarded, p)
		}
	}
	for fd := range uint64(65) {
		want := bpf.KillProcess
		if slices.Contains(open, fd) {
			want = bpf.Allow
		}
		j.row(chain, c, [6]uint64{fd, 0x1000, 1}, want, "a descriptor without cookies")
		j.row(chain, c, [6]uint64{fd | high, 0x1000, 1}, bpf.KillProcess, "the high half counts")
	}
	if len(guarded) == 0 {
		return // all that is written goes to known descriptors
	}
	c.Used = 3
	c.Rows = []Row{{[6]uint64{1000, 0x1000, 1}, Allow, "any descriptor, with cookies"}}
	j.guarded(chain, c, guarded)
}
