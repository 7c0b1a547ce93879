// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"bytes"
	"strings"
	"syscall"

	"syd/syd/audit"
	"syd/syd/kernel"
	"syd/syd/policy"
)

const (
	// scriptHead is how much of a file the kernel looks at for `#!`
	// (uapi linux/binfmts.h, BINPRM_BUF_SIZE, since Linux 5.1).
	scriptHead = 256
	// scriptDepth is how many interpreters in a row it follows (fs/exec.c,
	// exec_binprm).
	scriptDepth = 5
)

func enterExecve(t *Tracer, c call) resume {
	return t.enterExec(c, kernel.Lookup{DirFD: kernel.AtFDCWD}, c.info.Args[0])
}

func enterExecveat(t *Tracer, c call) resume {
	flags := uint32(c.info.Args[4])
	if flags&^(kernel.AtEmptyPath|kernel.AtSymlinkNofollow|kernel.AtExecveCheck) != 0 {
		return t.skip(c, syscall.EINVAL)
	}
	return t.enterExec(c, kernel.Lookup{
		DirFD:    int(int32(c.info.Args[0])),
		Empty:    flags&kernel.AtEmptyPath != 0,
		NoFollow: flags&kernel.AtSymlinkNofollow != 0,
	}, c.info.Args[1])
}

// enterExec checks the file and, of a script, each interpreter in turn. The
// kernel resolves the path again: handleExec judges what it came to.
func (t *Tracer) enterExec(c call, lookup kernel.Lookup, pathAddr uint64) resume {
	path, err := kernel.ReadString(c.TID, pathAddr, kernel.PathMax)
	if err != nil {
		return t.fail(c, err)
	}
	view := kernel.View{TID: c.TID}
	for depth := 0; ; depth++ {
		if depth > scriptDepth {
			return t.skip(c, syscall.ELOOP)
		}
		interpreter, r, granted := t.checkImage(c, view, path, lookup)
		if !granted || interpreter == "" {
			return r
		}
		path, lookup = interpreter, kernel.Lookup{DirFD: kernel.AtFDCWD}
	}
}

// checkImage judges one file of an exec and returns the interpreter that it
// names, if it is a script.
func (t *Tracer) checkImage(c call, view kernel.View, path string, lookup kernel.Lookup) (interpreter string, r resume, granted bool) {
	o, err := view.Resolve(path, lookup)
	if err != nil {
		return "", t.fail(c, err), false
	}
	defer o.Close()
	if r, granted := t.judge(c, o); !granted {
		return "", r, false
	}
	if t.guard.suspended(o.Path) {
		t.recordSuspended(c, o)
		return "", t.skip(c, syscall.EACCES), false
	}
	if !o.IsRegular() {
		return "", cont, true // the kernel refuses it, with the errno that fits
	}
	head := make([]byte, scriptHead)
	n, err := o.ReadHead(head)
	if err != nil {
		return "", t.skip(c, syscall.EACCES), false // can't be checked
	}
	return interpreterOf(head[:n]), cont, true
}

// interpreterOf is the path after `#!`, as fs/binfmt_script.c reads it; empty
// when there is none, or when it may go on beyond the head: the kernel refuses
// that one (ENOEXEC).
func interpreterOf(head []byte) string {
	line, ok := bytes.CutPrefix(head, []byte("#!"))
	if !ok {
		return ""
	}
	ends := len(head) < scriptHead // with the file, if with nothing else
	if end := bytes.IndexAny(line, "\n\x00"); end >= 0 {
		line, ends = line[:end], true
	}
	name := strings.TrimLeft(string(line), " \t")
	if end := strings.IndexAny(name, " \t"); end >= 0 {
		name, ends = name[:end], true
	}
	if !ends {
		return ""
	}
	return name
}

// handleExec looks at the image that really runs, by the file's identity,
// before its first instruction. What the entry check allowed is allowed here;
// anything else won a race against it.
func (t *Tracer) handleExec(e Event) resume {
	former, r, ok := t.eventMessage(e)
	if !ok {
		return r
	}
	if kernel.Dying(e.TID) {
		former = uint64(e.TID) // what was read is no TID
	}
	t.cache.exec(e.TID, int(former))
	if t.isEldest(e.TID) && !t.executed {
		t.executed = true
		t.eldest.Executed()
	}
	if !t.policy.Enabled(policy.Exec) {
		return cont
	}
	image, err := kernel.Executable(e.TID)
	switch {
	case err == syscall.ESRCH, err == syscall.ENOENT:
		return kill // dying, or without an image: nothing to run unjudged
	case err != nil:
		return t.fault(e, "/proc/PID/exe", err)
	}
	defer image.Close()
	action := t.policy.Decide(policy.Request{Category: policy.Exec, Path: image.Path, Unnamed: image.Deleted})
	if action.Allows() && !t.guard.suspended(image.Path) {
		return cont // a warning was written at entry
	}
	t.record(e.TID, policy.Kill, policy.Exec, "exec", image)
	return kill
}

func (t *Tracer) recordSuspended(c call, o kernel.Object) {
	t.log.Write(audit.Record{
		Level: audit.Warn, Ctx: "segvguard", Cap: policy.Exec.String(), Act: policy.Deny.String(),
		Sys: c.row.name, Path: o.Path, PID: c.TID, Cmd: kernel.CommandLine(c.TID),
		Msg: "it crashed too often and is suspended", Tip: "configure `segvguard/expiry:0'",
	})
}
