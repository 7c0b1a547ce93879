// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import "strings"

// Category is a kind of thing that a program does and a policy decides on.
type Category uint8

// The categories. The zero value is invalid.
const (
	Walk     Category = iota + 1 // passing through a directory or a symlink on the way to a file
	List                         // seeing a name in a directory that is read
	Stat                         // looking at a file's metadata
	Read                         // opening for reading; reading extended attributes
	Write                        // opening for writing
	Exec                         // executing a file
	Ioctl                        // requests to a device
	Create                       // making a regular file
	Delete                       // unlinking what is no directory
	Rename                       // renaming and hard-linking
	Symlink                      // making a symlink
	Truncate                     // changing a file's size
	Chdir                        // changing the working directory
	Readdir                      // opening a directory
	Mkdir                        // making a directory
	Rmdir                        // removing one
	Chown                        // changing a file's owner
	Chgrp                        // changing its group
	Chmod                        // changing its mode
	Chattr                       // setting and removing extended attributes
	Chroot                       // changing the root directory
	Utime                        // setting a file's times
	Mkbdev                       // making a block device
	Mkcdev                       // making a character device
	Mkfifo                       // making a FIFO
	Mktemp                       // opening a file that has no name (O_TMPFILE)
	PID                          // one task more than pid/max
	NumCategories
)

// Lists of patterns that are no categories share a policy's list of rules.
const (
	maskList   = NumCategories + iota // mask+PATTERN
	appendList                        // append+PATTERN
)

var categoryNames = [...]string{
	Walk: "walk", List: "list", Stat: "stat", Read: "read", Write: "write", Exec: "exec", Ioctl: "ioctl",
	Create: "create", Delete: "delete", Rename: "rename", Symlink: "symlink", Truncate: "truncate", Chdir: "chdir",
	Readdir: "readdir", Mkdir: "mkdir", Rmdir: "rmdir", Chown: "chown", Chgrp: "chgrp", Chmod: "chmod",
	Chattr: "chattr", Chroot: "chroot", Utime: "utime", Mkbdev: "mkbdev", Mkcdev: "mkcdev", Mkfifo: "mkfifo",
	Mktemp: "mktemp", PID: "pid",
	maskList: "mask", appendList: "append",
}

func (c Category) String() string { return categoryNames[c] }

// categories is a set of them.
type categories uint64

const (
	everything = categories(1)<<NumCategories - 2
	paths      = everything &^ (1 << PID)
)

func (s categories) has(c Category) bool { return s>>c&1 != 0 }

func (s *categories) put(c Category, in bool) {
	*s &^= 1 << c
	if in {
		*s |= 1 << c
	}
}

// each yields the members in order.
func (s categories) each(yield func(Category) bool) {
	for c := Walk; c <= appendList; c++ {
		if s.has(c) && !yield(c) {
			return
		}
	}
}

// names are the members joined by commas; all of paths have a name together.
func (s categories) names() string {
	if s == paths {
		return groupAll
	}
	return strings.Join(s.list(), ",")
}

func (s categories) list() (names []string) {
	for c := range s.each {
		names = append(names, c.String())
	}
	return names
}

// groupAll is every category of paths.
const groupAll = "all"

// named is the categories that name means.
func named(name string) (s categories, ok bool) {
	if name == groupAll {
		return paths, true
	}
	c, ok := lookup(categoryNames[:NumCategories], name)
	return 1 << c, ok
}
