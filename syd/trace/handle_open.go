// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"encoding/binary"
	"strings"
	"syscall"

	"syd/syd/kernel"
	"syd/syd/policy"
)

// Flags of open(2) (uapi asm-generic/fcntl.h; the same on x86 and arm64 but for
// the three that Linux hands out by architecture, which package kernel knows).
const (
	oAccess  = 3
	oWrite   = 1
	oRdwr    = 2
	oCreate  = 0o100
	oExcl    = 0o200
	oNoctty  = 0o400
	oTrunc   = 0o1000
	oAppend  = 0o2000
	oCloexec = 0o2000000
	oPath    = 0o10000000
	oTmpfile = 0o20000000 // with O_DIRECTORY

	oKnown = 0o37777703 | oTmpfile // fs/open.c, VALID_OPEN_FLAGS
)

// opening is an open as a call asks for it.
type opening struct {
	text   string
	lookup kernel.Lookup
	flags  uint64
	mode   uint32
}

func emulateOpen(n *notice) reply {
	return n.openArgs(kernel.AtFDCWD, 0, uint64(uint32(n.Args[1])), n.Args[2])
}
func emulateOpenat(n *notice) reply {
	return n.openArgs(n.arg(0), 1, uint64(uint32(n.Args[2])), n.Args[3])
}
func emulateCreat(n *notice) reply {
	return n.openArgs(kernel.AtFDCWD, 0, oCreate|oWrite|oTrunc, n.Args[1])
}

// openArgs: open(2) ignores flags that it doesn't know, and the mode where no
// file can be made (fs/open.c, build_open_how).
func (n *notice) openArgs(dir, path int, flags, mode uint64) reply {
	flags &= oKnown
	if flags&oPath != 0 {
		flags &= oPath | kernel.ODirectory | kernel.ONofollow | oCloexec
	}
	o := opening{flags: flags, lookup: kernel.Lookup{DirFD: dir}}
	if flags&(oCreate|oTmpfile) != 0 {
		o.mode = uint32(mode) & 0o7777
	}
	return n.openPath(path, o)
}

// emulateOpenat2: openat2(2) ignores nothing.
func emulateOpenat2(n *notice) reply {
	const known, page = 24, 4096 // OPEN_HOW_SIZE_VER0
	size := n.Args[3]
	if n.Arch == kernel.ArchCompat {
		size = uint64(uint32(size))
	}
	switch {
	case size < known:
		return fails(syscall.EINVAL)
	case size > page:
		return fails(syscall.E2BIG)
	}
	how := make([]byte, size)
	if err := n.read(2, how); err != nil {
		return n.failed(err)
	}
	for _, b := range how[known:] {
		if b != 0 {
			return fails(syscall.E2BIG)
		}
	}
	flags, mode, resolve := binary.NativeEndian.Uint64(how), binary.NativeEndian.Uint64(how[8:]), binary.NativeEndian.Uint64(how[16:])
	switch {
	case flags&^oKnown != 0, mode&^0o7777 != 0, mode != 0 && flags&(oCreate|oTmpfile) == 0, resolve&^kernel.ResolveKnown != 0,
		resolve&kernel.ResolveScoped == kernel.ResolveScoped,
		flags&oPath != 0 && flags&^(oPath|kernel.ODirectory|kernel.ONofollow|oCloexec) != 0:
		return fails(syscall.EINVAL)
	}
	return n.openPath(1, opening{flags: flags, mode: uint32(mode), lookup: kernel.Lookup{DirFD: n.arg(0), Flags: resolve}})
}

// openPath reads the path, once the flags make sense (fs/open.c, build_open_flags).
func (n *notice) openPath(path int, o opening) reply {
	switch {
	case o.flags&oTmpfile != 0 && (o.flags&(kernel.ODirectory|oCreate) != kernel.ODirectory || o.flags&oAccess == 0),
		o.flags&(kernel.ODirectory|oCreate) == kernel.ODirectory|oCreate: // the latter since Linux 6.4
		return fails(syscall.EINVAL)
	}
	var err error
	if o.text, err = n.text(path); err != nil {
		return n.failed(err)
	}
	if o.text == apiRoot {
		if r, ok := n.openState(o); ok {
			return r
		}
	}
	o.lookup.NoFollow = o.flags&kernel.ONofollow != 0 || o.flags&(oCreate|oExcl) == oCreate|oExcl
	return n.open(o)
}

