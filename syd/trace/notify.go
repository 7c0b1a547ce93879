// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"syd/syd/audit"
	"syd/syd/kernel"
	"syd/syd/kernel/signals"
)

const (
	// maxReceivers is how many threads there are at most: what tracees can have
	// blocked in calls at a time before the others wait.
	maxReceivers = 256
	// stuckAfter is the watch's tick: a call that takes longer gets its receiver
	// replaced, and is looked after.
	stuckAfter = 10 * time.Millisecond
	// idleTicks without a call end the watch until the next.
	idleTicks = 20
)

// receivers answer the system calls that wait on the sandbox's listener: source,
// decision and action of one call are one receiver's. A few of them receive at a
// time, since the kernel wakes them in turn; the others are parked, and take the
// place of one whose call blocks.
type receivers struct {
	judge
	listener  int
	rows      numbers
	start     func(func())  // runs a function on a thread of its own, which emulates
	interrupt func(tid int) // has a tracee look at its signals once it is answered
	unheard   func()        // the listener is about to be closed: let go of it
	leave     func(int)     // the sandbox ends with a status

	want int // how many receive at a time
	over atomic.Bool

	mu        sync.Mutex
	all       []*receiver
	receiving int
	parked    []*receiver

	watching atomic.Uint32 // 1: the watch ticks
	handled  atomic.Uint64 // calls so far, for the watch
}

// receiver is one thread.
type receiver struct {
	*receivers
	tid    atomic.Int32
	notice kernel.Notice
	call   notice
	buf    [256]byte // most paths are short
	// busy is odd while a call is handled; id and caller say which.
	busy   atomic.Uint64
	id     atomic.Uint64
	caller atomic.Int32
	// sleep says whether the thread may be interrupted.
	sleep sleep
	// signalled: its caller has a signal to handle.
	signalled atomic.Bool
	woken     atomic.Uint32 // 1: no longer parked

	left     atomic.Bool // it receives no more
	replaced bool        // under mu: another one has its place

	credentials kernel.Credentials
	watched     uint64 // by the watch: busy at its last tick
	ticks       int    // by the watch: for how many it has been the same
	abandoned   bool   // by the watch
}

// newReceivers makes them; run starts them.
func newReceivers(j judge, listener int, start func(func()), interrupt func(int), unheard func()) *receivers {
	return &receivers{
		judge: j, listener: listener, rows: numbersOf(wanted(j.policy(), true)), start: start, interrupt: interrupt, unheard: unheard,
		want: min(max(2, runtime.NumCPU()), 6),
	}
}

// run starts the receivers and their watch.
func (r *receivers) run() {
	kernel.WakeInStep(r.listener)
	r.mu.Lock()
	defer r.mu.Unlock()
	for range r.want {
		r.add()
	}
	r.start(r.watch)
}

// add starts a receiver that takes part. Preconditions: mu.
func (r *receivers) add() {
	w := &receiver{receivers: r}
	r.all = append(r.all, w)
	r.receiving++
	r.start(w.run)
}

// run is a receiver's life.
func (w *receiver) run() {
	if err := signals.OnlyInterruption(); err != nil {
		panic(fmt.Sprintf("receiver: rt_sigprocmask: %v", err))
	}
	if err := w.credentials.Own(); err != nil {
		panic(fmt.Sprintf("receiver: %v", err))
	}
	w.tid.Store(int32(kernel.ThreadID()))
	defer w.left.Store(true)
	for w.takesPart() {
		w.sleep.begin()
		err := w.notice.Receive(w.listener)
		w.sleep.end()
		switch err {
		case nil:
			if w.over.Load() {
				return // untouched: it ends with the listener
			}
			w.handle()
		case syscall.EINTR, syscall.ENOENT:
		default:
			if w.over.Load() {
				return
			}
			panic(fmt.Sprintf("SECCOMP_IOCTL_NOTIF_RECV: %v", err))
		}
	}
}

