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
	content, err := readUpTo(fd, max)
	return Regular{content, Identity{st.Dev, st.Ino}, st.Mode, st.Uid}, err
}

// readUpTo reads fd to its end.
func readUpTo(fd, max int) ([]byte, error) {
	content := make([]byte, 0, 4096)
	for {
		if len(content) == cap(content) {
			content = append(content, 0)[:len(content)]
		}
		n, err := unix.Read(fd, content[len(content):cap(content)])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, err
		case n == 0:
			return content, nil
		case len(content)+n > max:
			return nil, ErrTooLong
		default:
			content = content[:len(content)+n]
		}
	}
}
