// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"strings"
	"syscall"

	"syd/syd/kernel"
	"syd/syd/policy"
)

// where says which arguments of a call lead to a file.
type where struct {
	dir      int    // the directory's descriptor; noArg: paths begin in the working directory
	path     int    // the path; noArg: the descriptor is the file
	flags    int    // AT_ flags; noArg: there are noArg
	known    uint64 // the flags that the call takes; others are EINVAL
	null     bool   // with AT_EMPTY_PATH a path of NULL is an empty one, where the kernel knows that
	noFollow bool   // a symlink in the last component is itself meant
	real     bool   // a descriptor won't do that was opened with O_PATH
}

const noArg = -1

// byPath, byFD, byDir are the usual ones.
func byPath(path int) where { return where{dir: noArg, path: path, flags: noArg} }
func byRealFD(fd int) where { return where{dir: fd, path: noArg, flags: noArg, real: true} }
func byFD(fd int) where     { return where{dir: fd, path: noArg, flags: noArg} }
func byDir(dir int) where   { return where{dir: dir, path: dir + 1, flags: noArg} }

// withFlags has AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH and what else is in more.
func (w where) withFlags(flags int, more uint64) where {
	w.flags, w.known = flags, kernel.AtSymlinkNofollow|kernel.AtEmptyPath|more
	return w
}

// itself: symlinks are not followed.
func (w where) itself() where {
	w.noFollow = true
	return w
}

// aimed reads what the call is about: the text of its path, and how that is
// followed. held: the descriptor alone.
func (n *notice) aimed(w where) (text string, l kernel.Lookup, held bool, err error) {
	l = kernel.Lookup{DirFD: kernel.AtFDCWD, NoFollow: w.noFollow}
	if w.dir != noArg {
		l.DirFD = n.arg(w.dir)
	}
	if w.path == noArg {
		return "", l, true, nil
	}
	if w.flags != noArg {
		flags := uint64(uint32(n.Args[w.flags]))
		if flags&^w.known != 0 {
			return "", l, false, syscall.EINVAL
		}
		l.NoFollow = l.NoFollow || flags&kernel.AtSymlinkNofollow != 0
		l.Empty = flags&kernel.AtEmptyPath != 0
		if l.Empty && n.Args[w.path] == 0 && w.null && n.takesNull(w, flags, l.DirFD) {
			return "", l, true, nil
		}
	}
	text, err = n.text(w.path)
	return text, l, err == nil && text == "" && l.Empty, err
}

// orNull is of calls that may take a NULL for an empty path.
func (w where) orNull() where {
	w.null = true
	return w
}

// takesNull says whether this kernel takes it.
func (n *notice) takesNull(w where, flags uint64, dir int) bool {
	switch n.nulls {
	case kernel.NullForAny:
		return true
	case kernel.NullForDescriptor:
		if w.known&atStatxSync != 0 {
			flags &^= atNoAutomount | atStatxSync
		}
		return dir >= 0 && flags == kernel.AtEmptyPath
	}
	return false
}

const (
	atEaccess     = 0x200 // uapi linux/fcntl.h
	atNoAutomount = 0x800
	atStatxSync   = 0x6000
)

// file finds the file that the call is about, looks at it, and asks the policy
// about category. do gets it, with the caller's credentials.
func (n *notice) file(w where, category policy.Category, do func(*kernel.Place) reply) reply {
	text, l, held, err := n.aimed(w)
	if err == nil && w.real && held && n.view().PathOnly(l.DirFD) {
		err = syscall.EBADF
	}
	if err != nil {
		return n.failed(err)
	}
	return n.fileAt(text, l, held, category, do)
}

func (n *notice) fileAt(text string, l kernel.Lookup, held bool, category policy.Category, do func(*kernel.Place) reply) reply {
	if held {
		p, err := n.view().Held(l.DirFD)
		if err == nil {
			err = n.still(&p)
		}
		if err != nil {
			return n.failed(err)
		}
		defer p.Close()
		return n.judged(&p, category, do)
	}
	for try := range openTries {
		p, err := n.place(text, l, try == 0)
		if err != nil {
			return n.missed(&p, err)
		}
		r, again := n.looked(&p, l, category, do)
		p.Close()
		if !again {
			return r
		}
	}
	return fails(syscall.ELOOP)
}

