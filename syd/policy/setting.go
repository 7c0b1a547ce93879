// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"strconv"
	"strings"
	"time"
)

// setting is a command `key:value` that sets one value. set returns what was
// expected instead, or ""; get is the value as set takes it, "" if there is none.
type setting struct {
	key  string
	set  func(p *Policy, value string) (expected string)
	get  func(p *Policy) string
	live bool // it can be set while the sandbox runs
}

var settings = []setting{
	{"lock", setLock, lockText, true},
	live(number("pid/max", func(p *Policy) *int { return &p.PIDMax })),
	seconds("segvguard/expiry", func(p *Policy) *time.Duration { return &p.SegvGuard.Expiry }),
	seconds("segvguard/suspension", func(p *Policy) *time.Duration { return &p.SegvGuard.Suspension }),
	number("segvguard/maxcrashes", func(p *Policy) *int { return &p.SegvGuard.MaxCrashes }),
	number("config/expand", func(p *Policy) *int { return &p.expand }),
	onOff("trace/exit_wait_all", func(p *Policy) *bool { return &p.ExitWaitAll }),
	onOff("trace/allow_unsafe_env", func(p *Policy) *bool { return &p.AllowUnsafeEnv }),
	onOff("trace/allow_unsafe_exec_speculative", func(p *Policy) *bool { return &p.Supervisor.AllowSpeculation }),
	onOff("trace/allow_unsafe_nocookie", func(p *Policy) *bool { return &p.Supervisor.AllowNoCookie }),
	onOff("trace/allow_unsafe_nomseal", func(p *Policy) *bool { return &p.Supervisor.AllowNoMseal }),
	onOff("trace/allow_safe_kcapi", func(p *Policy) *bool { return &p.Supervisor.AllowKcapi }),
	onOff("trace/allow_safe_setuid", func(p *Policy) *bool { return &p.Supervisor.AllowSetuid }),
	onOff("trace/allow_safe_setgid", func(p *Policy) *bool { return &p.Supervisor.AllowSetgid }),
}

// transitions are the lists of ID transitions.
func transitions(p *Policy) map[string]*[]Transition {
	return map[string]*[]Transition{"setuid": &p.Supervisor.Setuid, "setgid": &p.Supervisor.Setgid}
}

func setLock(p *Policy, value string) string {
	l, ok := lookup(lockNames[:], value)
	if !ok {
		return "a state of the lock: " + strings.Join(lockNames[1:], ", ")
	}
	p.lock = Lock(l)
	return ""
}

func lockText(p *Policy) string {
	if p.lock == LockUnset {
		return ""
	}
	return p.lock.String()
}

func live(s setting) setting {
	s.live = true
	return s
}

func onOff(key string, field func(*Policy) *bool) setting {
	return setting{
		key: key,
		set: func(p *Policy, value string) string { return setBool(field(p), value) },
		get: func(p *Policy) string { return boolText(*field(p)) },
	}
}

func boolText(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func number(key string, field func(*Policy) *int) setting {
	return setting{
		key: key,
		set: func(p *Policy, value string) string { return setInt(field(p), value) },
		get: func(p *Policy) string { return strconv.Itoa(*field(p)) },
	}
}

func setInt(n *int, value string) string {
	parsed, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		return "a whole number from 0 to 2147483647"
	}
	*n = int(parsed)
	return ""
}

func seconds(key string, field func(*Policy) *time.Duration) setting {
	return setting{
		key: key,
		set: func(p *Policy, value string) string {
			var whole int
			if expected := setInt(&whole, value); expected != "" {
				return expected
			}
			*field(p) = time.Duration(whole) * time.Second
			return ""
		},
		get: func(p *Policy) string { return strconv.Itoa(int(*field(p) / time.Second)) },
	}
}
