// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What changes the place itself: the calls with *at, in its directory, by its
// name. They may sleep. The name is never followed.

// path is the place's name for a system call, with the directory that it stands
// in.
func (p *Place) path() (dir uintptr, name unsafe.Pointer, err error) {
	d, n := p.At()
	if n == "" {
		// The path ended in "/", "." or "..": the kernel has an errno for each call.
		d, n = p.fd, "."
	}
	text, err := unix.BytePtrFromString(n)
	return uintptr(d), unsafe.Pointer(text), err
}

// Mkdir is mkdirat(2).
func (p *Place) Mkdir(mode uint32) error {
	dir, name, err := p.path()
	if err != nil {
		return err
	}
	return result(syscall.Syscall6(unix.SYS_MKDIRAT, dir, uintptr(name), uintptr(mode),
		GuardMkdirat.at(3), GuardMkdirat.at(4), GuardMkdirat.at(5)))
}

// Mknod is mknodat(2).
func (p *Place) Mknod(mode, device uint32) error {
	dir, name, err := p.path()
	if err != nil {
		return err
	}
	return result(syscall.Syscall6(unix.SYS_MKNODAT, dir, uintptr(name), uintptr(mode), uintptr(device),
		GuardMknodat.at(4), GuardMknodat.at(5)))
}

// Unlink is unlinkat(2).
func (p *Place) Unlink(flags int) error {
	if _, name := p.At(); name == "" {
		if flags&unix.AT_REMOVEDIR != 0 {
			return unix.EBUSY // the root
		}
		return unix.EISDIR
	}
	dir, name, err := p.path()
	if err != nil {
		return err
	}
	return result(syscall.Syscall6(unix.SYS_UNLINKAT, dir, uintptr(name), uintptr(flags),
		GuardUnlinkat.at(3), GuardUnlinkat.at(4), GuardUnlinkat.at(5)))
}

// Symlink is symlinkat(2).
func (p *Place) Symlink(target string) error {
	dir, name, err := p.path()
	if err != nil {
		return err
	}
	text, err := unix.BytePtrFromString(target)
	if err != nil {
		return err
	}
	return result(syscall.Syscall6(unix.SYS_SYMLINKAT, uintptr(unsafe.Pointer(text)), dir, uintptr(name),
		GuardSymlinkat.at(3), GuardSymlinkat.at(4), GuardSymlinkat.at(5)))
}

// Rename is renameat2(2), to the place next.
func (p *Place) Rename(next *Place, flags int) error {
	dir, name, err := p.path()
	if err != nil {
		return err
	}
	toDir, toName, err := next.path()
	if err != nil {
		return err
	}
	return result(syscall.Syscall6(unix.SYS_RENAMEAT2, dir, uintptr(name), toDir, uintptr(toName), uintptr(flags), GuardRenameat2.at(5)))
}

// Link makes next another name of the file that was looked at: linkat(2) by the
// magic link of its descriptor, or of a symlink by its name. Preconditions: Look.
func (p *Place) Link(next *Place) error {
	toDir, toName, err := next.path()
	if err != nil {
		return err
	}
	dir, flags := uintptr(p.base), 0
	from := p.name
	if !p.IsSymlink() || from == "" {
		at := unix.AT_FDCWD
		dir, flags, from = uintptr(at), unix.AT_SYMLINK_FOLLOW, ownFD(p.fd)
	}
	text, err := unix.BytePtrFromString(from)
	if err != nil {
		return err
	}
	return linkat(dir, text, toDir, toName, flags)
}

func linkat(dir uintptr, text *byte, toDir uintptr, toName unsafe.Pointer, flags int) error {
	return result(syscall.Syscall6(unix.SYS_LINKAT, dir, uintptr(unsafe.Pointer(text)), toDir, uintptr(toName), uintptr(flags), GuardLinkat.at(5)))
}

