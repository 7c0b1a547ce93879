// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import "syd/syd/kernel"

// The forms in which calls answer are the native ones: there is no other ABI.

// encodeStat is struct stat (uapi asm-generic/stat.h).
func encodeStat(_ *notice, st *kernel.Stat) ([]byte, error) { return kernel.Bytes(st), nil }

// encodeStat64 is for calls that 32-bit ABIs have.
var encodeStat64 = encodeStat

// encodeStatfs is struct statfs (uapi asm-generic/statfs.h).
func encodeStatfs(_ *notice, fs *kernel.Statfs, _ int) ([]byte, error) { return kernel.Bytes(fs), nil }
