// SPDX-License-Identifier: GPL-3.0-or-later

package guest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"strings"
	"testing"

	"syd/conformance/capability"
	"syd/conformance/report"
)

// results is an archive as a guest writes it, for tests to spoil.
type results struct {
	end    End
	runs   map[string]*report.Run
	doctor *Doctor
	files  func(all []file) []file // changes what is written
}

type file struct {
	name string
	data any
}

const release = "6.12.1-test"

func run(user string, verdicts ...report.Verdict) *report.Run {
	r := &report.Run{Schema: report.SchemaID, Planned: len(verdicts), Host: report.HostInfo{Kernel: release, User: user}}
	for i, v := range verdicts {
		r.Specs = append(r.Specs, report.Result{ID: "LCH-01." + string(rune('1'+i)), Family: "LCH", Verdict: v, Message: "words"})
	}
	r.Count()
	return r
}

func good() *results {
	r := &results{doctor: &Doctor{Kernel: release}, runs: map[string]*report.Run{
		"root": run("root", report.Pass, report.Pass, report.Unsupported), "nobody": run("nobody", report.Pass, report.XFail),
	}}
	for _, c := range capability.Table {
		// What the kernel is too old for is no oddity.
		r.doctor.Capabilities = append(r.doctor.Capabilities, capability.Answer{Name: c.Name, OK: capability.AtLeast(release, c.Linux), Evidence: "e"})
	}
	r.end = End{Nonce: "n", Kernel: release, Runs: []EndRun{{"root", 0, 3, 3}, {"nobody", 0, 2, 2}}}
	return r
}

var wanted = Want{Nonce: "n", Runs: []WantRun{{"root", 3}, {"nobody", 2}}}