// LinksDescriptors asks whether the calling thread may name the file of a descriptor by
// linkat(2) with AT_EMPTY_PATH: before Linux 6.10 it needs CAP_DAC_READ_SEARCH for that,
// or has ENOENT, whatever else is wrong. It is made with no descriptor.
func LinksDescriptors() bool {
	var empty byte
	none := ^uintptr(0)
	return linkat(none, &empty, none, unsafe.Pointer(&empty), unix.AT_EMPTY_PATH) != unix.ENOENT
}

// Chmod is chmod(2) of the file. Preconditions: Look.
func (p *Place) Chmod(mode uint32) error {
	text, err := unix.BytePtrFromString(ownFD(p.fd))
	if err != nil {
		return err
	}
	at := unix.AT_FDCWD
	return result(syscall.Syscall6(unix.SYS_FCHMODAT, uintptr(at), uintptr(unsafe.Pointer(text)), uintptr(mode&0o7777),
		GuardFchmodat.at(3), GuardFchmodat.at(4), GuardFchmodat.at(5)))
}

// Chown is chown(2) of the file, a symlink too. Preconditions: Look.
func (p *Place) Chown(uid, gid int) error {
	empty := []byte{0}
	return result(syscall.Syscall6(unix.SYS_FCHOWNAT, uintptr(p.fd), uintptr(unsafe.Pointer(&empty[0])), uintptr(uid), uintptr(gid),
		unix.AT_EMPTY_PATH, GuardFchownat.at(5)))
}

// Truncate is truncate(2) of the file. Preconditions: Look.
func (p *Place) Truncate(size int64) error {
	text, err := unix.BytePtrFromString(ownFD(p.fd))
	if err != nil {
		return err
	}
	return result(syscall.Syscall6(unix.SYS_TRUNCATE, uintptr(unsafe.Pointer(text)), uintptr(size),
		GuardTruncate.at(2), GuardTruncate.at(3), GuardTruncate.at(4), GuardTruncate.at(5)))
}

// Utime sets the file's times, a symlink's too; nil: now. Preconditions: Look.
func (p *Place) Utime(at *[2]Time) error {
	empty := []byte{0}
	return result(syscall.Syscall6(unix.SYS_UTIMENSAT, uintptr(p.fd), uintptr(unsafe.Pointer(&empty[0])), uintptr(unsafe.Pointer(at)),
		unix.AT_EMPTY_PATH, GuardUtimensat.at(4), GuardUtimensat.at(5)))
}

// SetXattr is setxattr(2) of the file. Of a symlink, which takes none but
// trusted ones, it is refused. Preconditions: Look.
func (p *Place) SetXattr(attribute string, value []byte, flags int) error {
	if p.IsSymlink() {
		return unix.EPERM
	}
	path, name, err := twoStrings(ownFD(p.fd), attribute)
	if err != nil {
		return err
	}
	var data unsafe.Pointer
	if len(value) > 0 {
		data = unsafe.Pointer(&value[0])
	}
	return result(syscall.Syscall6(unix.SYS_SETXATTR, uintptr(path), uintptr(name), uintptr(data), uintptr(len(value)), uintptr(flags),
		GuardSetxattr.at(5)))
}

// RemoveXattr is removexattr(2) of the file, with SetXattr's restriction.
func (p *Place) RemoveXattr(attribute string) error {
	if p.IsSymlink() {
		return unix.EPERM
	}
	path, name, err := twoStrings(ownFD(p.fd), attribute)
	if err != nil {
		return err
	}
	return result(syscall.Syscall6(unix.SYS_REMOVEXATTR, uintptr(path), uintptr(name), GuardRemovexattr.at(2),
		GuardRemovexattr.at(3), GuardRemovexattr.at(4), GuardRemovexattr.at(5)))
}

func twoStrings(a, b string) (unsafe.Pointer, unsafe.Pointer, error) {
	first, err := unix.BytePtrFromString(a)
	if err != nil {
		return nil, nil, err
	}
	second, err := unix.BytePtrFromString(b)
	return unsafe.Pointer(first), unsafe.Pointer(second), err
}
