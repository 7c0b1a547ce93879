// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"encoding/binary"
	"syscall"

	"syd/syd/kernel"
	"syd/syd/policy"
)

// Calls that make, remove, move or change files. They are made in the directory
// that the path led to, by the name in it, which the kernel does not follow; or
// at the file itself.

// named reads argument path and walks to the directory of its last component.
func (n *notice) named(w where) (kernel.Place, error) {
	text, err := n.text(w.path)
	if err != nil {
		return kernel.Place{}, err
	}
	l := kernel.Lookup{DirFD: kernel.AtFDCWD}
	if w.dir != noArg {
		l.DirFD = n.arg(w.dir)
	}
	p, err := n.view().Name(text, n.lookup(l))
	if err == nil {
		err = n.still(&p)
	}
	return p, err
}

// change finds the place that the call is about, asks the policy, and has do make
// the call, as the caller.
func (n *notice) change(w where, makes bool, category policy.Category, do func(*kernel.Place) error) reply {
	p, err := n.named(w)
	if err != nil {
		return n.missed(&p, err)
	}
	defer p.Close()
	if !makes && n.p.Decide(policy.Request{Category: category, Path: p.Path}) != policy.Allow && !n.hidden(p.Path) && p.Missing() {
		return fails(syscall.ENOENT) // which a stat tells, too
	}
	if errno := n.mayChange(&p, category); errno != 0 {
		return fails(errno)
	}
	return n.made(makes, func() error { return do(&p) })
}

// mayChange asks the policy about the name at p. Where nothing can be seen,
// nothing can be made out either.
func (n *notice) mayChange(p *kernel.Place, categories ...policy.Category) syscall.Errno {
	if p.Lost {
		return syscall.ENOENT // in a directory that is gone, or in noArg of ours
	}
	if errno := n.allow(p.Path, categories...); errno != 0 {
		return errno
	}
	if n.p.HasMasks() && n.p.Masked(p.Path) {
		return syscall.EPERM // what is masked stays where it is
	}
	return 0
}

// made makes a call as the caller.
func (n *notice) made(makes bool, do func() error) reply {
	leave, err := n.enter(makes)
	if err != nil {
		return n.failed(err)
	}
	defer leave()
	if err := do(); err != nil {
		return n.failed(err)
	}
	return returns(0)
}

func emulateMkdir(w where, mode int) func(*notice) reply {
	return func(n *notice) reply {
		return n.change(w, true, policy.Mkdir, func(p *kernel.Place) error { return p.Mkdir(uint32(n.Args[mode])) })
	}
}

// emulateMknod: which category is for the type to say.
func emulateMknod(w where, mode int) func(*notice) reply {
	return func(n *notice) reply {
		kind := uint32(n.Args[mode]) & syscall.S_IFMT
		category := policy.Create
		switch kind {
		case syscall.S_IFIFO:
			category = policy.Mkfifo
		case syscall.S_IFCHR:
			category = policy.Mkcdev
		case syscall.S_IFBLK:
			category = policy.Mkbdev
		case 0, syscall.S_IFREG, syscall.S_IFSOCK:
		case syscall.S_IFDIR:
			return fails(syscall.EPERM)
		default:
			return fails(syscall.EINVAL)
		}
		return n.change(w, true, category, func(p *kernel.Place) error {
			return p.Mknod(uint32(n.Args[mode]), uint32(n.Args[mode+1]))
		})
	}
}

func emulateUnlink(w where) func(*notice) reply {
	return func(n *notice) reply {
		const removeDir = 0x200 // uapi linux/fcntl.h: AT_REMOVEDIR
		flags := 0
		if w.flags != noArg {
			flags = n.arg(w.flags)
		}
		if flags&^removeDir != 0 {
			return fails(syscall.EINVAL)
		}
		category := policy.Delete
		if flags != 0 {
			category = policy.Rmdir
		}
		return n.change(w, false, category, func(p *kernel.Place) error { return p.Unlink(flags) })
	}
}

func emulateRmdir(n *notice) reply {
	const removeDir = 0x200
	return n.change(byPath(0), false, policy.Rmdir, func(p *kernel.Place) error { return p.Unlink(removeDir) })
}

func emulateSymlink(w where) func(*notice) reply {
	return func(n *notice) reply {
		target, err := n.text(0)
		switch {
		case err != nil:
			return n.failed(err)
		case target == "":
			return fails(syscall.ENOENT)
		}
		return n.change(w, true, policy.Symlink, func(p *kernel.Place) error { return p.Symlink(target) })
	}
}

