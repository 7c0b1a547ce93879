// SPDX-License-Identifier: GPL-3.0-or-later

package confinement

import (
	"math/bits"

	"syd/conformance/bpf"
)

// guarded judges a call with cookies: they are found as the 64-bit constants
// that the registers which the call does not use are compared with.
func (j *Judgement) guarded(chain bpf.Chain, c Call, allowed []bpf.Path) {
	if len(allowed) == 0 {
		j.complain(c, "nothing allows it, with whatever cookies")
		return
	}
	found, ok := j.cookies(c, allowed)
	if !ok {
		return
	}
	j.Cookies[c.Name] = found
	for register := c.Used; register < 6; register++ {
		// 64 random bits: less than 8 or more than 56 ones come once in 10^9.
		if ones := bits.OnesCount64(found[register]); ones < 8 || ones > 56 {
			j.complain(c, "register %d has %#x as a cookie", register, found[register])
		}
	}
	right := 0
	for _, r := range c.Rows {
		args := with(r.Args, found, c.Used)
		j.row(chain, c, args, r.Want.action(), r.Why)
		j.row(chain, c, r.Args, bpf.KillProcess, "without cookies")
		if r.Want == Allow && right < 2 {
			right++
			j.flipped(chain, c, args)
		}
	}
	for _, p := range allowed {
		d := p.Example()
		j.row(chain, c, d.Args, bpf.Allow, "an example of what is allowed")
		if right == 0 {
			j.flipped(chain, c, d.Args)
		}
	}
}

// cookies are those that all allowing ways agree on.
func (j *Judgement) cookies(c Call, allowed []bpf.Path) (found [6]uint64, ok bool) {
	ok = true
	for i, p := range allowed {
		for register := c.Used; register < 6; register++ {
			value, whole := p.Constant(register)
			switch {
			case !whole:
				j.complain(c, "register %d is not compared with 64 bits: %v", register, p)
				return found, false
			case i > 0 && value != found[register]:
				j.complain(c, "register %d has more than one cookie: %v", register, p)
				ok = false
			}
			found[register] = value
		}
	}
	return found, ok
}

// flipped expects death for each wrong bit of each cookie, and for whole
// registers that are wrong.
func (j *Judgement) flipped(chain bpf.Chain, c Call, right [6]uint64) {
	for register := c.Used; register < 6; register++ {
		for bit := range 64 {
			args := right
			args[register] ^= 1 << bit
			j.row(chain, c, args, bpf.KillProcess, "one wrong bit in a cookie")
		}
		for _, value := range []uint64{0, 1, ^uint64(0), ^right[register], right[register] & 0xffffffff,
			right[register] &^ 0xffffffff, right[register]<<32 | right[register]>>32} {
			args := right
			args[register] = value
			j.row(chain, c, args, bpf.KillProcess, "a wrong cookie")
		}
	}
}

// with is the arguments with cookies in the registers behind the used ones.
func with(args, cookies [6]uint64, used int) [6]uint64 {
	copy(args[used:], cookies[used:])
	return args
}

// crossed expects that no call is made with another's cookies, and that no two
// cookies are the same.
func (j *Judgement) crossed(chain bpf.Chain, t Table) {
	seen := map[uint64]string{}
	for name, cookies := range j.Cookies {
		for register := t[name].Used; register < 6; register++ {
			j.Rows[t[name].Clause]++
			if other, twice := seen[cookies[register]]; twice {
				j.complain(t[name], "register %d has a cookie that %s has too", register, other)
			}
			seen[cookies[register]] = name
		}
		for other, theirs := range j.Cookies {
			if other == name {
				continue
			}
			for _, r := range t[name].Rows {
				j.row(chain, t[name], with(r.Args, theirs, t[name].Used), bpf.KillProcess, "the cookies of "+other)
			}
			if len(t[name].Rows) == 0 {
				j.row(chain, t[name], with([6]uint64{}, theirs, t[name].Used), bpf.KillProcess, "the cookies of "+other)
			}
		}
	}
}
