// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"syscall"

	"syd/syd/filter"
	"syd/syd/kernel"
)

// A file that may only grow is opened with O_APPEND and for writing alone. What
// is asked of its descriptor later is asked of a copy, which can't become another
// file meanwhile.

const rwfNoAppend = 0x20 // uapi linux/fs.h: RWF_NOAPPEND, Linux 6.9

// setFlags are calls of fcntl(2) with F_SETFL.
var setFlags = []filter.Condition{{Arg: 1, Mask: 0xffffffff, Value: syscall.F_SETFL}}

// borrowed has do work on a copy of the caller's descriptor, unless that is of an
// append-only file and spoils says that the call would do more than append.
func (n *notice) borrowed(spoils bool, do func(fd int) error) reply {
	fd, err := kernel.Borrow(n.tid, n.arg(0))
	if err == nil && !n.waits() {
		kernel.Close(fd)
		err = errGone
	}
	if err != nil {
		return n.failed(err)
	}
	defer kernel.Close(fd)
	if spoils {
		path, err := kernel.PathOf(fd)
		if err != nil {
			return n.failed(err)
		}
		if n.p.AppendOnly(path) {
			return fails(syscall.EPERM)
		}
	}
	return n.ended(do(fd))
}

// emulateSetFlags is fcntl(2), F_SETFL: flags belong to the open file, which the
// copy is of, too.
func emulateSetFlags(n *notice) reply {
	flags := n.arg(2)
	return n.borrowed(flags&oAppend == 0, func(fd int) error { return kernel.SetFlags(fd, flags) })
}

// emulateFallocate is fallocate(2): whatever it does but to lengthen a file is no
// appending. On 32-bit ABIs offset and length have two registers each.
func emulateFallocate(n *notice) reply {
	mode, offset, length := uint32(n.Args[1]), int64(n.Args[2]), int64(n.Args[3])
	if n.Arch == kernel.ArchCompat {
		offset = int64(uint64(uint32(n.Args[2])) | n.Args[3]<<32)
		length = int64(uint64(uint32(n.Args[4])) | n.Args[5]<<32)
	}
	return n.borrowed(true, func(fd int) error { return kernel.Allocate(fd, mode, offset, length) })
}
