// SPDX-License-Identifier: GPL-3.0-or-later

// Package syd runs a program in a sandbox. Run is the one entry; this page is
// the map.
//
// # Pipeline
//
//	waitid ──► wait.go: Event ──► dispatch.go: handlers[kind] ──► resume ──► ptrace
//	                                       │    ▲
//	                              question ▼    │ answer (ask.go)
//	pool.go: workers ──► policy.Decide, kernel.View.Resolve, memory of tracees
//
//	signals ───► monitor.go: forward to the eldest, stop with it
//	notify fd ─► monitor.go: no filter user left: the loop may leave
//	records ───► audit: queue, JSON lines
//
// # Packages
//
// Imports point down only; a test enforces it.
//
//	cmd/syd → syd → trace, confine → policy, filter, audit → kernel (and below it)
//
// # Start
//
// Each step has to stand where it does:
//
//  1. kernel/spawn, early.c, before there are threads: no_new_privs, core limit,
//     Landlock domain. kernel/capability, birth.c: threads are born with few
//     capabilities. Then the policy is made: the files that it is in are read, and
//     nothing has been started yet.
//  2. confine.New: cookies, the runtime's eventfd, all filters. Nothing can be
//     compiled or opened later.
//  3. spawn.Prepare: the eldest is cloned, in a domain below ours, under its
//     filter. trace: it is seized, and released: it stops at its exec, before the
//     program's first instruction, until the tracer runs.
//  4. confine.Enter: capabilities of the main thread, the filter of the process
//     (TSYNC, so before any thread has one of its own), the tracer's.
//  5. The crew (monitor, workers, writer) each take their role's filter. The tracer
//     runs; at the eldest's exec syd becomes undumpable.
//
// # Threads
//
//   - The main thread, locked in init, is the tracer thread: it clones, seizes,
//     waits and makes every ptrace request. Its end is the end of all tracees
//     (PTRACE_O_EXITKILL).
//     It never waits for a page or a file system that a tracee may have in its
//     hands: it reads no memory of tracees, resolves no path and opens nothing
//     below /proc.
//   - trace's workers: as many as have been needed at once. They answer the tracer's
//     questions and share no state with it. One that gets no answer itself is
//     abandoned, and the process that it serves killed.
//   - trace's watchdog: started when an answer is slow, ticks while one is.
//   - trace's finder: started when one task stops again and again, finds out where it
//     runs. Nobody waits for it.
//   - monitor: one goroutine in poll(2).
//   - audit writer: started by the first record.
//
// Every goroutine is started by supervise, whose recover ends the sandbox; a
// test enforces that too. Helpers are started by crew.as, which confines the
// thread to its role first, and names it (syd_monitor, syd_worker, syd_writer).
// Receivers (syd_receiver) are started in C, for the capabilities that they are
// born with; the first ones confine themselves, those that they start are born
// confined. The tracer's state belongs to its thread, which takes no lock; the
// others reach it by atomics, a futex and a signal that ends its wait, and the
// monitor by an eventfd.
//
// # Glossary
//
//	eldest      the process that syd starts
//	tracee      any process or thread in the sandbox
//	supervisor  the syd process
//	tracer      the supervisor's one thread that owns ptrace
//	cookie      a secret number in a register that a system call doesn't use
//	guarded     said of a call that the filters allow with its cookies only
package syd