func (r *results) pack(t *testing.T) []byte {
	t.Helper()
	all := []file{{"run-root.json", r.runs["root"]}, {"run-nobody.json", r.runs["nobody"]}, {doctorName, r.doctor}, {endName, r.end}}
	if r.files != nil {
		all = r.files(all)
	}
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	archive := tar.NewWriter(zip)
	for _, f := range all {
		data, err := json.Marshal(f.data)
		if err != nil {
			t.Fatal(err)
		}
		if err := archive.WriteHeader(&tar.Header{Name: f.name, Size: int64(len(data)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// Consoles as real guests wrote them, shortened.
const (
	booted = "guest: init n Linux 6.12.1-test\r\nguest: run as root\r\nstart LCH-01.1\r\nend LCH-01.1 pass\r\nstart TRC-02.3\r\n"
	whole  = booted + "end TRC-02.3 pass\r\nguest: end after 9.0 s\r\n[   10.1] reboot: Restarting system\r\n"
)

// death is one way for a guest to end, and what must be said of it.
type death struct {
	name    string
	console string
	spoil   func(*results) // results that are whole, but not right
	cut     func([]byte) []byte
	with    func(*Outcome)
	fate    Fate
	words   string
}

var none = func([]byte) []byte { return nil }

var deaths = []death{
	{name: "none", console: whole, fate: Green},
	{name: "panic", console: booted + "[   12.345678] Kernel panic - not syncing: Fatal exception\r\n", cut: none, fate: Panicked, words: "last heard of: TRC-02.3"},
	{name: "panic in the middle of a line", console: booted + "guest: ti[  5.1][   T1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009\n", cut: none, fate: Panicked, words: "Attempted to kill init"},
	{name: "panic after everything was sent", console: whole + "[   12.345678] Kernel panic - not syncing: late\n", fate: Panicked, words: "late"},
	{name: "no first process", console: "[    1.716613] Kernel panic - not syncing: No working init found.  Try passing init= option to kernel.\n", cut: none, fate: NoInit, words: "No working init"},
	{name: "no initial file system", console: "[    2.016613] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n", cut: none, fate: NoInit, words: "Unable to mount root"},
	{name: "hang in a spec", console: booted, cut: none, with: func(o *Outcome) { o.Silent = true }, fate: Hung, words: "TRC-02.3"},
	{name: "hang with half of the results", console: booted, cut: half, with: func(o *Outcome) { o.Silent = true }, fate: Hung, words: "silent"},
	{name: "hang before the first process", console: "", cut: none, with: func(o *Outcome) { o.Silent = true }, fate: NoBoot, words: "nothing from the first process"},
	{name: "a kernel that never ends", console: booted + "guest: tick 5 s\n", cut: none, with: func(o *Outcome) { o.TimeOver = true }, fate: Overtime, words: "not done after"},
	{name: "out of memory", console: booted + "[   33.1] Out of memory: Killed process 77 (syd) total-vm:1kB\n", cut: none, fate: OutOfMem, words: "Killed process 77"},
	{name: "out of memory and green all the same", console: whole + "[   33.1] Out of memory: Killed process 77 (syd) total-vm:1kB\n", fate: OutOfMem, words: "Killed process 77"},
	{name: "panic for want of memory", console: booted + "[   33.1] Kernel panic - not syncing: System is deadlocked on memory\n", cut: none, fate: OutOfMem, words: "deadlocked"},
	{name: "kernel BUG and green all the same", console: whole + "[   33.1] BUG: kernel NULL pointer dereference, address: 0000000000000008\n", fate: Oops, words: "NULL pointer"},
	{name: "soft lockup", console: booted + "[   60.1] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [syd:99]\n", cut: none, fate: Oops, words: "soft lockup"},
	{name: "early power-off", console: booted, cut: none, fate: PoweredOff, words: "without any result"},
	{name: "early power-off before the first process", console: "", cut: none, fate: PoweredOff, words: "no spec had started"},
	{name: "truncated results", console: whole, cut: half, fate: Truncated, words: "break off"},
	{name: "results without their checksum", console: whole, cut: func(b []byte) []byte { return b[:len(b)-4] }, fate: Truncated, words: "break off"},
	{name: "a flipped bit", console: whole, cut: func(b []byte) []byte { b[len(b)/2] ^= 1; return b }, fate: Truncated, words: "results"},
	{name: "noise instead of results", console: whole, cut: func([]byte) []byte { return []byte("hello\n") }, fate: Truncated, words: "no archive"},
	{name: "no end record", console: whole, spoil: func(r *results) { r.files = func(all []file) []file { return all[:3] } }, fate: Truncated, words: "no end record"},
	{name: "files after the end record", console: whole, spoil: func(r *results) { r.files = func(all []file) []file { return append(all, all[0]) } }, fate: Truncated, words: "after the end record"},
	{name: "a report that is none", console: whole, spoil: func(r *results) { r.files = func(all []file) []file { all[0].data = "x"; return all } }, fate: Truncated, words: "run-root.json"},
	{name: "fewer specs planned in the guest", console: whole, spoil: func(r *results) {
		r.runs["root"], r.end.Runs[0] = run("root", report.Pass), EndRun{"root", 0, 1, 1}
	}, fate: Miscounted, words: "planned here 3, in the guest 1"},
	{name: "fewer specs than planned in the report", console: whole, spoil: func(r *results) { r.runs["root"].Specs = r.runs["root"].Specs[:2] }, fate: Miscounted, words: "has 2"},
	{name: "an end record of fewer runs", console: whole, spoil: func(r *results) { r.end.Runs = r.end.Runs[:1] }, fate: Miscounted, words: "1 runs where 2"},
	{name: "no report of a run", console: whole, spoil: func(r *results) {
		r.files = func(all []file) []file { return append(all[:1], all[2:]...) }
	}, fate: Miscounted, words: "no run as nobody"},
	{name: "a status that the report does not bear out", console: whole, spoil: func(r *results) { r.end.Runs[1].Status = 3 }, fate: Miscounted, words: "exited with 3"},
	{name: "counts that the specs do not bear out", console: whole, spoil: func(r *results) { r.runs["root"].Specs[1].Verdict = report.Fail }, fate: Miscounted, words: "amounts to exit status 1"},
	{name: "half of the doctor's answers", console: whole, spoil: func(r *results) { r.doctor.Capabilities = r.doctor.Capabilities[:3] }, fate: Miscounted, words: "doctor"},
	{name: "results of another boot", console: whole, spoil: func(r *results) { r.end.Nonce = "m" }, fate: Stale, words: "another boot"},
	{name: "a run on another kernel", console: whole, spoil: func(r *results) { r.runs["nobody"].Host.Kernel = "5.10.0" }, fate: Stale, words: "5.10.0"},
	{name: "a doctor on another kernel", console: whole, spoil: func(r *results) { r.doctor.Kernel = "5.10.0" }, fate: Stale, words: "5.10.0"},
	{name: "a red spec", console: whole, spoil: func(r *results) {
		r.runs["root"], r.end.Runs[0].Status = run("root", report.Pass, report.Fail, report.Pass), 1
	}, fate: Failed, words: "as root: LCH-01.2"},
	{name: "a spec that broke", console: whole, spoil: func(r *results) {
		r.runs["nobody"], r.end.Runs[1].Status = run("nobody", report.Pass, report.Error), 3
	}, fate: Harness, words: "as nobody: LCH-01.2"},
	{name: "nothing but skips", console: whole, spoil: func(r *results) {
		r.runs["nobody"], r.end.Runs[1].Status = run("nobody", report.Unsupported, report.Unsupported), 4
	}, fate: Nothing, words: "0 of 2"},
	{name: "a capability that the kernel should have", console: whole, spoil: func(r *results) { r.doctor.Capabilities[0].OK = false }, fate: Odd, words: capability.Table[0].Name},
	{name: "a first process that gave up", console: booted + "guest: broken: mount /dev: no such device\n", cut: none, fate: Harness, words: "no such device"},
	{name: "an emulator that will not", cut: none, with: func(o *Outcome) { o.Emulator = "exit status 1: no machine" }, fate: Emulator, words: "no machine"},
	{name: "an emulator that died with whole results", console: whole, with: func(o *Outcome) { o.Emulator = "signal: killed" }, fate: Emulator, words: "killed"},
}

func half(b []byte) []byte { return b[:len(b)/2] }

// classify is what Classify says of a death.
func (d death) classify(t *testing.T) (Fate, string) {
	t.Helper()
	r := good()
	if d.spoil != nil {
		d.spoil(r)
	}
	o := Outcome{Console: d.console, Results: r.pack(t)}
	if d.cut != nil {
		o.Results = d.cut(o.Results)
	}
	if d.with != nil {
		d.with(&o)
	}
	fate, why, _ := Classify(o, wanted)
	return fate, why
}

func TestDeaths(t *testing.T) {
	for _, d := range deaths {
		t.Run(d.name, func(t *testing.T) {
			fate, why := d.classify(t)
			if fate != d.fate || !strings.Contains(why, d.words) {
				t.Errorf("%s: %s\nwant %s: ...%s...", fate, why, d.fate, d.words)
			}
		})
	}
	if len(deaths) < 21 {
		t.Errorf("%d deaths are seeded: 20 are the least", len(deaths)-1)
	}
}

// TestOrdinaryWords has consoles that speak of death and mean no kernel's.
func TestOrdinaryWords(t *testing.T) {
	for _, line := range []string{
		"FAIL LCH-01.1 says Kernel panic - not syncing", "Out of memory: a spec's word", "BUG: in a spec's message",
		"[    3.1] Memory cgroup out of memory: Killed process 9 (sh)", "[    3.1] traps: signal[99] general protection fault ip:1 sp:2",
	} {
		d := death{console: whole + line + "\n"}
		if fate, why := d.classify(t); fate != Green {
			t.Errorf("%q makes it %s: %s", line, fate, why)
		}
	}
}

// TestFates holds the table: every fate is there once, with a status of its own
// that only green shares with success.
func TestFates(t *testing.T) {
	fates, statuses := map[Fate]bool{}, map[int]bool{}
	for _, row := range Fates {
		if fates[row.Fate] || statuses[row.Status] || row.Status == report.ExitUsage || (row.Status == 0) != (row.Fate == Green) {
			t.Errorf("%s, %d: twice, or a status that is another's", row.Fate, row.Status)
		}
		fates[row.Fate], statuses[row.Status] = true, true
	}
	for _, d := range deaths {
		if !fates[d.fate] {
			t.Errorf("%s is not in the table", d.fate)
		}
	}
	if Fate("unheard of").Status() == 0 {
		t.Error("a fate that is not in the table is green")
	}
}

func TestExitStatus(t *testing.T) {
	for _, c := range []struct {
		fates   []Fate
		require bool
		want    int
	}{
		{[]Fate{Green, Green}, true, 0}, {[]Fate{Green, Failed}, false, 1}, {[]Fate{Panicked, Failed, Green}, false, Panicked.Status()},
		{[]Fate{Green, Absent}, false, 0}, {[]Fate{Green, Absent}, true, Absent.Status()}, {[]Fate{Absent}, false, report.ExitNothing}, {nil, false, report.ExitNothing},
	} {
		g := &Grid{}
		for _, f := range c.fates {
			g.Cells = append(g.Cells, &Cell{Fate: f})
		}
		if got := g.ExitStatus(c.require); got != c.want {
			t.Errorf("%v, required %v: %d, want %d", c.fates, c.require, got, c.want)
		}
	}
}