// openTries bounds how often a name may change under our hands.
const openTries = 16

// open opens what the path leads to. That the place changes between the look and
// the open ends in another try, never in another file.
func (n *notice) open(o opening) reply {
	for try := range openTries {
		p, err := n.place(o.text, o.lookup, try == 0)
		if err != nil {
			return n.missed(&p, err)
		}
		r, again := n.openPlace(&p, o)
		p.Close()
		if !again {
			return r
		}
	}
	return fails(syscall.ELOOP)
}

// openPlace opens the file at p. again: it isn't what it was.
func (n *notice) openPlace(p *kernel.Place, o opening) (r reply, again bool) {
	if special, done := n.openSpecial(p, o); done {
		return special, false
	}
	flags := o.flags
	if !p.Nameless && !n.allFree(p.Path, o.mayNeed()) {
		// What is asked for depends on what is there.
		err := p.Look(o.lookup.NoFollow)
		switch {
		case err == syscall.ELOOP && !p.Exists:
			return r, true
		case err != nil && err != syscall.ENOENT, err == syscall.ENOENT && flags&oCreate == 0:
			if n.hidden(p.Path) {
				return fails(n.allow(p.Path, o.needs(p)...)), false
			}
			return n.failed(err), false
		}
		if errno := n.allow(p.Path, o.needs(p)...); errno != 0 {
			return fails(errno), false
		}
		switch {
		case n.p.Masked(p.Path) && flags&oPath == 0:
			return n.openMask(flags), false
		case !p.Exists:
			flags |= oExcl // not another one, which was not asked about
		case flags&(oCreate|oExcl) == oCreate|oExcl:
			return fails(syscall.EEXIST), false
		default:
			flags &^= oCreate
			p.Pin()
		}
	}
	if n.p.HasAppends() && flags&oAccess != 0 && (flags&oAppend == 0 || flags&oTrunc != 0) && n.p.AppendOnly(p.Path) {
		return fails(syscall.EPERM), false
	}
	fd, err := n.openFile(p, flags, o.mode)
	switch {
	case err == nil:
		r = opened(fd, flags&oCloexec != 0)
		r.changes = o.flags&(oAccess|oCreate) != 0 && flags&oPath == 0
		return r, false
	case err == syscall.ELOOP && !p.IsSymlink(), err == syscall.EEXIST && o.flags&oExcl == 0, err == syscall.ENOENT && o.flags&oCreate != 0 && p.Exists:
		return r, true
	case n.hidden(p.Path):
		return n.missed(p, err), false
	}
	return n.failed(err), false
}

// openFile makes the open itself, which may block.
func (n *notice) openFile(p *kernel.Place, flags uint64, mode uint32) (int, error) {
	if flags&oPath == 0 {
		flags |= oNoctty // the terminal would become the supervisor's
	}
	leave, err := n.enter(flags&(oCreate|oTmpfile) != 0)
	if err != nil {
		return -1, err
	}
	n.sleep.begin()
	fd, err := p.Open(flags, mode)
	n.sleep.end()
	leave()
	return fd, err
}

// mayNeed are the categories that an open may be about, whatever is there.
func (o opening) mayNeed() []policy.Category {
	switch {
	case o.flags&oPath != 0:
		return []policy.Category{policy.Stat}
	case o.flags&oTmpfile != 0:
		return []policy.Category{policy.Mktemp}
	case o.flags&oCreate != 0 && o.flags&oTrunc != 0:
		return []policy.Category{policy.Create, policy.Read, policy.Write, policy.Truncate}
	case o.flags&oCreate != 0:
		return []policy.Category{policy.Create, policy.Read, policy.Write}
	case o.flags&oTrunc != 0:
		return []policy.Category{policy.Read, policy.Write, policy.Truncate}
	case o.flags&oAccess == 0:
		return []policy.Category{policy.Read, policy.Readdir}
	}
	return []policy.Category{policy.Read, policy.Write}
}