// looked makes sure that there is a file at p. again: a name has become a symlink.
func (n *notice) looked(p *kernel.Place, l kernel.Lookup, category policy.Category, do func(*kernel.Place) reply) (r reply, again bool) {
	leave, err := n.enter(false)
	if err != nil {
		return n.failed(err), false
	}
	err = p.Look(l.NoFollow && !p.Slash)
	leave()
	switch {
	case err == syscall.ELOOP && !p.Exists:
		return r, true
	case err != nil:
		return n.absent(p, err, category), false
	}
	return n.judged(p, category, do), false
}

func (n *notice) judged(p *kernel.Place, category policy.Category, do func(*kernel.Place) reply) reply {
	if !p.Nameless {
		if errno := n.allow(p.Path, category); errno != 0 {
			return fails(errno)
		}
		if n.p.HasMasks() && n.p.Masked(p.Path) {
			if changes(category) {
				return fails(syscall.EPERM) // it would be the machine's /dev/null
			}
			return n.masked(do)
		}
	}
	leave, err := n.enter(false)
	if err != nil {
		return n.failed(err)
	}
	defer leave()
	return do(p)
}

// changes says whether calls of the category change a file that is there.
func changes(c policy.Category) bool {
	switch c {
	case policy.Walk, policy.Stat, policy.List, policy.Read, policy.Readdir, policy.Ioctl:
		return false
	}
	return true
}

// masked has do work on /dev/null.
func (n *notice) masked(do func(*kernel.Place) reply) reply {
	p, ok := kernel.View{}.Quick("/dev/null", kernel.Lookup{DirFD: kernel.AtFDCWD})
	if !ok {
		return fails(syscall.ENOENT)
	}
	defer p.Close()
	if err := p.Look(true); err != nil {
		return n.failed(err)
	}
	return do(&p)
}

// emulateStat makes the stat-like calls: encode puts the answer into the form
// that the call has.
func emulateStat(w where, buf int, encode func(n *notice, st *kernel.Stat) ([]byte, error)) func(*notice) reply {
	return func(n *notice) reply {
		return n.statOf(w, func(p *kernel.Place) reply {
			var err error
			st := p.Stat()
			if st.Uid, st.Gid, err = n.ids(st.Uid, st.Gid); err != nil {
				return n.failed(err)
			}
			text, err := encode(n, &st)
			if err != nil {
				return n.failed(err)
			}
			return puts(buf, text, 0)
		})
	}
}

// statOf is file for calls that may be commands to the sandbox.
func (n *notice) statOf(w where, do func(*kernel.Place) reply) reply {
	n.looks = true
	text, l, held, err := n.aimed(w)
	if err != nil {
		return n.failed(err)
	}
	if command, ok := strings.CutPrefix(text, apiRoot); ok && (command == "" || command[0] == '/') {
		if n.looks = false; !n.waits() {
			return gone
		}
		if r, ok := n.command(command, do); ok {
			return r
		}
	}
	return n.fileAt(text, l, held, policy.Stat, do)
}

var statx = where{dir: 0, path: 1, flags: 2, known: kernel.AtSymlinkNofollow | kernel.AtEmptyPath | atNoAutomount | atStatxSync, null: true}

func emulateStatx(n *notice) reply {
	flags, mask := n.arg(2), uint32(n.Args[3])
	if mask>>31 != 0 || flags&atStatxSync == atStatxSync { // STATX__RESERVED
		return fails(syscall.EINVAL)
	}
	return n.statOf(statx, func(p *kernel.Place) reply {
		st, err := p.Statx(flags&^kernel.AtSymlinkNofollow, mask)
		if err == nil {
			st.Uid, st.Gid, err = n.ids(st.Uid, st.Gid)
		}
		if err != nil {
			return n.failed(err)
		}
		return puts(4, kernel.Bytes(&st), 0)
	})
}

// ids are a file's, as the caller's user namespace has them.
func (n *notice) ids(uid, gid uint32) (uint32, uint32, error) {
	if !n.astray() || kernel.OurUsers(n.tid) {
		return uid, gid, nil
	}
	users, err := kernel.IDMapOf(n.tid, "uid_map")
	if err != nil {
		return 0, 0, err
	}
	groups, err := kernel.IDMapOf(n.tid, "gid_map")
	if err == nil && !n.waits() {
		err = errGone
	}
	return users.Inside(uid), groups.Inside(gid), err
}