// emulateRename: both names are asked about.
func emulateRename(from, to where, flags int) func(*notice) reply {
	return func(n *notice) reply {
		how := 0
		if flags != noArg {
			how = n.arg(flags)
		}
		if how&^7 != 0 || how&2 != 0 && how&5 != 0 { // RENAME_EXCHANGE goes with no other (uapi linux/fs.h)
			return fails(syscall.EINVAL)
		}
		old, err := n.named(from)
		if err != nil {
			return n.missed(&old, err)
		}
		defer old.Close()
		next, err := n.named(to)
		if err != nil {
			if earlier := n.unsearchable(&old); earlier != nil {
				return n.missed(&old, earlier)
			}
			return n.missed(&next, err)
		}
		defer next.Close()
		for _, p := range []*kernel.Place{&old, &next} {
			if errno := n.mayChange(p, policy.Rename); errno != 0 {
				return fails(errno)
			}
		}
		return n.made(false, func() error { return old.Rename(&next, how) })
	}
}

// unsearchable is why no name can be looked up in p's directory: the kernel finds
// that out before it follows another path.
func (n *notice) unsearchable(p *kernel.Place) error {
	leave, err := n.as()
	if err != nil {
		return err
	}
	defer leave()
	return p.Search()
}

// emulateLink: a second name for a file is another path to what the first one's
// rules are about, so both are asked about.
func emulateLink(from, to where, flags int) func(*notice) reply {
	return func(n *notice) reply {
		const follow = 0x400 // uapi linux/fcntl.h: AT_SYMLINK_FOLLOW
		l := kernel.Lookup{DirFD: kernel.AtFDCWD, NoFollow: true}
		if from.dir != noArg {
			l.DirFD = n.arg(from.dir)
		}
		if flags != noArg {
			how := n.arg(flags)
			if how&^(follow|kernel.AtEmptyPath) != 0 {
				return fails(syscall.EINVAL)
			}
			l.NoFollow, l.Empty = how&follow == 0, how&kernel.AtEmptyPath != 0
		}
		if l.Empty {
			leave, err := n.enter(false)
			if err != nil {
				return n.failed(err)
			}
			may := kernel.LinksDescriptors()
			leave()
			if !may {
				return fails(syscall.ENOENT)
			}
		}
		text, err := n.text(from.path)
		if err != nil {
			return n.failed(err)
		}
		return n.fileAt(text, l, text == "" && l.Empty, policy.Rename, func(old *kernel.Place) reply {
			n.itself() // to read on
			next, err := n.named(to)
			if err != nil {
				return n.missed(&next, err)
			}
			defer next.Close()
			if errno := n.mayChange(&next, policy.Rename); errno != 0 {
				return fails(errno)
			}
			return n.made(false, func() error { return old.Link(&next) })
		})
	}
}

// emulateChmod changes the mode of a file; modes of symlinks can't be changed.
func emulateChmod(w where, mode int) func(*notice) reply {
	return func(n *notice) reply {
		return n.file(w, policy.Chmod, func(p *kernel.Place) reply {
			if p.IsSymlink() {
				return fails(syscall.EOPNOTSUPP)
			}
			return n.ended(p.Chmod(uint32(n.Args[mode])))
		})
	}
}

// emulateChown: which category is for the IDs to say; -1 leaves one as it is.
func emulateChown(w where, ids int, narrow func(*notice) bool) func(*notice) reply {
	return func(n *notice) reply {
		id := func(i int) int {
			v := n.arg(i)
			if narrow != nil && narrow(n) { // 16 bits, of which all mean -1
				if v &= 0xffff; v == 0xffff {
					v = -1
				}
			}
			return v
		}
		uid, gid := id(ids), id(ids+1)
		category := policy.Chown
		if uid == -1 {
			category = policy.Chgrp
		}
		uid, gid, err := n.outside(uid, gid)
		if err != nil {
			return n.failed(err)
		}
		return n.file(w, category, func(p *kernel.Place) reply {
			if uid != -1 && gid != -1 && !p.Nameless {
				if errno := n.allow(p.Path, policy.Chgrp); errno != 0 {
					return fails(errno)
				}
			}
			return n.ended(p.Chown(uid, gid))
		})
	}
}

// outside are IDs that the caller's user namespace numbers uid and gid.
func (n *notice) outside(uid, gid int) (int, int, error) {
	if !n.astray() || kernel.OurUsers(n.tid) {
		return uid, gid, nil
	}
	for _, id := range []struct {
		number *int
		list   string
	}{{&uid, "uid_map"}, {&gid, "gid_map"}} {
		m, err := kernel.IDMapOf(n.tid, id.list)
		if err == nil && !n.waits() {
			err = errGone
		}
		if err != nil {
			return 0, 0, err
		}
		if *id.number == -1 {
			continue
		}
		ours, ok := m.Outside(uint32(*id.number))
		if !ok {
			return 0, 0, syscall.EINVAL
		}
		*id.number = int(ours)
	}
	return uid, gid, nil
}

func (n *notice) ended(err error) reply {
	if err != nil {
		return n.failed(err)
	}
	return returns(0)
}