// needs are those of an open of what is at p.
func (o opening) needs(p *kernel.Place) (all []policy.Category) {
	switch {
	case o.flags&oPath != 0:
		return []policy.Category{policy.Stat}
	case o.flags&oTmpfile != 0:
		return []policy.Category{policy.Mktemp}
	case !p.Exists && o.flags&oCreate != 0:
		return []policy.Category{policy.Create}
	case p.IsDirectory() && o.flags&oAccess == 0:
		return []policy.Category{policy.Readdir}
	}
	if access := o.flags & oAccess; access != oWrite {
		all = append(all, policy.Read)
	}
	if o.flags&oAccess != 0 {
		all = append(all, policy.Write)
	}
	if o.flags&oTrunc != 0 && p.IsRegular() {
		all = append(all, policy.Truncate)
	}
	return all
}

// allFree: each of the categories is plainly allowed at path, and nothing else is
// to be done about it.
func (n *notice) allFree(path string, categories []policy.Category) bool {
	for _, c := range categories {
		if n.p.Decide(policy.Request{Category: c, Path: path}) != policy.Allow {
			return false
		}
	}
	return !n.p.HasMasks() || !n.p.Masked(path)
}

// openMask opens /dev/null in the place of a masked file.
func (n *notice) openMask(flags uint64) reply {
	fd, err := kernel.OpenNull()
	if err != nil {
		return n.failed(err)
	}
	return opened(fd, flags&oCloexec != 0)
}

// openSpecial opens what would be another file to us than to the caller: its
// terminal.
func (n *notice) openSpecial(p *kernel.Place, o opening) (r reply, done bool) {
	if p.Path != "/dev/tty" || o.flags&oPath != 0 || p.Slash {
		return r, false
	}
	if errno := n.allow(p.Path, o.needs(p)...); errno != 0 {
		return fails(errno), true
	}
	theirs, err := kernel.TerminalOf(n.tid)
	switch {
	case err != nil:
		return n.failed(err), true
	case theirs.Device == 0:
		return fails(syscall.ENXIO), true
	}
	if ours, err := kernel.TerminalOf(kernel.PID()); err == nil && ours == theirs {
		return r, false
	}
	path, ok := kernel.TerminalPath(theirs.Device)
	if !ok {
		return fails(syscall.ENXIO), true
	}
	terminal, err := n.view().Find(path, kernel.Lookup{DirFD: kernel.AtFDCWD})
	if err != nil {
		return n.failed(err), true
	}
	defer terminal.Close()
	if !terminal.IsDevice(theirs.Device) {
		return fails(syscall.ENXIO), true
	}
	terminal.Pin()
	fd, err := n.openFile(&terminal, o.flags&^(oCreate|oExcl), 0)
	if err != nil {
		return n.failed(err), true
	}
	return opened(fd, o.flags&oCloexec != 0), true
}

// enter has the thread work as the caller: with its umask if it may make a file,
// and, where callers may differ, with its credentials. leave ends that.
func (n *notice) enter(makes bool) (leave func(), err error) {
	as := n.astray() && n.credentials.Privileged()
	if !makes && !as {
		return func() {}, nil
	}
	status, err := kernel.ReadStatus(n.tid)
	if err == nil && !n.waits() {
		err = errGone
	}
	if err != nil {
		return nil, err
	}
	n.credentials.Umask(status.Umask)
	if !as {
		return func() {}, nil
	}
	status.Contained = !kernel.OurUsers(n.tid)
	if err := n.credentials.As(status); err != nil {
		n.credentials.Back()
		return nil, err
	}
	return func() {
		if err := n.credentials.Back(); err != nil {
			panic("credentials: " + err.Error())
		}
	}, nil
}

var _ = strings.HasPrefix