// emulateAccess makes access(2) and its like.
func emulateAccess(w where, mode int) func(*notice) reply {
	return func(n *notice) reply {
		wanted := uint32(n.Args[mode])
		if wanted&^7 != 0 {
			return fails(syscall.EINVAL)
		}
		flags := 0
		if w.flags != noArg {
			flags = n.arg(w.flags) & atEaccess
		}
		n.looks = true
		return n.file(w, policy.Stat, func(p *kernel.Place) reply {
			if err := n.asks(p, wanted, flags); err != nil {
				return n.failed(err)
			}
			return returns(0)
		})
	}
}

// asks is access(2) of p. Which of the thread's credentials count is said by
// flags: those that it opens files with, or the real ones of the caller.
func (n *notice) asks(p *kernel.Place, mode uint32, flags int) error {
	if !n.differs() || flags&atEaccess != 0 {
		// Nobody has changed any: the real ones are the others.
		return p.Access(mode, atEaccess)
	}
	learnt, err := n.learn()
	if err != nil {
		return err
	}
	status := *learnt
	status.FSUID, status.FSGID = status.RealUID, status.RealGID
	// fs/open.c, access_override_creds: root has what it may have, others nothing.
	if status.Effective = 0; status.RealUID == 0 {
		status.Effective = status.Permitted
	}
	defer n.itself()
	if err := n.credentials.As(status); err != nil {
		return err
	}
	return p.Access(mode, atEaccess)
}

// emulateReadlink: the file is a symlink, or the file of an O_PATH descriptor.
func emulateReadlink(w where, buf int) func(*notice) reply {
	return func(n *notice) reply {
		size := n.arg(buf + 1)
		if size <= 0 {
			return fails(syscall.EINVAL)
		}
		n.looks = true
		text, l, _, err := n.aimed(w)
		if err != nil {
			return n.failed(err)
		}
		l.NoFollow = true
		held := text == "" && w.dir != noArg // readlinkat(fd, "")
		if text == "" && !held {
			return fails(syscall.ENOENT)
		}
		return n.fileAt(text, l, held, policy.Stat, func(p *kernel.Place) reply {
			if !p.IsSymlink() {
				if held {
					return fails(syscall.ENOENT)
				}
				return fails(syscall.EINVAL)
			}
			link := make([]byte, min(size, kernel.PathMax))
			length, err := n.linkOf(p, link)
			if err != nil {
				return n.failed(err)
			}
			return puts(buf, link[:length], int64(length))
		})
	}
}

// linkOf reads the symlink p as the caller sees it.
func (n *notice) linkOf(p *kernel.Place, buf []byte) (int, error) {
	if own, ok := n.view().ProcLink(p); ok {
		return copy(buf, own), nil
	}
	return p.Readlink(buf)
}

// emulateStatfs makes statfs(2) and fstatfs(2).
func emulateStatfs(w where, buf int) func(*notice) reply {
	return func(n *notice) reply {
		return n.file(w, policy.Stat, func(p *kernel.Place) reply {
			fs, err := p.Statfs()
			var text []byte
			if err == nil {
				text, err = encodeStatfs(n, &fs, buf)
			}
			if err != nil {
				return n.failed(err)
			}
			return puts(buf, text, 0)
		})
	}
}

// emulateWatch makes inotify_add_watch(2).
func emulateWatch(n *notice) reply {
	mask := uint32(n.Args[2])
	const (
		noFollow = 0x2000000 // uapi linux/inotify.h: IN_DONT_FOLLOW
		onlyDir  = 0x1000000 // IN_ONLYDIR
		events   = 0xfff
		known    = 0xf7000fff | 0xe000
	)
	if mask&known == 0 {
		return fails(syscall.EINVAL)
	}
	instance, err := kernel.Borrow(n.tid, n.arg(0))
	if err == nil && !n.waits() {
		kernel.Close(instance)
		err = errGone
	}
	if err != nil {
		return n.failed(err)
	}
	defer kernel.Close(instance)
	w := byPath(1)
	w.noFollow = mask&noFollow != 0
	return n.file(w, policy.Stat, func(p *kernel.Place) reply {
		if mask&onlyDir != 0 && !p.IsDirectory() {
			return fails(syscall.ENOTDIR)
		}
		number, err := p.Watch(instance, mask)
		if err != nil {
			return n.failed(err)
		}
		return returns(int64(number))
	})
}