// takesPart parks the receiver while others have its place. false: it's over.
func (w *receiver) takesPart() bool {
	if w.over.Load() {
		return false
	}
	w.mu.Lock()
	if !w.replaced {
		w.mu.Unlock()
		return true
	}
	if w.receiving < w.want {
		w.replaced = false
		w.receiving++
		w.mu.Unlock()
		return true
	}
	w.woken.Store(0)
	w.parked = append(w.parked, w)
	w.mu.Unlock()
	for w.woken.Load() == 0 {
		kernel.FutexWait(&w.woken, 0, 0)
	}
	return !w.over.Load()
}

// replace has another receiver take the place of w. Any thread.
func (r *receivers) replace(w *receiver) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w.replaced || r.over.Load() {
		return
	}
	switch {
	case len(r.parked) > 0:
		last := len(r.parked) - 1
		spare := r.parked[last]
		r.parked = r.parked[:last]
		spare.replaced = false
		spare.woken.Store(1)
		kernel.FutexWake(&spare.woken)
	case len(r.all) < maxReceivers:
		r.receiving--
		r.add()
	default:
		return
	}
	w.replaced = true
}

// handle answers the call that was received.
func (w *receiver) handle() {
	w.id.Store(w.notice.ID)
	w.caller.Store(int32(w.notice.PID))
	w.signalled.Store(false)
	w.busy.Add(1)
	if w.watching.Load() == 0 && w.watching.CompareAndSwap(0, 1) {
		kernel.FutexWake(&w.watching)
	}
	w.answer(w.decide())
	w.handled.Add(1)
	w.busy.Add(1)
}

// decide emulates the call.
func (w *receiver) decide() reply {
	n := &w.call
	*n = notice{Notice: &w.notice, receiver: w, p: w.policy()}
	n.row = w.rows[syscallKey{n.Arch, uint64(uint32(n.Number))}]
	if n.row == nil || n.PID == 0 {
		return fails(syscall.ENOSYS) // nobody asked for it; or nobody that we could look at
	}
	n.tid = int(n.PID)
	r := n.row.emulate(n)
	if r.errno == 0 && len(r.out) > 0 {
		if err := n.write(r.to, r.out); err != nil {
			return n.failed(err)
		}
	}
	return r
}

// answer tells the kernel. That the caller died meanwhile is nobody's business.
func (w *receiver) answer(r reply) {
	id := w.notice.ID
	var err error
	switch {
	case r.gone:
		return
	case r.proceed:
		err = kernel.AnswerContinue(w.listener, id)
	case r.restart:
		if w.over.Load() {
			return // it has done nothing: ENOSYS
		}
		w.interrupt(int(w.notice.PID))
		err = kernel.Answer(w.listener, id, 0, errRestart)
	case r.open:
		err = kernel.AnswerFD(w.listener, id, r.fd, r.cloexec)
		kernel.Close(r.fd)
		if errno, ok := err.(syscall.Errno); ok && errno != syscall.ENOENT && errno != syscall.EINPROGRESS {
			err = kernel.Answer(w.listener, id, 0, int32(errno))
		}
	default:
		err = kernel.Answer(w.listener, id, r.value, int32(r.errno))
	}
	if err != nil && err != syscall.ENOENT && err != syscall.EINPROGRESS && !w.over.Load() {
		w.log.Write(audit.Record{Level: audit.Error, Ctx: "notify", Op: "answer", PID: int(w.notice.PID), Msg: err.Error()})
		kernel.Kill(int(w.notice.PID), syscall.SIGKILL)
	}
	if r.then != nil {
		r.then()
	}
}

// errRestart is ERESTARTSYS (include/linux/errno.h): the kernel makes of it EINTR
// or a restart, as the handler of the signal says.
const errRestart = 512

// ghost closes the listener for good: what is being done gets its result, what
// waits or comes later ends with ENOSYS. On the thread of a receiver that has
// answered its own call.
func (w *receiver) ghost() {
	if w.over.Swap(true) {
		return
	}
	w.unheard()
	w.mu.Lock()
	all := append([]*receiver(nil), w.all...)
	for _, p := range w.parked {
		p.woken.Store(1)
		kernel.FutexWake(&p.woken)
	}
	w.parked = nil
	w.mu.Unlock()
	w.dismiss(all)
	null, err := kernel.OpenNull()
	if err == nil {
		err = kernel.Replace(w.listener, null)
		kernel.Close(null)
	}
	if err != nil {
		panic(fmt.Sprintf("ghost: %v", err))
	}
}

