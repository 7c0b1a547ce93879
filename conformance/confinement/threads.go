// SPDX-License-Identifier: GPL-3.0-or-later

package confinement

import (
	"strings"
	"syscall"

	"syd/conformance/bpf"
)

// Thread judges the filters of a thread that is not the tracer (PRC-01): what
// the language's runtime and its own work need is its own affair, but it gains
// nothing.
func Thread(chain bpf.Chain, o Options) Judgement {
	j := New()
	j.thread(chain, o, func(string) bool { return false })
	return j
}

// thread leaves out what is excepted.
func (j *Judgement) thread(chain bpf.Chain, o Options, excepted func(name string) bool) {
	const clause = "PRC-01"
	for _, d := range Dangerous {
		for name := range strings.FieldsSeq(d.Names) {
			if excepted(name) {
				continue
			}
			j.only(chain, Call{Name: name, Clause: clause, Class: Kills, Why: d.Why}, nil)
		}
	}
	threads := Call{Name: "clone", Clause: clause, Class: May, Why: "threads, and no process"}
	j.only(chain, threads, func(p bpf.Path) bool {
		const thread, namespaces = 0x10000, 0x7e020080 // CLONE_THREAD, CLONE_NEW...
		bits, value := p.Arg(0)
		return value&thread != 0 && bits&namespaces == namespaces && value&namespaces == 0
	})
	j.only(chain, Call{Name: "clone3", Clause: clause, Class: Absent, Why: "its flags can't be seen"}, nil)
	for name, registers := range map[string]int{"socket": 3, "bind": 3, "accept4": 4, "sendmsg": 3, "recvmsg": 3,
		"ptrace": 4, "execveat": 5, "pidfd_getfd": 3, "pidfd_send_signal": 4, "seccomp": 3} {
		if network[name] && !o.Kcapi {
			j.only(chain, Call{Name: name, Clause: clause, Class: Kills, Why: "the network"}, nil)
			continue
		}
		j.only(chain, Call{Name: name, Clause: clause, Class: Guarded, Why: "without cookies"}, func(p bpf.Path) bool {
			if name == "socket" {
				if family, whole := p.Constant(0); !whole || family != afALG {
					return false
				}
			}
			if name == "execveat" {
				if _, flags := p.Arg(4); flags&execveCheck == 0 {
					return false
				}
			}
			for register := registers; register < 6; register++ {
				if _, whole := p.Constant(register); !whole && !o.NoCookies {
					return false
				}
			}
			return true
		})
	}
	if len(o.UIDs)+len(o.GIDs) == 0 {
		for name := range strings.FieldsSeq("setuid setreuid setresuid setgid setregid setresgid") {
			if excepted != nil && excepted(name) {
				continue
			}
			j.only(chain, Call{Name: name, Clause: clause, Class: Kills, Why: "no transition is configured"}, nil)
		}
	}
	j.foreign(chain)
}

// network are the calls that the kernel's crypto interface needs, if it is in use.
var network = map[string]bool{"socket": true, "bind": true, "accept4": true, "sendmsg": true, "recvmsg": true}

// only expects that all ways through the programs kill (or say ENOSYS, for
// Absent), but for those that may allow.
func (j *Judgement) only(chain bpf.Chain, c Call, may func(bpf.Path) bool) {
	paths, err := chain.Paths(bpf.ArchAMD64, Number(c.Name))
	if err != nil {
		j.complain(c, "%v", err)
	}
	for _, p := range paths {
		j.Rows[c.Clause]++
		switch {
		case p.Action == bpf.KillProcess:
		case p.Action == bpf.Fail(syscall.ENOSYS) && c.Class == Absent:
		case p.Action == bpf.Allow && may != nil && may(p):
		default:
			j.complain(c, "%v", p)
		}
	}
}
