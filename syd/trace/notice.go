// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"fmt"
	"path"
	"syscall"

	"syd/syd/audit"
	"syd/syd/kernel"
	"syd/syd/policy"
)

// notice is one system call that waits for its answer, on the thread of a
// receiver.
type notice struct {
	*kernel.Notice
	*receiver
	row *row
	tid int
	p   *policy.Policy // in force when the call was received
	// looks: the call changes nothing, so that whether its caller still waits need not
	// be known before its answer is written, or something is recorded.
	looks bool
	// status is the caller's, once it was asked for.
	status *kernel.Status
}

// reply is what becomes of a call.
type reply struct {
	value    int64
	errno    syscall.Errno // not 0: the call fails with it
	out      []byte        // what the call puts where argument to points
	to       int
	open     bool // it returns a copy of fd, which is closed
	fd       int
	cloexec  bool
	kind     uint32 // what fd is open on, as in S_IFMT; 0: not known
	changes  bool   // fd may be written to, or was made
	terminal bool   // fd is a terminal that the caller is to acquire
	restart  bool   // a signal interrupted it before it did anything
	proceed  bool   // the kernel makes the call itself
	gone     bool   // the caller doesn't wait any more
	ghost    bool   // the listener closes once it is answered
}

func fails(errno syscall.Errno) reply { return reply{errno: errno} }
func returns(value int64) reply       { return reply{value: value} }
func puts(to int, out []byte, value int64) reply {
	return reply{to: to, out: out, value: value}
}
func opened(fd int, cloexec bool) reply { return reply{open: true, fd: fd, cloexec: cloexec} }

var (
	proceed = reply{proceed: true}
	gone    = reply{gone: true}
)

// failed is the reply to a call that err ended: an errno of the call's own, or a
// signal for who sleeps in it, or the end of who does.
func (n *notice) failed(err error) reply {
	errno, ok := err.(syscall.Errno)
	switch {
	case errno == errGone && !n.waits():
		return gone
	case !ok:
		n.log.Write(audit.Record{Level: audit.Error, Ctx: "notify", Op: n.row.name, PID: n.tid, Msg: err.Error()})
		return fails(syscall.EIO)
	case errno != syscall.EINTR:
		return fails(errno)
	case !n.waits():
		return gone
	case n.signalled.Load(), n.over.Load():
		return reply{restart: true}
	}
	return fails(syscall.EINTR)
}

// waits: what was learnt by the caller's number was learnt of the caller.
func (n *notice) waits() bool { return kernel.Waits(n.listener, n.ID) }

// view is the file system as the caller sees it.
func (n *notice) view() kernel.View { return kernel.View{TID: n.tid} }

// arg is an argument that the kernel takes as an int.
func (n *notice) arg(i int) int { return int(int32(n.Args[i])) }

// pointer is an address: a 32-bit program's has 32 bits.
func (n *notice) pointer(i int) uint64 {
	if n.Arch == kernel.ArchCompat {
		return uint64(uint32(n.Args[i]))
	}
	return n.Args[i]
}

// text reads the string at argument i. If the call only looks, it may be somebody
// else's who has the caller's number by now.
func (n *notice) text(i int) (string, error) {
	text, err := kernel.ReadStringInto(n.buf[:], n.tid, n.pointer(i), kernel.PathMax)
	if err == nil && !n.looks && !n.waits() {
		err = errGone
	}
	return text, err
}

// read fills buf from argument i.
func (n *notice) read(i int, buf []byte) error {
	err := kernel.ReadMemory(n.tid, n.pointer(i), buf)
	if err == nil && !n.waits() {
		err = errGone
	}
	return err
}

// write copies buf to argument i.
//
// Preconditions: the thread has its own credentials; the caller's may not let it.
func (n *notice) write(i int, buf []byte) error {
	if !n.waits() {
		return errGone
	}
	if err := n.credentials.Back(); err != nil { // the caller may not write to another's memory
		return err
	}
	return kernel.WriteMemory(n.tid, n.pointer(i), buf)
}

// errGone: the caller is dead. Nobody sees it; if somebody is there, it is what
// procfs says of another process.
const errGone = syscall.ESRCH

// allow asks the policy whether categories may be had of what is at path, and
// writes the records. It is the errno of the denial, or 0.
func (n *notice) allow(path string, categories ...policy.Category) syscall.Errno {
	for _, c := range categories {
		action := n.p.Decide(policy.Request{Category: c, Path: path})
		if action == policy.Allow {
			continue
		}
		if n.looks && !n.waits() {
			return errGone
		}
		n.recordPath(action, c, path)
		if action == policy.Warn {
			continue
		}
		n.carryOut(action, c)
		return n.refusal(c, path)
	}
	return 0
}

