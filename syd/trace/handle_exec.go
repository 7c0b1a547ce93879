// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"bytes"
	"fmt"
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

func (t *Tracer) enterExec(c call, lookup kernel.Lookup, pathAddr uint64) resume {
	j := t.judge
	return t.ask(c.Event, func() answer { return j.exec(c, lookup, pathAddr) }, denied)
}

// exec checks the file and, of a script, each interpreter in turn. The kernel
// resolves the path again: image judges what it came to.
func (j judge) exec(c call, lookup kernel.Lookup, pathAddr uint64) answer {
	path, err := kernel.ReadString(c.TID, pathAddr, kernel.PathMax)
	if err != nil {
		return fail(err)
	}
	view := kernel.View{TID: c.TID}
	for depth := 0; ; depth++ {
		if depth > scriptDepth {
			return answer{resume: cont, errno: syscall.ELOOP}
		}
		interpreter, a, granted := j.file(c, view, path, lookup)
		if !granted || interpreter == "" {
			return a
		}
		path, lookup = interpreter, kernel.Lookup{DirFD: kernel.AtFDCWD}
	}
}

// file judges one file of an exec and returns the interpreter that it names, if
// it is a script.
func (j judge) file(c call, view kernel.View, path string, lookup kernel.Lookup) (interpreter string, a answer, granted bool) {
	o, err := view.Resolve(path, lookup)
	if err != nil {
		return "", fail(err), false
	}
	defer o.Close()
	if a, granted = j.object(c, o); !granted {
		return "", a, false
	}
	if j.guard.suspended(o.Path) {
		j.recordSuspended(c, o)
		return "", denied, false
	}
	if !o.IsRegular() {
		return "", a, true // the kernel refuses it, with the errno that fits
	}
	head := make([]byte, scriptHead)
	n, err := o.ReadHead(head)
	if err != nil {
		j.recordUnread(c, o, err)
		return "", denied, false
	}
	return interpreterOf(head[:n]), a, true
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

// handleExec has the image looked at that really runs, before its first
// instruction.
func (t *Tracer) handleExec(e Event) resume {
	former, r, ok := t.eventMessage(e)
	if !ok {
		return r
	}
	if kernel.Dying(e.TID) {
		former = uint64(e.TID) // what was read is no TID
	}
	t.cache.exec(e.TID, int(former))
	if t.receivers != nil {
		t.receivers.unseen.forget(e.TID) // the former leader's, whose death nobody reaps
		t.receivers.unseen.forget(int(former))
	}
	if t.isEldest(e.TID) && !t.executed {
		t.executed = true
		t.lock(policy.LockUnset, policy.LockOn)
		t.eldest.Executed()
	}
	if !t.policy().Enabled(policy.Exec) {
		return cont
	}
	j := t.judge
	return t.ask(e, func() answer { return j.image(e.TID) }, answer{resume: kill})
}

// image judges what runs by the file's identity. What the entry check allowed is
// allowed here; anything else won a race against it.
func (j judge) image(tid int) answer {
	image, err := kernel.Executable(tid)
	switch {
	case err == syscall.ESRCH, err == syscall.ENOENT:
		return answer{resume: kill} // dying, or without an image: nothing to run unjudged
	case err != nil:
		return answer{fault: fmt.Errorf("/proc/PID/exe: %w", err)}
	}
	defer image.Close()
	action := j.policy().Decide(policy.Request{Category: policy.Exec, Path: image.Path, Unnamed: image.Deleted})
	if action.Allows() && !j.guard.suspended(image.Path) {
		return answer{resume: cont} // a warning was written at entry
	}
	j.record(tid, policy.Kill, policy.Exec, "exec", image)
	return answer{resume: kill}
}

func (j judge) recordSuspended(c call, o kernel.Object) {
	note(j.log, c.TID, audit.Record{
		Level: audit.Warn, Ctx: "segvguard", Cap: policy.Exec.String(), Act: policy.Deny.String(),
		Sys: c.row.name, Path: o.Path,
		Msg: "it crashed too often and is suspended", Tip: "configure `segvguard/expiry:0'",
	})
}

func (j judge) recordUnread(c call, o kernel.Object, err error) {
	note(j.log, c.TID, audit.Record{
		Level: audit.Warn, Ctx: "access", Cap: policy.Exec.String(), Act: policy.Deny.String(),
		Sys: c.row.name, Path: o.Path, Msg: fmt.Sprintf("it can't be read, so it can't be checked: %v", err),
	})
}
