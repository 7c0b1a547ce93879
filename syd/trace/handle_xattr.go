// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"syscall"

	"syd/syd/kernel"
	"syd/syd/policy"
)

// maxAttribute bounds names and values of extended attributes (uapi
// linux/limits.h: XATTR_NAME_MAX, XATTR_SIZE_MAX, XATTR_LIST_MAX).
const (
	maxAttributeName = 255
	maxAttribute     = 65536
)

// emulateGetxattr makes getxattr(2) and its like: name and value follow path.
func emulateGetxattr(w where, name int) func(*notice) reply {
	return func(n *notice) reply {
		attribute, err := n.attributeLooked(name)
		if err != nil {
			return n.imported(w, policy.Read, err)
		}
		return n.attributes(w, name+1, func(p *kernel.Place, buf []byte) (int, error) { return p.GetXattr(attribute, buf) })
	}
}

// attributeLooked reads the name of one for a call that changes nothing.
func (n *notice) attributeLooked(arg int) (string, error) {
	text, err := kernel.ReadString(n.tid, n.pointer(arg), maxAttributeName+1)
	if err == syscall.ENAMETOOLONG || err == nil && text == "" {
		return "", syscall.ERANGE
	}
	return text, err
}

// emulateListxattr makes listxattr(2) and its like.
func emulateListxattr(w where, list int) func(*notice) reply {
	return func(n *notice) reply {
		return n.attributes(w, list, (*kernel.Place).ListXattr)
	}
}

// attributes answers with what get finds: buffer and size are arguments buf and
// the next.
func (n *notice) attributes(w where, buf int, get func(*kernel.Place, []byte) (int, error)) reply {
	size := n.Args[buf+1]
	if n.Arch == kernel.ArchCompat {
		size = uint64(uint32(size))
	}
	return n.file(w, policy.Read, func(p *kernel.Place) reply {
		value := make([]byte, min(size, maxAttribute))
		length, err := get(p, value)
		if err != nil {
			return n.failed(err)
		}
		if size == 0 {
			return returns(int64(length))
		}
		return puts(buf, value[:length], int64(length))
	})
}

// emulateSetxattr sets an attribute: name, value, size and flags follow path.
func emulateSetxattr(w where, name int) func(*notice) reply {
	return func(n *notice) reply {
		attribute, value, err := n.newAttribute(name)
		if err != nil {
			return n.imported(w, policy.Chattr, err)
		}
		return n.file(w, policy.Chattr, func(p *kernel.Place) reply {
			return n.ended(p.SetXattr(attribute, value, n.arg(name+3)))
		})
	}
}

func emulateRemovexattr(w where, name int) func(*notice) reply {
	return func(n *notice) reply {
		attribute, err := n.attribute(name)
		if err != nil {
			return n.imported(w, policy.Chattr, err)
		}
		return n.file(w, policy.Chattr, func(p *kernel.Place) reply { return n.ended(p.RemoveXattr(attribute)) })
	}
}

// newAttribute reads the name and the value of one that is to be set.
func (n *notice) newAttribute(name int) (attribute string, value []byte, err error) {
	if n.arg(name+3)&^3 != 0 { // XATTR_CREATE, XATTR_REPLACE
		return "", nil, syscall.EINVAL
	}
	if attribute, err = n.attribute(name); err != nil {
		return "", nil, err
	}
	size := n.Args[name+2]
	if n.Arch == kernel.ArchCompat {
		size = uint64(uint32(size))
	}
	if size > maxAttribute {
		return "", nil, syscall.E2BIG
	}
	value = make([]byte, size)
	return attribute, value, n.read(name+1, value)
}

// lookingFirst are the rows of calls on extended attributes for which this kernel looks
// for the file before it looks at the other arguments.
func lookingFirst(rows numbers) map[*row]bool {
	first := map[*row]bool{}
	for k, row := range rows {
		if row.attribute && k.arch == kernel.ArchNative {
			first[row] = kernel.FileFirst(uintptr(k.number), row.name[0] == 'f')
		}
	}
	return first
}

// imported is what becomes of a call on extended attributes when one of its other
// arguments came to err: some kernels look for the file first.
func (n *notice) imported(w where, c policy.Category, err error) reply {
	if !n.fileFirst[n.row] {
		return n.failed(err)
	}
	return n.file(w, c, func(*kernel.Place) reply { return n.failed(err) })
}

// attribute reads the name of one.
func (n *notice) attribute(arg int) (string, error) {
	text, err := n.attributeLooked(arg)
	if err == nil && !n.waits() {
		return "", errGone
	}
	return text, err
}