// refusal is the errno by which category c of path is denied: what may not be
// seen is not there.
func (n *notice) refusal(c policy.Category, path string) syscall.Errno {
	switch c {
	case policy.Walk, policy.Stat, policy.List:
		return syscall.ENOENT
	}
	if n.hidden(path) {
		return syscall.ENOENT
	}
	return syscall.EACCES
}

// hidden says whether path may not be seen.
func (n *notice) hidden(path string) bool {
	if !n.p.Decide(policy.Request{Category: policy.Stat, Path: path}).Allows() {
		return true
	}
	n.lessons.Take(policy.Stat, path)
	return false
}

// carryOut does what an action does beyond denying.
func (n *notice) carryOut(action policy.Action, c policy.Category) {
	switch action {
	case policy.Stop:
		kernel.Kill(n.tid, syscall.SIGSTOP)
	case policy.Abort:
		kernel.Kill(n.tid, syscall.SIGABRT)
	case policy.Kill:
		kernel.Kill(n.tid, syscall.SIGKILL)
	case policy.Panic:
		n.leave(statusUnknown)
	case policy.Exit:
		errno := syscall.EACCES
		if c == policy.Walk || c == policy.Stat || c == policy.List {
			errno = syscall.ENOENT
		}
		n.leave(int(errno))
	}
}

// recordPath writes what was decided, unless nothing is to be said or it is a
// lesson.
func (n *notice) recordPath(action policy.Action, c policy.Category, at string) {
	if action == policy.Filter || action == policy.Warn && n.lessons.Take(c, at) || !n.log.Enabled(audit.Warn) {
		return
	}
	note(n.log, n.tid, audit.Record{
		Level: audit.Warn, Ctx: "access", Cap: c.String(), Act: action.String(), Sys: n.row.name, Path: at,
		Tip: fmt.Sprintf("configure `allow/%s+%s'", c, policy.Exactly(at)),
	})
}

// lookup is how the caller's path is followed: link by link, each asked about.
func (n *notice) lookup(l kernel.Lookup) kernel.Lookup {
	if n.p.Judges(policy.Walk) || n.p.Judges(policy.Stat) {
		l.Pass = n.pass
	}
	if n.differs() {
		l.As = n.as
	}
	return l
}

// pass: the lookup goes through the directory at, or follows the symlink there.
func (n *notice) pass(at string) error {
	if at == "/" || !n.p.Judges(policy.Walk) {
		return nil
	}
	if errno := n.allow(at, policy.Walk); errno != 0 {
		return errDenied
	}
	return nil
}

// errDenied ends a lookup that may not go on; it is recorded, and looks as if
// nothing were there.
const errDenied = denial(syscall.ENOENT)

type denial syscall.Errno

func (d denial) Error() string { return syscall.Errno(d).Error() }

// passes asks about all directories that lead to path.
func (n *notice) passes(at string) error {
	if !n.p.Judges(policy.Walk) {
		return nil
	}
	for dir := path.Dir(at); dir != "/"; dir = path.Dir(dir) {
		if err := n.pass(dir); err != nil {
			return err
		}
	}
	return nil
}

// place is where the call's path leads. quick: at the first try, where it can do
// without walking.
func (n *notice) place(text string, l kernel.Lookup, quick bool) (kernel.Place, error) {
	if quick && !n.astray() {
		if p, ok := n.view().Quick(text, l); ok {
			if err := n.passes(p.Path); err != nil {
				p.Close()
				return p, err
			}
			var err error
			if p.Asked() {
				err = n.still(&p)
			}
			return p, err
		}
	}
	p, err := n.view().Find(text, n.lookup(l))
	if err == nil {
		err = n.still(&p)
	}
	return p, err
}

// still makes sure that p was found for the caller.
func (n *notice) still(p *kernel.Place) error {
	if n.waits() {
		return nil
	}
	p.Close()
	return errGone
}

// absent is the reply to a call on a file that can't be looked at. Where nothing
// may be seen, that there is none looks like a denial.
func (n *notice) absent(p *kernel.Place, err error, categories ...policy.Category) reply {
	if !p.Nameless && n.hidden(p.Path) {
		if errno := n.allow(p.Path, categories...); errno != 0 {
			return fails(errno)
		}
	}
	return n.failed(err)
}

// missed is the reply to a lookup that came to nothing at p. What ends it says
// nothing of places that may not be seen.
func (n *notice) missed(p *kernel.Place, err error) reply {
	if errno, ok := err.(denial); ok {
		return fails(syscall.Errno(errno))
	}
	switch err {
	case syscall.ENOTDIR, syscall.EACCES, syscall.ELOOP, syscall.EXDEV, syscall.ENAMETOOLONG:
		if p.Path != "" && n.hidden(p.Path) {
			return fails(syscall.ENOENT)
		}
	}
	return n.failed(err)
}
