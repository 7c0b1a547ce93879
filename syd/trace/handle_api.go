// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"syscall"

	"syd/syd/audit"
	"syd/syd/kernel"
	"syd/syd/policy"
)

// The sandbox is asked and told by calls on names below /dev/syd, of which there
// is no file: a stat-like call is a command, an open of /dev/syd reads the state.
// Whom the lock keeps out finds nothing there.

const apiRoot = "/dev/syd"

// maxLoaded is what load/FD reads at most.
const maxLoaded = 1 << 20

// sees says whether /dev/syd is there for the caller.
func (n *notice) sees() bool {
	switch n.p.Lock() {
	case policy.LockOff, policy.LockDrop, policy.LockRead:
		return true
	case policy.LockExec:
		return n.ofEldest(n.tid) && n.waits()
	}
	return false
}

// command carries out what follows /dev/syd in the path of a stat-like call. do
// is the call itself, made on a character device when the command succeeds. Not
// ok: it is no command of this caller's.
func (n *notice) command(text string, do func(*kernel.Place) reply) (r reply, ok bool) {
	if !n.sees() {
		return r, false
	}
	text = strings.TrimPrefix(text, "/")
	var ghost bool
	switch err := n.perform(text, &ghost); {
	case err == nil:
		r = n.masked(do)
		r.ghost = ghost && r.errno == 0
		return r, true
	case errors.Is(err, policy.ErrSyntax):
		return fails(syscall.EINVAL), true
	case errors.Is(err, policy.ErrUnknown):
		return fails(syscall.EOPNOTSUPP), true
	case errors.Is(err, policy.ErrStartup):
		return fails(syscall.EBUSY), true
	case errors.Is(err, policy.ErrRefused):
		return fails(syscall.ENOENT), true
	case err == errPartRead:
		return fails(syscall.EINTR), true
	default:
		return n.failed(err), true
	}
}

// perform does what text says. ghost is set if that is to be done once the call
// is answered.
func (n *notice) perform(text string, ghost *bool) error {
	switch {
	case text == "":
		return nil
	case strings.HasSuffix(text, "?"):
		holds, err := n.p.Query(text)
		if err == nil && !holds {
			err = policy.ErrRefused
		}
		return err
	}
	lock := n.p.Lock()
	switch text {
	case "stat":
		return n.tell()
	case "ghost":
		if lock == policy.LockRead {
			return policy.ErrRefused
		}
		n.log.Write(audit.Record{Level: audit.Notice, Ctx: "ghost", Op: "close", PID: n.tid})
		*ghost = true
		return nil
	case "panic":
		if lock != policy.LockOff && lock != policy.LockExec {
			return policy.ErrRefused
		}
		n.leave(statusUnknown)
		return nil
	}
	edit := func(p *policy.Policy) (*policy.Policy, error) { return p.Edit(text) }
	if load, ok := strings.CutPrefix(text, "load/"); ok {
		if lock != policy.LockOff && lock != policy.LockExec {
			return policy.ErrRefused // nothing is read for somebody who may not load it
		}
		loaded, err := n.loaded(load)
		if err != nil {
			return err
		}
		edit = func(p *policy.Policy) (*policy.Policy, error) { return p.Load(loaded) }
	}
	return n.edit(func(p *policy.Policy) (*policy.Policy, error) {
		// The lock may be another by now: what counts is the one that is held.
		switch p.Lock() {
		case policy.LockOff:
			return edit(p)
		case policy.LockExec:
			if n.ofEldest(n.tid) {
				return edit(p)
			}
		case policy.LockDrop:
			return p.Drop(text)
		}
		return nil, policy.ErrRefused
	})
}

// errPartRead: a signal came after a part of a text. To begin again would take the
// rest for the whole.
var errPartRead = errors.New("interrupted in the middle of a text")

// loaded reads the caller's descriptor that is named.
func (n *notice) loaded(number string) (string, error) {
	fd, err := strconv.ParseUint(number, 10, 31)
	if err != nil {
		return "", policy.ErrSyntax
	}
	file, err := kernel.Borrow(n.tid, int(fd))
	if err == nil && !n.waits() {
		kernel.Close(file)
		err = errGone
	}
	if err != nil {
		return "", err
	}
	defer kernel.Close(file)
	n.sleep.begin() // a pipe may be empty
	text, err := kernel.ReadUpTo(file, maxLoaded)
	n.sleep.end()
	switch {
	case err == kernel.ErrTooLong:
		return "", syscall.E2BIG
	case err == syscall.EINTR && len(text) > 0:
		return "", errPartRead
	}
	return string(text), err
}

// state is the policy in force as JSON.
func (n *notice) state() ([]byte, error) {
	text, err := json.MarshalIndent(n.policy().State(), "", "  ")
	return append(text, '\n'), err
}

// tell writes the state to the log.
func (n *notice) tell() error {
	text, err := json.Marshal(n.policy().State())
	if err == nil {
		n.log.Write(audit.Record{Level: audit.Emerg, Ctx: "stat", Op: "state", PID: n.tid, Msg: string(text)})
	}
	return err
}

// openState opens the state for reading.
func (n *notice) openState(o opening) (r reply, ok bool) {
	if !n.sees() {
		return r, false
	}
	switch {
	case o.flags&oPath != 0:
		return r, false
	case o.flags&(oCreate|oExcl) == oCreate|oExcl:
		return fails(syscall.EEXIST), true
	case o.flags&kernel.ODirectory != 0:
		return fails(syscall.ENOTDIR), true
	case o.flags&oAccess != 0, o.flags&oTrunc != 0:
		return fails(syscall.EACCES), true
	}
	text, err := n.state()
	if err != nil {
		return n.failed(err), true
	}
	fd, err := kernel.ReadOnlyFile("syd", text)
	if err != nil {
		return n.failed(err), true
	}
	return opened(fd, o.flags&oCloexec != 0), true
}

// leave ends the sandbox with status.
func (n *notice) leave(status int) { n.receivers.leave(status) }
