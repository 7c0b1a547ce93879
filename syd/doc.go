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
//	signalfd ──► monitor.go: forward to the eldest, stop with it
//	notify fd ─► monitor.go: no filter user left: the loop may leave
//	records ───► audit: queue, JSON lines
//
// # Packages
//
// Imports point down only; a test enforces it.
//
//	cmd/syd → syd → trace → policy, filter, audit → kernel (and kernel/spawn)
//
// # Threads
//
//   - The main thread, locked in init, is the tracer thread: it clones, seizes,
//     waits and makes every ptrace request. Its end is the end of all tracees
//     (PTRACE_O_EXITKILL).
//     It never waits for a page or a file system that a tracee may have in its
//     hands: it reads no memory of tracees and resolves no path.
//   - trace's workers: as many as have been needed at once. They answer the tracer's
//     questions and share no state with it. One that gets no answer itself is
//     abandoned, and the process that it serves killed.
//   - trace's watchdog: started when an answer is slow, ticks while one is.
//   - monitor: one goroutine in poll(2).
//   - audit writer: started by the first record.
//
// Every goroutine is started by supervise, whose recover ends the sandbox; a
// test enforces that too. The tracer's state belongs to its thread, which takes no
// lock; the others reach it by atomics, a futex and a signal that ends its wait,
// and the monitor by an eventfd.
//
// # Glossary
//
//	eldest      the process that syd starts
//	tracee      any process or thread in the sandbox
//	supervisor  the syd process
//	tracer      the supervisor's one thread that owns ptrace
package syd
