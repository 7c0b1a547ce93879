// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"fmt"
	"maps"
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
	// crowded is how many receive at a time once all of them were taken.
	crowded = 16
	// stuckAfter is the watch's tick: a call that takes longer gets its receiver
	// replaced, and is looked after.
	stuckAfter = 10 * time.Millisecond
	// calmPause is between the looks of the watch when all that it sees are calls
	// that have slept for calmTicks.
	calmPause = 10 * stuckAfter
	calmTicks = 100
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
	start     func(func())                       // runs a function on a thread of its own, which emulates
	interrupt func(tid int)                      // has a tracee look at its signals once it is answered
	acquire   func(tid int, open uint64, fd int) // has it acquire the terminal fd then
	filters   int                                // how many each tracee is under that has none of its own
	unheard   func()                             // the listener is about to be closed: let go of it
	leave     func(int)                          // the sandbox ends with a status
	fileFirst map[*row]bool                      // these look for the file before their other arguments
	fdFirst   bool                               // an open takes its number before it reads the path
	nulls     kernel.Nulls                       // for which calls a path of NULL is an empty one

	want int // how many receive at a time
	over atomic.Bool
	// stopped has the TGIDs of processes that are being stopped. All of their
	// threads have to stop; the kernel keeps to itself which still have to.
	stopped sync.Map
	unseen  unseen

	mu        sync.Mutex
	all       []*receiver
	receiving int
	parked    []*receiver
	watching  atomic.Uint32 // 1: the watch ticks
	ticking   atomic.Uint32 // what it sleeps on between ticks: always 0
	handled   atomic.Uint64 // calls so far, for the watch
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
	left      atomic.Bool   // it receives no more
	replaced  bool          // under mu: another one has its place

	credentials kernel.Credentials

	// Of the watch:
	watched   uint64 // busy at its last tick
	ticks     int    // for how many it has been the same
	put       int    // for how many a signal was left to others
	abandoned bool   // its caller was killed
}

// newReceivers makes them; run starts them.
func newReceivers(j judge, listener int, start func(func()), interrupt func(int), unheard func()) *receivers {
	rows := numbersOf(wanted(j.policy(), true))
	// What the kernel doesn't have isn't there for tracees either (decide).
	maps.DeleteFunc(rows, func(k syscallKey, _ *row) bool { return !kernel.Has(uintptr(k.number)) })
	return &receivers{
		judge: j, listener: listener, rows: rows, start: start, interrupt: interrupt, unheard: unheard,
		want: min(max(2, runtime.NumCPU()), 6), fileFirst: lookingFirst(rows), nulls: kernel.NullPaths(),
	}
}

