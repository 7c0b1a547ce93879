// SPDX-License-Identifier: GPL-3.0-or-later

package syd

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"

	"syd/syd/filter"
	"syd/syd/kernel"
)

// unguarded are functions that make a guarded call without its cookies, or may.
var unguarded = map[string][]string{
	"unix": {"Kill", "Dup2", "Dup3", "Umask", "MemfdCreate", "Unshare", "Setfsuid", "Setfsgid", "Setgroups", "Capset",
		"Mkdir", "Mkdirat", "Mknod", "Mknodat", "Mkfifo", "Mkfifoat", "Link", "Linkat", "Symlink", "Symlinkat", "Unlink", "Unlinkat", "Rmdir",
		"Rename", "Renameat", "Renameat2", "Chmod", "Fchmod", "Fchmodat", "Chown", "Lchown", "Fchown", "Fchownat", "Utimes", "UtimesNano", "UtimesNanoAt",
		"Truncate", "Ftruncate", "Setxattr", "Lsetxattr", "Fsetxattr", "Removexattr", "Lremovexattr", "Fremovexattr",
		"Getxattr", "Lgetxattr", "Fgetxattr", "Listxattr", "Llistxattr", "Flistxattr", "InotifyAddWatch",
		"Open", "Openat", "Openat2", "Close", "CloseRange", "Write", "Pwrite", "Writev", "PidfdOpen", "PidfdGetfd", "PidfdSendSignal",
		"Faccessat2", "Getdents", "ReadDirent", "Execveat", "Socket", "Bind", "Accept4", "Sendfile", "Sendmsg", "Recvmsg",
		"PtraceAttach", "PtraceSeize", "PtraceCont", "PtraceSyscall", "PtraceGetRegs", "PtraceSetRegs", "PtracePeekData", "PtracePokeData"},
	"os": {"Mkdir", "MkdirAll", "Link", "Symlink", "Remove", "RemoveAll", "Rename", "Chmod", "Chown", "Lchown", "Chtimes", "Truncate",
		"Open", "OpenFile", "Create", "ReadFile", "WriteFile", "ReadDir", "OpenRoot", "NewProcess", "FindProcess", "StartProcess"},
}

// TestGuardedCallsHaveOneWay: each guarded call is made in one place, and nobody
// makes it through a library.
func TestGuardedCallsHaveOneWay(t *testing.T) {
	numbers := map[string][]string{} // SYS_ constants, by where they stand
	inspect := func(set *token.FileSet, n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		pkg, ok := s.X.(*ast.Ident)
		if !ok {
			return true
		}
		at := set.Position(s.Pos()).String()
		library := pkg.Name
		if library == "syscall" {
			library = "unix"
		}
		if slices.Contains(unguarded[library], s.Sel.Name) {
			t.Errorf("%s: %s.%s makes a guarded call without cookies", at, pkg.Name, s.Sel.Name)
		}
		if name, ok := strings.CutPrefix(s.Sel.Name, "SYS_"); ok {
			numbers[strings.ToLower(name)] = append(numbers[strings.ToLower(name)], at)
		}
		return true
	}
	eachSource(t, func(set *token.FileSet, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool { return inspect(set, n) })
	})
	for name, places := range numbers {
		guarded := false
		kernel.Registers(name, func(uint, int) { guarded = true })
		switch {
		case !guarded:
		case name == "ptrace" && len(places) == 2: // by value and by pointer, side by side
		case name == "ioctl" && len(places) == 2: // likewise
		case name == "seccomp" && len(places) == 2: // the question of --check
		case len(places) != 1:
			t.Errorf("%s is made in %q", name, places)
		}
	}
	for _, r := range filter.Roles() {
		for _, row := range filter.Rules(r, filter.Options{Emulate: true}) {
			if row.Guarded && !row.Argued && len(numbers[row.Syscall]) == 0 {
				t.Errorf("%s: %s is allowed with cookies, and nobody makes it", r, row.Syscall)
			}
		}
	}
}
