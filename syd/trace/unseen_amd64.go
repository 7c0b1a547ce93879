// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import "syd/syd/kernel"

// errOurs is what a receiver answers for a signal that natively interrupts the
// call, too. The kernel answers errRestart to a signal that comes before a receiver
// has the call.
const errOurs = errRestartNoHand

// restart mends what ptrace changes: a signal that is ignored is not
// even queued for an untraced task (kernel/signal.c, sig_ignored), yet stops a
// traced one and so interrupts the call that it is in. The kernel restarts most
// calls by itself when no handler runs. Those that answer EINTR for good are
// given ERESTARTNOHAND here, by which the kernel restarts them unless another
// signal's handler does run: then they end with EINTR, as natively.
//
// Only waits without a time limit: a limit would begin anew with each signal.
func restart(e Event) { kernel.SetReturn(e.TID, -errRestartNoHand) }

// mendUnseen is for architectures whose kernel hides what a signal interrupts.
func (t *Tracer) mendUnseen(_ Event, _ *task, deliver resume) resume { return deliver }

// unseen is likewise nothing.
type unseen struct{}

func (unseen) note(*notice) {}
func (unseen) forget(int)   {}
