// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"encoding/binary"
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
	oLarge   = 0o100000 // O_LARGEFILE, of x86
	oAppend  = 0o2000
	oCloexec = 0o2000000
	oPath    = 0o10000000
	oTmpfile = 0o20000000 // with O_DIRECTORY

	oKnown = 0o37777703 | oTmpfile // fs/open.c, VALID_OPEN_FLAGS

	// oRegular is OPENAT2_REGULAR: what is not a regular file isn't opened (openat2(2),
	// Linux 7.2).
	oRegular    = 1 << 32
	errFileType = syscall.Errno(134) // EFTYPE, the answer then (uapi asm-generic/errno.h)
)

// opening is an open as a call asks for it.
type opening struct {
	text   string
	lookup kernel.Lookup
	flags  uint64
	mode   uint32
	small  bool // only files whose sizes fit 31 bits
}

// maxSmall is the largest of them (include/linux/fs.h, MAX_NON_LFS).
const maxSmall = 1<<31 - 1

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
	o.small = n.Arch == kernel.ArchCompat && flags&(oLarge|oPath) == 0
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
	case flags&^(oKnown|oRegular) != 0, mode&^0o7777 != 0, mode != 0 && flags&(oCreate|oTmpfile) == 0, resolve&^kernel.ResolveKnown != 0,
		resolve&kernel.ResolveScoped == kernel.ResolveScoped,
		flags&oPath != 0 && flags&^(oPath|kernel.ODirectory|kernel.ONofollow|oCloexec) != 0:
		return fails(syscall.EINVAL)
	case flags&oRegular != 0:
		if err := kernel.TakesFlags(flags, mode); err != nil {
			return n.failed(err)
		}
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
	n.looks = o.flags&(oAccess|oCreate|oTrunc|oTmpfile) == 0
	var err error
	if o.text, err = n.text(path); err == nil && o.text == "" {
		err = syscall.ENOENT
	}
	if err != nil {
		if n.fdFirst && err != errGone && kernel.DescriptorsFull(n.tid) {
			return fails(syscall.EMFILE)
		}
		return n.failed(err)
	}
	if o.text == apiRoot {
		if r, ok := n.openState(o); ok {
			return r
		}
	}
	o.lookup.NoFollow = o.flags&kernel.ONofollow != 0 || o.flags&(oCreate|oExcl) == oCreate|oExcl
	o.lookup.Creates = o.flags&oCreate != 0
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
			if err != errGone && kernel.DescriptorsFull(n.tid) {
				return fails(syscall.EMFILE) // the kernel looks for a number first
			}
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
			return n.absent(p, err, o.needs(p)...), false
		}
		if errno := n.allow(p.Path, o.needs(p)...); errno != 0 {
			return fails(errno), false
		}
		if n.lessons != nil && !p.Exists {
			n.foresee(p.Path, o)
		}
		switch {
		case n.p.Masked(p.Path) && flags&oPath == 0:
			return n.openMask(flags), false
		case !p.Exists:
			flags |= oExcl // not another one, which was not asked about
		case flags&(oCreate|oExcl) == oCreate|oExcl:
			return fails(syscall.EEXIST), false
		case p.IsDirectory() && flags&oCreate != 0:
			return fails(syscall.EISDIR), false // the kernel is not told of O_CREAT
		case flags&oCreate != 0 && n.allFree(p.Path, openNew):
			// It may be made: so the kernel is told of O_CREAT, and refuses others' files in
			// directories of everybody's (proc_sys_fs(5), protected_regular, protected_fifos).
		default:
			if flags&oCreate != 0 && n.protected(p) {
				return fails(syscall.EACCES), false
			}
			flags &^= oCreate
			o.mode = 0 // openat2(2) takes none then
			p.Pin()
		}
	}
	// For reading, too, it could be mapped shared and writable.
	if n.p.HasAppends() && flags&oAccess != 0 && (flags&(oAccess|oAppend) != oWrite|oAppend || flags&oTrunc != 0) && n.p.AppendOnly(p.Path) {
		return fails(syscall.EPERM), false
	}
	if flags&(oCreate|oTrunc|oTmpfile) != 0 && kernel.DescriptorsFull(n.tid) {
		return fails(syscall.EMFILE), false // before anything is made or lost
	}
	if flags&oPath != 0 {
		// No O_PATH descriptor can be handed over (kernel/seccomp.c takes it by fget).
		// What the kernel opens in its place, if the path changes under our hands,
		// shows that there is such a name; each use of it is judged by its own path.
		return n.openPathOnly(p, o), false
	}
	if o.small && flags&(oCreate|oExcl) != oCreate|oExcl && p.Look(o.lookup.NoFollow) == nil && p.IsRegular() && p.Stat().Size > maxSmall && p.MindsSize() {
		return fails(syscall.EOVERFLOW), false
	}
	fd, err := n.openFile(p, flags, o.mode)
	switch {
	case err == nil:
		r = opened(fd, flags&oCloexec != 0)
		r.kind = p.Mode & syscall.S_IFMT
		r.changes = o.flags&(oAccess|oCreate) != 0 && flags&oPath == 0
		if r.kind != syscall.S_IFREG && r.kind != syscall.S_IFDIR {
			r.terminal = n.acquires(fd, o.flags)
		}
		return r, false
	case err == syscall.ELOOP && !p.IsSymlink(), err == syscall.EEXIST && o.flags&oExcl == 0, err == syscall.ENOENT && o.flags&oCreate != 0 && p.Exists:
		return r, true
	case kernel.DescriptorsFull(n.tid):
		return fails(syscall.EMFILE), false // the kernel looks for a number first
	case !p.Nameless && n.hidden(p.Path):
		return n.missed(p, err), false
	}
	return n.failed(err), false
}

