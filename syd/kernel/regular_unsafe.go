// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Regular is a regular file that was read, and what the descriptor said of it.
type Regular struct {
	Content  []byte
	Identity Identity
	Mode     uint32
	UID      uint32
}

// Why ReadRegular reads no more, beside the errno of a call.
var (
	ErrNotRegular = errors.New("not a regular file")
	ErrTooLong    = errors.New("longer than allowed")
)

// ReadRegular reads a regular file of at most max bytes. What it says of the
// file holds for the descriptor that the content came from. It may sleep.
func ReadRegular(path string, max int) (Regular, error) {
	// Neither a FIFO nor a terminal line makes us wait, and no terminal becomes ours.
	fd, err := openat2(unix.AT_FDCWD, path, unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY,
	})
	if err != nil {
		return Regular{}, err
	}
	defer Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return Regular{}, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return Regular{}, ErrNotRegular
	}
	content, err := ReadUpTo(fd, max)
	return Regular{content, Identity{st.Dev, st.Ino}, st.Mode, st.Uid}, err
}

// CreateRegular makes or empties a regular file, to be written to; the descriptor
// is the caller's.
func CreateRegular(path string) (int, error) {
	fd, err := openat2(unix.AT_FDCWD, path, unix.OpenHow{
		Flags: unix.O_WRONLY | unix.O_CREAT | unix.O_TRUNC | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY, Mode: 0o644,
	})
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		Close(fd)
		return -1, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		Close(fd)
		return -1, ErrNotRegular
	}
	return fd, nil
}

// ReadUpTo reads fd to its end. EINTR: it slept, and was interrupted; what it had
// read by then is returned, and can't be read again.
func ReadUpTo(fd, max int) ([]byte, error) {
	content := make([]byte, 0, 4096)
	for {
		if len(content) == cap(content) {
			content = append(content, 0)[:len(content)]
		}
		n, err := unix.Read(fd, content[len(content):cap(content)])
		switch {
		case err != nil:
			return content, err
		case n == 0:
			return content, nil
		case len(content)+n > max:
			return nil, ErrTooLong
		default:
			content = content[:len(content)+n]
		}
	}
}

// ReadOnlyFile makes an anonymous file of text that nobody can write to, and that
// can't be executed where the kernel knows to say so (MFD_NOEXEC_SEAL, Linux
// 6.3). The descriptor, for reading, is the caller's.
func ReadOnlyFile(name string, text []byte) (int, error) {
	const noExecSeal = 0x8
	fd, err := memfd(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|noExecSeal)
	if err == unix.EINVAL {
		fd, err = memfd(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return -1, err
	}
	defer Close(fd)
	if _, err := WriteAll(fd, text); err != nil {
		return -1, err
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return -1, err
	}
	return openat2(unix.AT_FDCWD, ownFD(fd), unix.OpenHow{Flags: unix.O_RDONLY | unix.O_CLOEXEC})
}