// ghostPatience is how long calls that are being done may take to end.
const ghostPatience = 500 * time.Millisecond

// dismiss has the other receivers leave: those that receive, and those whose
// calls block. One that waits for a tracee's page or a file system may stay: it
// will find that nobody waits for its answer.
func (w *receiver) dismiss(all []*receiver) {
	for until := time.Now().Add(ghostPatience); time.Now().Before(until); time.Sleep(time.Millisecond) {
		stay := 0
		for _, other := range all {
			if other == w || other.left.Load() {
				continue
			}
			stay++
			other.end()
		}
		if stay == 0 {
			return
		}
	}
}

// watch looks after calls that take long, for as long as there are calls.
func (r *receivers) watch() {
	for idle := 0; !r.over.Load(); {
		if idle > idleTicks {
			r.watching.Store(0)
			for r.watching.Load() == 0 {
				kernel.FutexWait(&r.watching, 0, 0)
			}
			idle = 0
		}
		before := r.handled.Load()
		time.Sleep(stuckAfter)
		idle++
		r.mu.Lock()
		all := append([]*receiver(nil), r.all...)
		r.mu.Unlock()
		for _, w := range all {
			if r.look(w) {
				idle = 0
			}
		}
		if r.handled.Load() != before {
			idle = 0
		}
	}
}

// look says whether w has a call, and sees to it if it has had it for long.
func (r *receivers) look(w *receiver) bool {
	busy := w.busy.Load()
	if busy&1 == 0 {
		w.watched, w.ticks = busy, 0
		return false
	}
	if busy != w.watched {
		w.watched, w.ticks = busy, 0
		return true
	}
	w.ticks++
	r.replace(w)
	id, caller := w.id.Load(), int(w.caller.Load())
	switch {
	case w.busy.Load() != busy:
	case !kernel.Waits(r.listener, id):
		w.end() // its caller is dead: nobody wants what comes
	case w.sleep.now():
		if kernel.HasSignal(caller) {
			w.signalled.Store(true)
			w.end()
		}
	case w.ticks > int(overdueTicks*tick/stuckAfter) && !w.abandoned:
		w.abandoned = true
		r.log.Write(audit.Record{Level: audit.Warn, Ctx: "notify", Op: "emulate", PID: caller, Act: "kill",
			Msg: "its memory or file system gives no answer"})
		kernel.Kill(caller, syscall.SIGKILL)
	}
	return true
}

// end interrupts what w sleeps in, if it does. A signal that comes too early is
// lost: who means it tries again.
func (w *receiver) end() {
	w.sleep.interrupt(func() { kernel.SignalThread(int(w.tid.Load()), signals.Interruption) })
}

// sleep is when a thread may be interrupted: at no other time than between begin
// and end. A signal that came while a descriptor is handed over would have the
// caller told that its call returned 0: the kernel has taken the reply, and takes
// the descriptor back (kernel/seccomp.c, seccomp_notify_addfd).
type sleep struct {
	phase atomic.Uint32
	sent  bool // by who moved phase to signalling
}

const (
	awake uint32 = iota
	asleep
	signalling
)

func (s *sleep) begin() { s.phase.Store(asleep) }

// end returns when every signal that was sent has come.
func (s *sleep) end() {
	for !s.phase.CompareAndSwap(asleep, awake) {
		runtime.Gosched()
	}
	if s.sent {
		s.sent = false
		kernel.ThreadID() // any system call: it comes at its end at the latest
	}
}

func (s *sleep) now() bool { return s.phase.Load() == asleep }

// interrupt sends a signal if the thread sleeps. Any thread.
func (s *sleep) interrupt(send func()) {
	if s.phase.CompareAndSwap(asleep, signalling) {
		send()
		s.sent = true
		s.phase.Store(asleep)
	}
}
