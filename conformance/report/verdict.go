// SPDX-License-Identifier: GPL-3.0-or-later

// Package report holds a run's results: verdicts, the event log, and the
// reports that are derived from it.
package report

// A Verdict is what became of one spec.
type Verdict string

const (
	Pass        Verdict = "pass"
	Fail        Verdict = "fail"        // the build did something else
	Error       Verdict = "error"       // the harness or a fixture broke
	Timeout     Verdict = "timeout"     // the spec's bound passed
	Crash       Verdict = "crash"       // the build died of a fault of its own
	Unsupported Verdict = "unsupported" // this kernel or machine lacks something, with a record
	Disabled    Verdict = "disabled"    // switched off in the source
	XFail       Verdict = "xfail"       // failed, as a known divergence says
	XPass       Verdict = "xpass"       // passed, although a divergence is listed
	Flaky       Verdict = "flaky"       // passed and failed in one run's repeats
)

// Verdicts is all of them, in the order of reports.
var Verdicts = []Verdict{Pass, Fail, Error, Timeout, Crash, Unsupported, Disabled, XFail, XPass, Flaky}

// Green says whether the verdict is one to be content with.
func (v Verdict) Green() bool { return v == Pass || v == XFail }

// Skipped says whether the spec's body was never judged.
func (v Verdict) Skipped() bool { return v == Unsupported || v == Disabled }

// Red says whether the verdict makes a run fail. With strict, a skip does too.
func (v Verdict) Red(strict bool) bool {
	if v.Skipped() {
		return strict
	}
	return !v.Green()
}

// A Record is the proof behind an unsupported verdict.
type Record struct {
	Capability string `json:"capability"`
	Required   string `json:"required"`
	Observed   string `json:"observed"`
	Probe      string `json:"probe"`
}

// An Event is one line of the log that workers write and every report is
// derived from.
type Event struct {
	Kind        string  `json:"event"` // start, end
	ID          string  `json:"id"`
	Pass        int     `json:"pass,omitempty"`
	Worker      int     `json:"worker"`
	Position    int     `json:"position"`
	Verdict     Verdict `json:"verdict,omitempty"`
	MS          float64 `json:"ms,omitempty"`
	Message     string  `json:"message,omitempty"`
	Details     string  `json:"details,omitempty"`
	Location    string  `json:"location,omitempty"`
	Unsupported *Record `json:"unsupported,omitempty"`
}
