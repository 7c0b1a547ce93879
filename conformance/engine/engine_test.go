// SPDX-License-Identifier: GPL-3.0-or-later

package engine

import (
	"slices"
	"strings"
	"testing"

	"syd/conformance/catalogue"
	"syd/conformance/harness"
	"syd/conformance/report"
)

var sample = []catalogue.Spec{
	{ID: "LCH-01.10", Clauses: []string{"LCH-01"}, Labels: []string{"LCH-01", "LCH", harness.LabelSmoke}},
	{ID: "LCH-01.9", Clauses: []string{"LCH-01", "TRC-01"}, Labels: []string{"LCH-01", "TRC-01", "LCH"}},
	{ID: "EVT-SIG-01.1", Clauses: []string{"EVT-SIG-01"}, Labels: []string{"EVT-SIG-01", "EVT-SIG", harness.LabelSlow}},
	{ID: "TRC-02.1", Clauses: []string{"TRC-02"}, Labels: []string{"TRC-02", "TRC"}},
}

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		selection Selection
		want      []int
	}{
		{Selection{}, []int{0, 1, 3}},
		{Selection{Slow: true}, []int{0, 1, 2, 3}},
		{Selection{Smoke: true}, []int{0}},
		{Selection{Clause: "TRC-*"}, []int{1, 3}},
		{Selection{ID: "LCH-01.*"}, []int{0, 1}},
		{Selection{Label: "LCH && !smoke"}, []int{1}},
		{Selection{Shard: 1, Shards: 2}, []int{1, 3}},
		{Selection{Shard: 2, Shards: 2}, []int{0}},
		{Selection{ID: "XXX"}, nil},
	} {
		got, err := c.selection.choose(sample)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v %v, want %v", c.selection, got, err, c.want)
		}
	}
}

func TestJudge(t *testing.T) {
	divergences := catalogue.Divergences
	defer func() { catalogue.Divergences = divergences }()
	catalogue.Divergences = []catalogue.Divergence{{Spec: "LCH-01.9", Reason: "known"}}
	for _, c := range []struct {
		spec    catalogue.Spec
		verdict report.Verdict
		foreign bool
		want    report.Verdict
		words   string
	}{
		{sample[1], report.Fail, false, report.XFail, "known"},
		{sample[1], report.Pass, false, report.XPass, "known"},
		{sample[1], report.Crash, false, report.Crash, ""},
		{sample[0], report.Fail, false, report.Fail, ""},
		{sample[0], report.Fail, true, report.Fail, ""},
		{catalogue.Spec{ID: "LCH-10.1", Clauses: []string{"LCH-10"}}, report.Fail, true, report.XFail, "differs"},
		{catalogue.Spec{ID: "LCH-10.1", Clauses: []string{"LCH-10"}}, report.Timeout, true, report.XFail, "differs"},
		{catalogue.Spec{ID: "LCH-10.1", Clauses: []string{"LCH-10"}}, report.Error, true, report.Error, ""},
		{catalogue.Spec{ID: "LCH-10.1", Clauses: []string{"LCH-10"}}, report.Pass, true, report.Pass, ""},
	} {
		got := judge(c.spec, report.Event{Verdict: c.verdict}, c.foreign)
		if got.Verdict != c.want || !strings.Contains(got.Message, c.words) {
			t.Errorf("%s %s foreign %v: %s %q", c.spec.ID, c.verdict, c.foreign, got.Verdict, got.Message)
		}
	}
}

func TestTailBuffer(t *testing.T) {
	var tail tailBuffer
	for range 100 {
		if _, err := tail.Write([]byte(strings.Repeat("x", 1000))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tail.Write([]byte("the end")); err != nil {
		t.Fatal(err)
	}
	if text := tail.String(); !strings.HasSuffix(text, "xthe end") || len(text) > 3*tailSize {
		t.Errorf("%d bytes kept", len(text))
	}
}
