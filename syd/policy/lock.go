// SPDX-License-Identifier: GPL-3.0-or-later

package policy

// Lock says who may change the policy of a running sandbox.
type Lock uint8

// The states of the lock. From LockDrop on no state gives back what a former one
// allowed.
const (
	LockUnset Lock = iota // nobody said anything: on, as soon as the program runs
	LockOff               // every process
	LockExec              // the eldest process only
	LockIPC               // nobody through /dev/syd
	LockDrop              // every process, and only to give up what is allowed
	LockRead              // nobody, but everybody may look
	LockOn                // nobody
)

var lockNames = [...]string{
	LockUnset: "unset", LockOff: "off", LockExec: "exec", LockIPC: "ipc", LockDrop: "drop", LockRead: "read", LockOn: "on",
}

func (l Lock) String() string { return lockNames[l] }

// Lock is the state of the lock.
func (p *Policy) Lock() Lock { return p.lock }

// WithLock is p with another state of the lock, whoever asks for it.
func (p *Policy) WithLock(l Lock) *Policy {
	changed := *p
	changed.lock = l
	return &changed
}