// protected: the kernel would refuse the caller an open of p with O_CREAT, of which
// it is not told as nothing may be created there.
func (n *notice) protected(p *kernel.Place) bool {
	status, err := n.learn()
	return err != nil || p.Protected(status.FSUID)
}

// foresee has it learned what the same open will be about once its file is there.
func (n *notice) foresee(path string, o opening) {
	for _, c := range o.needs(&kernel.Place{Exists: true, Mode: syscall.S_IFREG}) {
		n.lessons.Take(c, path)
	}
}

// openPathOnly looks whether there is a file, and has the kernel open it.
func (n *notice) openPathOnly(p *kernel.Place, o opening) reply {
	leave, err := n.enter(false)
	if err != nil {
		return n.failed(err)
	}
	err = p.Look(o.lookup.NoFollow)
	leave()
	if err != nil && err != syscall.ELOOP {
		return n.absent(p, err, policy.Stat)
	}
	return proceed
}

// openFile makes the open itself, which may block.
func (n *notice) openFile(p *kernel.Place, flags uint64, mode uint32) (int, error) {
	if flags&oPath == 0 {
		flags |= oNoctty // the terminal would become the supervisor's
	}
	makes := flags&(oCreate|oTmpfile) != 0
	if !makes {
		mode = 0 // a file that is there was asked about: openat2 takes no mode then
	}
	leave, err := n.enter(makes)
	if err != nil {
		return -1, err
	}
	n.sleep.begin()
	fd, err := p.Open(flags, mode)
	n.sleep.end()
	leave()
	return fd, err
}

// What an open may be about, whatever is there.
var (
	openPathOnly  = of(policy.Stat)
	openTemporary = of(policy.Mktemp)
	openNew       = of(policy.Create)
	openCreating  = of(policy.Create, policy.Read, policy.Write)
	openAnew      = of(policy.Create, policy.Read, policy.Write, policy.Truncate)
	openEmptied   = of(policy.Read, policy.Write, policy.Truncate)
	openReading   = of(policy.Read, policy.Readdir)
	openWriting   = of(policy.Read, policy.Write)
)

// mayNeed are the categories that the open may be about.
func (o opening) mayNeed() []policy.Category {
	switch {
	case o.flags&oPath != 0:
		return openPathOnly
	case o.flags&oTmpfile != 0:
		return openTemporary
	case o.flags&oCreate != 0 && o.flags&oTrunc != 0:
		return openAnew
	case o.flags&oCreate != 0:
		return openCreating
	case o.flags&oTrunc != 0:
		return openEmptied
	case o.flags&oAccess == 0:
		return openReading
	}
	return openWriting
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
	if flags&oRegular != 0 {
		return fails(errFileType)
	}
	fd, err := kernel.OpenNull()
	if err != nil {
		return n.failed(err)
	}
	return opened(fd, flags&oCloexec != 0)
}

// openSpecial opens what would be another file to us than to the caller: its
// terminal.
func (n *notice) openSpecial(p *kernel.Place, o opening) (r reply, done bool) {
	if p.Path != "/dev/tty" || o.flags&(oPath|oRegular) != 0 || p.Slash { // the kernel refuses a device itself
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
	terminal, err := n.view().Find(path, n.lookup(kernel.Lookup{DirFD: kernel.AtFDCWD}))
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
	if makes {
		status, err := n.learn()
		if err != nil {
			return nil, err
		}
		n.credentials.Umask(status.Umask)
	}
	return n.as()
}

// differs: the caller may have other credentials than the thread.
func (n *notice) differs() bool { return n.astray() && n.credentials.Privileged() }

// learn reads who the caller is, once: it can't change that while it waits.
func (n *notice) learn() (*kernel.Status, error) {
	if n.status != nil {
		return n.status, nil
	}
	status, err := kernel.ReadStatus(n.tid)
	if err == nil && !n.waits() {
		err = errGone
	}
	if err != nil {
		return nil, err
	}
	status.Contained = !kernel.OurUsers(n.tid)
	n.status = &status
	return n.status, nil
}

// as has the thread work with the caller's credentials, where they may differ.
func (n *notice) as() (leave func(), err error) {
	if !n.differs() {
		return func() {}, nil
	}
	status, err := n.learn()
	if err != nil {
		return nil, err
	}
	if err := n.credentials.As(*status); err != nil {
		n.itself()
		return nil, err
	}
	return n.itself, nil
}

// itself gives the thread its own credentials.
func (n *notice) itself() {
	if err := n.credentials.Back(); err != nil {
		panic("credentials: " + err.Error())
	}
}
