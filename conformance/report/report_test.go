// SPDX-License-Identifier: GPL-3.0-or-later

package report

import (
	"bytes"
	"encoding/xml"
	"strings"
	"testing"
)

func TestColours(t *testing.T) {
	for _, v := range Verdicts {
		green := v == Pass || v == XFail
		skipped := v == Unsupported || v == Disabled
		if v.Green() != green || v.Skipped() != skipped || v.Red(false) != (!green && !skipped) || v.Red(true) != !green {
			t.Errorf("%s: green %v, skipped %v, red %v, strictly %v", v, v.Green(), v.Skipped(), v.Red(false), v.Red(true))
		}
	}
}

func TestSettle(t *testing.T) {
	for _, c := range []struct {
		attempts []Verdict
		want     Verdict
	}{
		{[]Verdict{Pass, Pass}, Pass},
		{[]Verdict{Pass, Fail}, Flaky},
		{[]Verdict{Crash, Pass}, Flaky},
		{[]Verdict{Pass, Timeout, Pass}, Flaky},
		{[]Verdict{Fail, Fail}, Fail},
		{[]Verdict{Fail, Timeout}, Fail},
		{[]Verdict{Pass, Error}, Error},
		{[]Verdict{XFail, XPass}, XPass},
		{[]Verdict{Unsupported, Unsupported}, Unsupported},
	} {
		var r Result
		for i, v := range c.attempts {
			r.Add(i+1, Event{Verdict: v, Message: string(v)})
		}
		r.Settle()
		if r.Verdict != c.want {
			t.Errorf("%v settles as %s, want %s", c.attempts, r.Verdict, c.want)
		}
	}
}

func TestExitStatus(t *testing.T) {
	for _, c := range []struct {
		verdicts []Verdict
		strict   bool
		problems []string
		want     int
	}{
		{[]Verdict{Pass, XFail}, false, nil, ExitGreen},
		{[]Verdict{Pass, Unsupported, Disabled}, false, nil, ExitGreen},
		{[]Verdict{Pass, Unsupported}, true, nil, ExitFailure},
		{[]Verdict{Pass, Fail}, false, nil, ExitFailure},
		{[]Verdict{Crash}, false, nil, ExitFailure},
		{[]Verdict{Timeout}, false, nil, ExitFailure},
		{[]Verdict{XPass}, false, nil, ExitFailure},
		{[]Verdict{Flaky}, false, nil, ExitFailure},
		{[]Verdict{Error, Pass}, false, nil, ExitHarness},
		{[]Verdict{Error, Fail}, false, nil, ExitFailure},
		{[]Verdict{Pass}, false, []string{"lost"}, ExitHarness},
		{[]Verdict{Unsupported}, false, nil, ExitNothing},
		{nil, false, nil, ExitNothing},
	} {
		r := &Run{Strict: c.strict, Problems: c.problems}
		for _, v := range c.verdicts {
			r.Specs = append(r.Specs, Result{ID: "LCH-01.1", Family: "LCH", Verdict: v})
		}
		r.Count()
		if got := r.ExitStatus(); got != c.want {
			t.Errorf("%v strict %v problems %v: %d, want %d", c.verdicts, c.strict, c.problems, got, c.want)
		}
	}
}

func TestCompareIDs(t *testing.T) {
	sorted := []string{"EVT-SIG-01.2", "LCH-01.1", "LCH-01.9", "LCH-01.10", "LCH-02.1"}
	for i := range sorted {
		for j := range sorted {
			if got := CompareIDs(sorted[i], sorted[j]); (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("%s and %s compare as %d", sorted[i], sorted[j], got)
			}
		}
	}
}

// TestDeterministic writes the same results, gathered in two orders.
func TestDeterministic(t *testing.T) {
	one := &Run{Specs: []Result{{ID: "TRC-01.1", Family: "TRC", Verdict: Pass}, {ID: "LCH-01.1", Family: "LCH", Verdict: Fail}}}
	two := &Run{Specs: []Result{{ID: "LCH-01.1", Family: "LCH", Verdict: Fail}, {ID: "TRC-01.1", Family: "TRC", Verdict: Pass}}}
	var texts [2]bytes.Buffer
	for i, r := range []*Run{one, two} {
		r.Count()
		if err := r.WriteJSON(&texts[i]); err != nil {
			t.Fatal(err)
		}
		if err := r.WriteJUnit(&texts[i]); err != nil {
			t.Fatal(err)
		}
	}
	if texts[0].String() != texts[1].String() {
		t.Errorf("differ:\n%s\n%s", &texts[0], &texts[1])
	}
}

func TestJUnitHoldsAnyText(t *testing.T) {
	r := &Run{Specs: []Result{{ID: "LCH-01.1", Family: "LCH", Verdict: Crash, Message: "\x1b[1m<&>\x00 \"one\"\ntwo"}}}
	r.Count()
	var b bytes.Buffer
	if err := r.WriteJUnit(&b); err != nil {
		t.Fatal(err)
	}
	var back struct {
		Text string `xml:"testsuite>testcase>failure"`
	}
	if err := xml.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatalf("%v\n%s", err, &b)
	}
	if !strings.Contains(back.Text, "<&>\uFFFD \"one\"\ntwo") {
		t.Errorf("%q", back.Text)
	}
}
