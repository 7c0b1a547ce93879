// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"syd/conformance/catalogue"
	"syd/conformance/report"
)

func TestProgressOnTerminal(t *testing.T) {
	var out bytes.Buffer
	p := &progress{out: &out, terminal: true, width: 60}
	spec := catalogue.Spec{ID: "LCH-01.1", Subject: "the status", Text: "is kept", Clauses: []string{"LCH-01"}}
	p.Began(&report.Run{}, 4)
	p.began = time.Now().Add(-10 * time.Second)
	p.Started(spec)
	p.drawn = time.Time{}
	p.Ended(spec, report.Event{Verdict: report.Pass})
	if text := out.String(); !strings.Contains(text, "\r\x1b[K1/4  0 failed  0 skipped  ETA 30s  LCH-01.1") {
		t.Errorf("no progress line: %q", text)
	}
	out.Reset()
	p.Ended(spec, report.Event{Verdict: report.Fail, Message: "one\ntwo", Location: "here:1"})
	text := out.String()
	if !strings.HasPrefix(text, "\r\x1b[K") {
		t.Errorf("a failure is written over the progress line: %q", text)
	}
	if !strings.Contains(text, "FAIL     LCH-01.1  the status is kept") || !strings.Contains(text, "    one\n    two\n    at here:1\n") {
		t.Errorf("the failure isn't shown in full: %q", text)
	}
	out.Reset()
	p.width, p.drawn = 20, time.Time{}
	p.Started(spec)
	if line := strings.TrimPrefix(out.String(), "\r\x1b[K"); len(line) != 19 {
		t.Errorf("not cut to a terminal of 20 columns: %q", line)
	}
}

func TestProgressElsewhere(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out, false)
	p.Began(&report.Run{Preflight: []string{"odd"}}, 20)
	for range 20 {
		p.Ended(catalogue.Spec{ID: "LCH-01.1"}, report.Event{Verdict: report.Pass})
	}
	text := out.String()
	if strings.ContainsAny(text, "\r\x1b") {
		t.Errorf("control characters: %q", text)
	}
	if n := strings.Count(text, " done, "); n != 10 {
		t.Errorf("%d lines of progress", n)
	}
	if !strings.Contains(text, "NOTE    odd\n") {
		t.Errorf("the preflight's note is lost: %q", text)
	}
}
