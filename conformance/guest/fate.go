// SPDX-License-Identifier: GPL-3.0-or-later

package guest

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"syd/conformance/report"
)

// A Fate is what became of one guest.
type Fate string

const (
	Green      Fate = "green"
	Failed     Fate = "failed"           // the build did something else than it must
	Harness    Fate = "harness"          // the suite, or the guest's first process, broke
	Nothing    Fate = "nothing ran"      //
	Panicked   Fate = "panic"            // the kernel gave up
	NoInit     Fate = "no init"          // the kernel came up and could not start sydtest
	Hung       Fate = "hang"             // the guest fell silent
	NoBoot     Fate = "no boot"          // it was silent from the start
	Overtime   Fate = "overtime"         // it lived, and was not done in its time
	OutOfMem   Fate = "out of memory"    //
	Oops       Fate = "kernel bug"       // BUG, Oops, lockup
	PoweredOff Fate = "early power-off"  // it ended before it had any result
	Truncated  Fate = "truncated"        // results, but not all of them
	Miscounted Fate = "wrong count"      // not what was planned
	Stale      Fate = "foreign results"  // of another boot, or of another kernel
	Emulator   Fate = "emulator"         // it would not run
	Unreadable Fate = "unreadable"       // no kernel image
	WrongArch  Fate = "wrong arch"       // a kernel or a program for another machine
	Dynamic    Fate = "dynamic binary"   // a program that needs libraries
	Lacking    Fate = "lacking programs" // this machine lacks what guests need
	Absent     Fate = "absent"           // the kernel is not to be had
	Odd        Fate = "odd kernel"       // it lacks what its version should have
)

// Fates is all of them with their exit statuses. Those of a run that took place
// are the suite's own.
var Fates = []struct {
	Fate   Fate
	Status int
}{
	{Green, report.ExitGreen}, {Failed, report.ExitFailure}, {Harness, report.ExitHarness}, {Nothing, report.ExitNothing},
	{Panicked, 10}, {NoInit, 11}, {Hung, 12}, {NoBoot, 13}, {Overtime, 14}, {OutOfMem, 15}, {Oops, 16}, {PoweredOff, 17},
	{Truncated, 18}, {Miscounted, 19}, {Stale, 20}, {Emulator, 21}, {Unreadable, 22}, {WrongArch, 23}, {Dynamic, 24}, {Lacking, 25}, {Absent, 26}, {Odd, 27},
}

// Status is what a run of guests exits with because of this one.
func (f Fate) Status() int {
	for _, row := range Fates {
		if row.Fate == f {
			return row.Status
		}
	}
	return report.ExitHarness
}

// A Want is what the results must say to be believed.
type Want struct {
	Nonce string // this boot's
	Runs  []WantRun
}

// A WantRun is one run with the number of its specs, as this process plans them.
type WantRun struct {
	User    string
	Planned int
}

// An Outcome is what a guest left behind.
type Outcome struct {
	Console   string
	Results   []byte
	Emulator  string // what the emulator said when it failed
	Silent    bool   // ended for its silence
	TimeOver  bool   // ended because its time was over
	Took      time.Duration
	FirstSpec time.Duration // from the start to the first spec
}

// What a kernel says before it dies. A console is written by several at a time,
// so that such a line may begin anywhere; its time stamp is the kernel's own.
var (
	panicLine = regexp.MustCompile(`\[ *\d+\.\d+\](?:\[[^\]\n]*\])? (Kernel panic - not syncing[^\r\n]*)`)
	oomLine   = regexp.MustCompile(`\[ *\d+\.\d+\](?:\[[^\]\n]*\])? ((?:Out of memory|Kernel panic - not syncing: (?:System is deadlocked on memory|Out of memory))[^\r\n]*)`)
	oopsLine  = regexp.MustCompile(`\[ *\d+\.\d+\](?:\[[^\]\n]*\])? ((?:BUG: |kernel BUG at |Oops: |Oops - |Internal error: |watchdog: BUG: |general protection fault|rcu: INFO: rcu_\w+ (?:self-)?detected stalls?|INFO: task \S+ blocked for more than)[^\r\n]*)`)
	initLine  = regexp.MustCompile(`(?m)` + helloWord + ` \S+ Linux`)
	brokeLine = regexp.MustCompile(`(?m)` + brokeWord + `([^\r\n]*)`)
	specLine  = regexp.MustCompile(`(?m)^(?:start|end) +(\S+)`)
)

// Classify says what became of a guest, and reads its results. Green is only
// what is whole, of this boot, of the planned size, and green in every run; what
// the kernel said of its own death counts even then.
func Classify(o Outcome, want Want) (fate Fate, why string, results *Results) {
	results, trouble := ReadResults(o.Results)
	if line := oomLine.FindStringSubmatch(o.Console); line != nil {
		return OutOfMem, line[1] + o.last(), results
	}
	booted := initLine.MatchString(o.Console)
	if line := panicLine.FindStringSubmatch(o.Console); line != nil {
		if !booted {
			return NoInit, line[1], results
		}
		return Panicked, line[1] + o.last(), results
	}
	if line := oopsLine.FindStringSubmatch(o.Console); line != nil {
		return Oops, line[1] + o.last(), results
	}
	switch line := brokeLine.FindStringSubmatch(o.Console); {
	case o.Emulator != "":
		return Emulator, o.Emulator, results
	case trouble == nil:
		fate, why = results.judge(want)
		return fate, why, results
	case o.Silent && !booted:
		return NoBoot, fmt.Sprintf("nothing from the first process after %.0f s", o.Took.Seconds()), results
	case o.Silent:
		return Hung, "the guest fell silent" + o.last(), results
	case o.TimeOver:
		return Overtime, fmt.Sprintf("not done after %.0f s%s", o.Took.Seconds(), o.last()), results
	case line != nil:
		return Harness, "the guest's first process:" + line[1], results
	case len(o.Results) > 0:
		return Truncated, trouble.Error(), results
	}
	return PoweredOff, "the guest ended without any result" + o.last(), results
}

// last names the spec that the guest was at.
func (o Outcome) last() string {
	all := specLine.FindAllStringSubmatch(o.Console, -1)
	if len(all) == 0 {
		return "; no spec had started"
	}
	return "; last heard of: " + all[len(all)-1][1]
}

// Tail is the console's last lines, for people.
func (o Outcome) Tail(lines int) string {
	all := strings.Split(strings.TrimSpace(strings.ReplaceAll(o.Console, "\r", "")), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
