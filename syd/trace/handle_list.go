// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"bytes"
	"encoding/binary"
	"syscall"

	"syd/syd/kernel"
	"syd/syd/policy"
)

// A directory is read through a copy of the caller's own descriptor, so that its
// offset moves as natively, and entries that may not be listed are left out.

const (
	direntHead = 19 // struct linux_dirent64 up to d_name (include/linux/dirent.h)
	// maxListed bounds what is read at a time; the kernel may always return less
	// than was asked for.
	maxListed = 64 << 10
)

// entry is one of a directory.
type entry struct {
	inode, offset uint64
	kind          byte
	name          []byte
}

// emulateGetdents makes getdents64(2), and getdents(2) with its own form.
func emulateGetdents(encode func(n *notice, out []byte, e entry) []byte) func(*notice) reply {
	return func(n *notice) reply {
		fd := n.arg(0)
		held, err := n.view().Held(fd)
		if err == nil {
			err = n.still(&held)
		}
		if err != nil {
			return n.failed(err)
		}
		defer held.Close()
		if n.view().PathOnly(fd) {
			return fails(syscall.EBADF)
		}
		if !held.IsDirectory() {
			return fails(syscall.ENOTDIR)
		}
		copied, err := kernel.Borrow(n.tid, fd)
		if err == nil && !n.waits() {
			kernel.Close(copied)
			err = errGone
		}
		if err != nil {
			return n.failed(err)
		}
		defer kernel.Close(copied)
		return n.list(copied, held.Path, encode)
	}
}

// list reads entries until one of them may be listed.
func (n *notice) list(fd int, dir string, encode func(n *notice, out []byte, e entry) []byte) reply {
	size := min(uint64(uint32(n.Args[2])), maxListed)
	if n.arg(2) < 0 {
		size = 0 // fs/readdir.c counts in an int: no entry fits
	}
	buf := make([]byte, size)
	for {
		if size == 0 {
			return fails(syscall.EINVAL)
		}
		length, err := kernel.Getdents(fd, buf)
		if err != nil {
			return n.failed(err)
		}
		if length == 0 {
			return returns(0)
		}
		var out []byte
		var ends []listEnd
		for rest := buf[:length]; len(rest) >= direntHead; {
			e, size, ok := decodeEntry(rest)
			if !ok {
				break
			}
			rest = rest[size:]
			if n.listed(dir, e.name) {
				out = encode(n, out, e)
				ends = append(ends, listEnd{len(out), int64(e.offset)})
			}
		}
		if len(out) == 0 {
			continue
		}
		return n.put(fd, out, ends)
	}
}

// listEnd is where an entry ends in what is returned, and in the directory.
type listEnd struct {
	at     int
	offset int64
}

// put writes the entries; if not all of them have room in the caller's memory,
// those that have, and the directory is read on from there.
func (n *notice) put(fd int, out []byte, ends []listEnd) reply {
	for whole := len(ends); whole > 0; whole-- {
		end := ends[whole-1]
		switch err := n.write(1, out[:end.at]); {
		case err == syscall.EFAULT && whole > 1:
			continue
		case err != nil:
			return n.failed(err)
		case whole < len(ends):
			if err := kernel.SeekTo(fd, end.offset); err != nil {
				return n.failed(err)
			}
		}
		return returns(int64(end.at))
	}
	return fails(syscall.EFAULT)
}

func decodeEntry(text []byte) (e entry, size int, ok bool) {
	size = int(binary.NativeEndian.Uint16(text[16:]))
	if size < direntHead || size > len(text) {
		return e, 0, false
	}
	e.inode, e.offset, e.kind = binary.NativeEndian.Uint64(text), binary.NativeEndian.Uint64(text[8:]), text[18]
	e.name = text[direntHead:size]
	if end := bytes.IndexByte(e.name, 0); end >= 0 {
		e.name = e.name[:end]
	}
	return e, size, true
}

// listed says whether the entry is to be seen. Denials are recorded.
func (n *notice) listed(dir string, name []byte) bool {
	if len(name) > 0 && name[0] == '.' && (len(name) == 1 || len(name) == 2 && name[1] == '.') {
		return true
	}
	at := dir + "/" + string(name)
	if dir == "/" {
		at = "/" + string(name)
	}
	return n.allow(at, policy.List) == 0
}

// encodeDirent64 is struct linux_dirent64.
func encodeDirent64(_ *notice, out []byte, e entry) []byte {
	size := (direntHead + len(e.name) + 1 + 7) &^ 7
	at := len(out)
	out = append(out, make([]byte, size)...)
	binary.NativeEndian.PutUint64(out[at:], e.inode)
	binary.NativeEndian.PutUint64(out[at+8:], e.offset)
	binary.NativeEndian.PutUint16(out[at+16:], uint16(size))
	out[at+18] = e.kind
	copy(out[at+direntHead:], e.name)
	return out
}

// encodeDirent is struct linux_dirent: of longs, and with the type in its last
// byte (fs/readdir.c, filldir).
func encodeDirent(n *notice, out []byte, e entry) []byte {
	word := 8
	if n.Arch == kernel.ArchCompat {
		word = 4
	}
	size := (2*word + 2 + len(e.name) + 2 + word - 1) &^ (word - 1)
	at := len(out)
	out = append(out, make([]byte, size)...)
	if word == 8 {
		binary.NativeEndian.PutUint64(out[at:], e.inode)
		binary.NativeEndian.PutUint64(out[at+8:], e.offset)
	} else {
		binary.NativeEndian.PutUint32(out[at:], uint32(e.inode))
		binary.NativeEndian.PutUint32(out[at+4:], uint32(e.offset))
	}
	binary.NativeEndian.PutUint16(out[at+2*word:], uint16(size))
	copy(out[at+2*word+2:], e.name)
	out[at+size-1] = e.kind
	return out
}
