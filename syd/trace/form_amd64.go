// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"encoding/binary"
	"math"
	"syscall"

	"syd/syd/kernel"
)

// The forms in which calls answer. Those of 32-bit programs are narrower, and say
// EOVERFLOW where something doesn't fit.

// form is a structure under construction.
type form struct {
	out      []byte
	overflow bool
}

func (f *form) u16(v uint64) {
	f.narrow(v, math.MaxUint16)
	f.out = binary.NativeEndian.AppendUint16(f.out, uint16(v))
}
func (f *form) u32(v uint64) {
	f.narrow(v, math.MaxUint32)
	f.out = binary.NativeEndian.AppendUint32(f.out, uint32(v))
}
func (f *form) u64(v uint64) { f.out = binary.NativeEndian.AppendUint64(f.out, v) }
func (f *form) pad(n int)    { f.out = append(f.out, make([]byte, n)...) }

func (f *form) narrow(v, limit uint64) { f.overflow = f.overflow || v > limit }

// id16 is a user or group ID that has 16 bits (include/linux/highuid.h).
func (f *form) id16(id uint32) {
	if id > math.MaxUint16 {
		id = 65534
	}
	f.u16(uint64(id))
}

func (f *form) done() ([]byte, error) {
	if f.overflow {
		return nil, syscall.EOVERFLOW
	}
	return f.out, nil
}

// encodeStat is struct stat (asm/stat.h), for 32-bit programs struct compat_stat
// (asm/compat.h).
func encodeStat(n *notice, st *kernel.Stat) ([]byte, error) {
	if n.Arch != kernel.ArchCompat {
		return kernel.Bytes(st), nil
	}
	var f form
	f.u32(st.Dev)
	f.u32(st.Ino)
	f.u16(uint64(st.Mode))
	f.u16(st.Nlink)
	f.id16(st.Uid)
	f.id16(st.Gid)
	f.u32(st.Rdev)
	f.narrow(uint64(st.Size), math.MaxInt32)
	f.u32(uint64(st.Size))
	f.u32(uint64(st.Blksize))
	f.u32(uint64(st.Blocks))
	f.times(st)
	f.pad(8)
	return f.done()
}

// encodeStat64 is struct stat64 of 32-bit programs, packed (asm/stat.h).
func encodeStat64(_ *notice, st *kernel.Stat) ([]byte, error) {
	var f form
	f.u64(st.Dev)
	f.pad(4)
	f.out = binary.NativeEndian.AppendUint32(f.out, uint32(st.Ino))
	f.u32(uint64(st.Mode))
	f.u32(st.Nlink)
	f.u32(uint64(st.Uid))
	f.u32(uint64(st.Gid))
	f.u64(st.Rdev)
	f.pad(4)
	f.u64(uint64(st.Size))
	f.u32(uint64(st.Blksize))
	f.u64(uint64(st.Blocks))
	f.times(st)
	f.u64(st.Ino)
	return f.done()
}

// times cuts seconds to 32 bits, as the kernel does.
func (f *form) times(st *kernel.Stat) {
	for _, t := range []syscall.Timespec{{Sec: st.Atim.Sec, Nsec: st.Atim.Nsec}, {Sec: st.Mtim.Sec, Nsec: st.Mtim.Nsec}, {Sec: st.Ctim.Sec, Nsec: st.Ctim.Nsec}} {
		f.out = binary.NativeEndian.AppendUint32(f.out, uint32(t.Sec))
		f.out = binary.NativeEndian.AppendUint32(f.out, uint32(t.Nsec))
	}
}

// encodeStatfs is struct statfs, for 32-bit programs struct compat_statfs or, if
// the buffer is the third argument, struct compat_statfs64 (asm/compat.h).
func encodeStatfs(n *notice, fs *kernel.Statfs, buf int) ([]byte, error) {
	if n.Arch != kernel.ArchCompat {
		return kernel.Bytes(fs), nil
	}
	var f form
	wide := f.u32
	f.u32(uint64(uint32(fs.Type)))
	f.u32(uint64(fs.Bsize))
	if buf == 2 {
		if size := uint32(n.Args[1]); size != 84 {
			return nil, syscall.EINVAL
		}
		wide = f.u64
	}
	for _, v := range []uint64{fs.Blocks, fs.Bfree, fs.Bavail, fs.Files, fs.Ffree} {
		if buf != 2 && v == math.MaxUint64 {
			v = math.MaxUint32
		}
		wide(v)
	}
	f.u32(uint64(uint32(fs.Fsid.Val[0])))
	f.u32(uint64(uint32(fs.Fsid.Val[1])))
	f.u32(uint64(fs.Namelen))
	f.u32(uint64(fs.Frsize))
	f.u32(uint64(fs.Flags))
	f.pad(16)
	return f.done()
}