// run starts the receivers and their watch.
func (r *receivers) run() {
	if !kernel.AnswersAtOnce(r.listener) {
		r.lacks("SECCOMP_ADDFD_FLAG_SEND (Linux 5.14): descriptors are handed over before the call that asked for them ends")
	}
	if !kernel.WakeInStep(r.listener) {
		r.lacks("SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (Linux 6.6): calls on files take longer")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for range r.want {
		r.add()
	}
	r.start(r.watch)
}

// lacks tells what the kernel lacks that can be done without.
func (r *receivers) lacks(what string) {
	r.log.Write(audit.Record{Level: audit.Info, Ctx: "notify", Op: "start", Msg: "the kernel has no " + what})
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
	if w.over.Load() || !w.replaced {
		w.mu.Unlock()
		return !w.over.Load() // who parks must be seen by who ends it
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

// replace has another receiver take the place of w. When there are as many as
// may be, the calls that sleep longest begin anew, behind those that wait. On the
// thread of the watch.
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
		r.want = max(r.want, crowded)
		for range 2 {
			if oldest := r.longest(); oldest != nil {
				oldest.interruptCall(oldest.watched)
				oldest.ticks = 0
			}
		}
		return
	}
	w.replaced = true
}

// longest is the receiver whose call has slept for the longest. Preconditions:
// mu; the watch.
func (r *receivers) longest() (oldest *receiver) {
	for _, w := range r.all {
		if w.replaced && w.sleep.now() && (oldest == nil || w.ticks > oldest.ticks) {
			oldest = w
		}
	}
	return oldest
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
	case r.ghost && w.over.Swap(true):
		return // another one has asked already: ENOSYS
	case r.proceed:
		err = kernel.AnswerContinue(w.listener, id)
	case r.restart:
		if w.over.Load() {
			return // it has done nothing: ENOSYS
		}
		w.unseen.note(&w.call)
		w.interrupt(int(w.notice.PID))
		err = kernel.Answer(w.listener, id, 0, errOurs)
	case r.open:
		err = kernel.AnswerFD(w.listener, id, r.fd, r.cloexec, r.sharable(), func(number int) {
			if r.terminal {
				w.acquire(int(w.notice.PID), uint64(uint32(w.notice.Number)), number)
			}
		})
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
	if r.ghost {
		w.ghost()
	}
}

// sharable says whether nobody can tell if the file is open in the supervisor,
// too. Of a FIFO or a terminal its other end can, of a file that is open for
// writing who executes it (ETXTBSY), of one that was made to be locked who locks it.
func (r *reply) sharable() bool {
	return !r.changes && (r.kind == syscall.S_IFREG || r.kind == syscall.S_IFDIR)
}

// ghost closes the listener for good: what is being done gets its result, what
// waits or comes later ends with ENOSYS. On the thread of a receiver that has
// answered its own call. Preconditions: it has set over before it did: what the
// caller calls next is not received any more.
func (w *receiver) ghost() {
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
	pause := stuckAfter
	for idle := 0; !r.over.Load(); {
		if idle > idleTicks {
			r.rest()
			idle = 0
		}
		before := r.handled.Load()
		kernel.FutexWait(&r.ticking, 0, pause) // time.Sleep wakes three threads
		idle++
		busy, calm := 0, 0
		r.mu.Lock()
		all := append([]*receiver(nil), r.all...)
		r.mu.Unlock()
		for _, w := range all {
			if r.look(w, int(pause/stuckAfter)) {
				busy++
				if w.ticks >= calmTicks && w.sleep.now() {
					calm++
				}
			}
		}
		if busy > 0 || r.handled.Load() != before {
			idle = 0
		}
		if pause = stuckAfter; idle == 0 && busy == calm && r.handled.Load() == before {
			pause = calmPause
		}
	}
}

// rest sleeps until there is a call again. Who begins one looks at watching
// after it has said so, and who rests looks at that after it has said this.
func (r *receivers) rest() {
	r.watching.Store(0)
	r.mu.Lock()
	for _, w := range r.all {
		if w.busy.Load()&1 == 1 {
			r.watching.Store(1)
		}
	}
	r.mu.Unlock()
	for r.watching.Load() == 0 {
		kernel.FutexWait(&r.watching, 0, 0)
	}
}

// look says whether w has a call, and sees to it if it has had it for long. The
// last look was so many ticks ago.
func (r *receivers) look(w *receiver, ticks int) bool {
	busy := w.busy.Load()
	if busy != w.watched || busy&1 == 0 {
		w.watched, w.ticks, w.put, w.abandoned = busy, 0, 0, false
		return busy&1 == 1
	}
	w.ticks += ticks
	r.replace(w)
	id, caller := w.id.Load(), int(w.caller.Load())
	switch {
	case w.busy.Load() != busy:
	case !kernel.Waits(r.listener, id):
		w.interruptCall(busy) // its caller is dead: nobody wants what comes
	case w.sleep.now():
		if r.disturbed(w, caller) {
			w.interruptCall(busy)
		}
	case w.ticks > int(overdueTicks*tick/stuckAfter) && !w.abandoned:
		w.abandoned = true
		r.log.Write(audit.Record{Level: audit.Warn, Ctx: "notify", Op: "emulate", PID: caller, Act: "kill",
			Msg: "its memory or file system gives no answer"})
		kernel.Kill(caller, syscall.SIGKILL)
	}
	return true
}

// putTicks is for how many ticks a signal is left to another thread.
const putTicks = 5

// disturbed says whether natively something would interrupt what the caller of w
// sleeps in: a stop of its process, a signal for it, or one for any thread of its
// process if none comes before it that would take it. The kernel's choice begins
// with the first thread, and goes on in the order of their making
// (kernel/signal.c, complete_signal); what it can't be seen to take is not left
// to it for long. Preconditions: the watch.
func (r *receivers) disturbed(w *receiver, caller int) bool {
	s, err := kernel.ReadStatus(caller)
	if err != nil {
		return false
	}
	if _, stops := r.stopped.Load(s.TGID); stops || s.Wakes(s.Pending) != 0 {
		return true
	}
	set := s.Wakes(s.PendingAll)
	if set == 0 {
		w.put = 0
		return false
	}
	w.put++
	if caller == s.TGID || w.put > putTicks {
		return true
	}
	takes := func(tid int) bool {
		s, err := kernel.ReadStatus(tid)
		return err == nil && s.Wakes(set) != 0
	}
	if takes(s.TGID) {
		return false
	}
	r.mu.Lock()
	all := append([]*receiver(nil), r.all...)
	r.mu.Unlock()
	for _, other := range all {
		tid := int(other.caller.Load())
		if other.sleep.now() && other.busy.Load()&1 == 1 && tid < caller && kernel.InGroup(tid, s.TGID) && takes(tid) {
			return false
		}
	}
	return true
}

// interruptCall interrupts what w sleeps in if that is still the call that busy
// says: it begins anew, unless its caller has a handler to run that says no. A
// signal that comes too early is lost: who means it tries again.
func (w *receiver) interruptCall(busy uint64) {
	w.sleep.interrupt(func() bool {
		if w.busy.Load() != busy {
			return false
		}
		w.signalled.Store(true)
		w.wake()
		return true
	})
}

// end interrupts whatever w sleeps in.
func (w *receiver) end() { w.sleep.interrupt(func() bool { w.wake(); return true }) }

func (w *receiver) wake() { kernel.SignalThread(int(w.tid.Load()), signals.Interruption) }
