// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"strings"

	"golang.org/x/sys/unix"
)

// maxClimb bounds the way up from a directory whose path is too long to be told:
// each component has two bytes at least.
const maxClimb = 64 << 10

// longPath is the path of directory fd, which has more than PATH_MAX bytes, so
// that the kernel doesn't tell it: the way up, name by name, to a directory whose
// path it does tell.
func longPath(fd int) (string, error) {
	var names []string
	cur, err := duplicate(fd)
	if err != nil {
		return "", err
	}
	defer func() { Close(cur) }()
	for range maxClimb {
		if text, err := shortText(cur); err == nil {
			for i := len(names) - 1; i >= 0; i-- {
				text = below(text, names[i])
			}
			return text, nil
		}
		above, err := openat2(cur, "..", unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC})
		if err != nil {
			return "", err
		}
		name, err := nameIn(above, cur)
		Close(cur)
		cur = above
		if err != nil {
			return "", err
		}
		names = append(names, name)
	}
	return "", unix.ENAMETOOLONG
}

// nameIn is the name by which directory fd stands in above. A mount's root has
// another identity than the entry that it covers: such a path isn't told.
func nameIn(above, fd int) (string, error) {
	want, err := Fstat(fd)
	if err != nil {
		return "", err
	}
	for buf := make([]byte, 32<<10); ; {
		n, err := Getdents(above, buf)
		if err != nil {
			return "", err
		}
		if n == 0 {
			return "", unix.ENOENT
		}
		for rest := buf[:n]; len(rest) > 19; {
			size := int(rest[16]) | int(rest[17])<<8
			if size < 19 || size > len(rest) {
				return "", unix.EIO
			}
			name, _, _ := strings.Cut(string(rest[19:size]), "\x00")
			rest = rest[size:]
			if name == "." || name == ".." {
				continue
			}
			var st Stat
			if unix.Fstatat(above, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Dev == want.Dev && st.Ino == want.Ino {
				return name, nil
			}
		}
	}
}