// emulateTruncate sets a file's length. On 32-bit ABIs the wide calls have it in
// two registers.
func emulateTruncate(w where, length int, wide bool) func(*notice) reply {
	return func(n *notice) reply {
		size := int64(n.Args[length])
		if n.Arch == kernel.ArchCompat {
			size = int64(int32(n.Args[length]))
			if wide {
				size = int64(uint64(uint32(n.Args[length])) | n.Args[length+1]<<32)
			}
		}
		if size < 0 {
			return fails(syscall.EINVAL)
		}
		if w.path == noArg {
			return n.truncateHeld(n.arg(w.dir), size)
		}
		return n.file(w, policy.Truncate, func(p *kernel.Place) reply {
			if n.p.HasAppends() && n.p.AppendOnly(p.Path) {
				return fails(syscall.EPERM)
			}
			return n.resized(p, size, func() error { return p.Truncate(size) })
		})
	}
}

// truncateHeld is ftruncate(2). The file that is judged is the one that is held:
// by the time that the kernel made the call, the number could be another's.
func (n *notice) truncateHeld(fd int, size int64) reply {
	held, err := kernel.Borrow(n.tid, fd)
	if err == nil {
		defer kernel.Close(held)
		if !n.waits() {
			err = errGone
		}
	}
	if err != nil {
		return n.failed(err)
	}
	p, err := kernel.Own(held)
	if err != nil {
		return n.failed(err)
	}
	defer p.Close()
	if !p.Nameless {
		if errno := n.allow(p.Path, policy.Truncate); errno != 0 {
			return fails(errno)
		}
		if n.p.HasAppends() && n.p.AppendOnly(p.Path) {
			return fails(syscall.EPERM)
		}
	}
	return n.resized(&p, size, func() error { return kernel.Ftruncate(held, size) })
}

// resized has do set a file's length, unless the caller's own limit is less.
func (n *notice) resized(p *kernel.Place, size int64, do func() error) reply {
	n.itself()
	limit, err := kernel.FileSizeLimit(n.tid)
	if err == nil && !n.waits() {
		err = errGone
	}
	if err != nil {
		return n.failed(err)
	}
	if p.IsRegular() && size > limit && size > p.Stat().Size {
		kernel.Kill(n.tid, syscall.SIGXFSZ)
		return fails(syscall.EFBIG)
	}
	return n.made(false, do)
}

// timeForm is the form of a call's times.
type timeForm uint8

const (
	timeNone     timeForm = iota // utime(2): two times in seconds
	timeMicro                    // struct timeval[2]
	timeNano                     // struct timespec[2]
	timeNanoWide                 // struct __kernel_timespec[2], on 32-bit ABIs too
)

// emulateUtime sets a file's times. A path of NULL means the descriptor.
func emulateUtime(w where, times int, f timeForm) func(*notice) reply {
	return func(n *notice) reply {
		at, err := n.times(times, f)
		if err != nil {
			return n.failed(err)
		}
		if f >= timeNano && at != nil && at[0].Nsec == kernel.TimeOmit && at[1].Nsec == kernel.TimeOmit {
			return returns(0) // whatever the path
		}
		call := w
		if w.dir != noArg && w.path != noArg && n.pointer(w.path) == 0 && n.arg(w.dir) != kernel.AtFDCWD {
			call = byRealFD(w.dir)
			if w.flags != noArg && n.Args[w.flags] != 0 {
				return fails(syscall.EINVAL)
			}
		}
		return n.file(call, policy.Utime, func(p *kernel.Place) reply { return n.ended(p.Utime(at)) })
	}
}

// times reads them; nil: now.
func (n *notice) times(arg int, f timeForm) (*[2]kernel.Time, error) {
	if n.pointer(arg) == 0 {
		return nil, nil
	}
	word := 8
	if n.Arch == kernel.ArchCompat && f != timeNanoWide {
		word = 4
	}
	fields := 4
	if f == timeNone {
		fields = 2
	}
	buf := make([]byte, fields*word)
	if err := n.read(arg, buf); err != nil {
		return nil, err
	}
	field := func(i int) int64 {
		if word == 4 {
			return int64(int32(binary.NativeEndian.Uint32(buf[4*i:])))
		}
		return int64(binary.NativeEndian.Uint64(buf[8*i:]))
	}
	var at [2]kernel.Time
	for i := range at {
		switch f {
		case timeNone:
			at[i].Sec = field(i)
		case timeMicro:
			if micro := field(2*i + 1); micro < 0 || micro >= 1e6 {
				return nil, syscall.EINVAL
			}
			at[i].Sec, at[i].Nsec = field(2*i), 1000*field(2*i+1)
		default:
			at[i].Sec, at[i].Nsec = field(2*i), field(2*i+1)
		}
	}
	return &at, nil
}
