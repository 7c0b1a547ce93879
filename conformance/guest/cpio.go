// SPDX-License-Identifier: GPL-3.0-or-later

package guest

import (
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
)

// An entry is one file of the initial file system: a directory, a link to
// target, a device, or a file with data or with what source holds.
type entry struct {
	mode   uint32 // as in stat(2), with the type
	data   []byte
	source string // a file of the host
	major  uint32 // of a character device
	minor  uint32
}

// Types of files in entry.mode.
const (
	typeDir  = 0o040000
	typeFile = 0o100000
	typeLink = 0o120000
	typeChar = 0o020000
)

// A tree is the initial file system by absolute path.
type tree map[string]entry

// put adds an entry and the directories above it.
func (t tree) put(name string, e entry) {
	for dir := path.Dir(name); dir != "/"; dir = path.Dir(dir) {
		if _, ok := t[dir]; !ok {
			t[dir] = entry{mode: typeDir | 0o755}
		}
	}
	t[name] = e
}

// write writes the tree as an archive of cpio's "newc" form, sorted, so that a
// directory comes before what is in it (Documentation/driver-api/early-userspace/buffer-format.rst).
func (t tree) write(w io.Writer) error {
	var names []string
	for name := range t {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		if err := writeEntry(w, i+1, strings.TrimPrefix(name, "/"), t[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return writeEntry(w, 0, "TRAILER!!!", entry{})
}

func writeEntry(w io.Writer, inode int, name string, e entry) error {
	data := e.data
	if e.source != "" {
		var err error
		if data, err = os.ReadFile(e.source); err != nil {
			return err
		}
	}
	links := 1
	if e.mode&typeDir == typeDir {
		links = 2
	}
	// Magic, inode, mode, owner, group, links, time, size, device of the file
	// system, device, length of the name with its end, checksum (unused).
	header := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		inode, e.mode, 0, 0, links, 0, len(data), 0, 0, e.major, e.minor, len(name)+1, 0)
	for _, part := range []string{pad(header + name + "\x00"), pad(string(data))} {
		if _, err := io.WriteString(w, part); err != nil {
			return err
		}
	}
	return nil
}

// pad fills up to the next multiple of four bytes.
func pad(s string) string { return s + strings.Repeat("\x00", -len(s)&3) }
