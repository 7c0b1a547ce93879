// SPDX-License-Identifier: GPL-3.0-or-later

package guest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"syd/conformance/capability"
	"syd/conformance/report"
)

// Names in the archive of results. The end record is the last one: without it
// the archive is not whole.
const (
	endName    = "end.json"
	doctorName = "doctor.json"
)

func runName(user string) string { return "run-" + user + ".json" }

// An End is the last record: what was planned and ran, as the guest knows it.
type End struct {
	Nonce  string   `json:"nonce"`
	Kernel string   `json:"kernel"`
	Runs   []EndRun `json:"runs"`
}

// An EndRun is one run's place in the end record.
type EndRun struct {
	User    string `json:"user"`
	Status  int    `json:"status"` // what `sydtest run` exited with
	Planned int    `json:"planned"`
	Specs   int    `json:"specs"`
}

// A Doctor is what `sydtest doctor --json` said in the guest.
type Doctor struct {
	Kernel       string              `json:"kernel"`
	Arch         string              `json:"arch"`
	Capabilities []capability.Answer `json:"capabilities"`
}

// Results is what came out of a guest.
type Results struct {
	End    *End
	Doctor *Doctor
	Runs   map[string]*report.Run // by user
}

// ReadResults reads an archive. What could be read is returned in either case;
// an error says why it is not whole.
func ReadResults(archive []byte) (*Results, error) {
	r := &Results{Runs: map[string]*report.Run{}}
	if len(archive) == 0 {
		return r, fmt.Errorf("there are no results")
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return r, fmt.Errorf("%d bytes of results, which are no archive: %w", len(archive), err)
	}
	files := tar.NewReader(unpacked)
	for {
		header, err := files.Next()
		if err == io.EOF {
			break
		}
		if err == nil && r.End != nil {
			err = fmt.Errorf("%s comes after the end record", header.Name)
		}
		if err == nil {
			err = r.read(header.Name, files)
		}
		if err != nil {
			return r, fmt.Errorf("%d bytes of results break off: %w", len(archive), err)
		}
	}
	// The checksum is at the very end.
	if _, err := io.Copy(io.Discard, unpacked); err != nil {
		return r, fmt.Errorf("%d bytes of results break off: %w", len(archive), err)
	}
	if r.End == nil {
		return r, errors.New("the results have no end record")
	}
	return r, nil
}

func (r *Results) read(name string, file io.Reader) error {
	var into any
	switch user, isRun := strings.CutPrefix(strings.TrimSuffix(name, ".json"), "run-"); {
	case name == endName:
		r.End = &End{}
		into = r.End
	case name == doctorName:
		r.Doctor = &Doctor{}
		into = r.Doctor
	case isRun:
		run := &report.Run{}
		r.Runs[user], into = run, run
	default:
		_, err := io.Copy(io.Discard, file)
		return err
	}
	data, err := io.ReadAll(file)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// judge holds whole results against what was wanted.
func (r *Results) judge(want Want) (Fate, string) {
	if r.End.Nonce != want.Nonce {
		return Stale, fmt.Sprintf("the results are of another boot: %q, not %q", r.End.Nonce, want.Nonce)
	}
	if len(r.End.Runs) != len(want.Runs) {
		return Miscounted, fmt.Sprintf("%d runs where %d were planned", len(r.End.Runs), len(want.Runs))
	}
	if r.Doctor == nil || len(r.Doctor.Capabilities) != len(capability.Table) {
		return Miscounted, "the doctor's answers are not all there"
	}
	if r.Doctor.Kernel != r.End.Kernel {
		return Stale, fmt.Sprintf("the doctor saw Linux %s, and the guest is Linux %s", r.Doctor.Kernel, r.End.Kernel)
	}
	fate, why := Green, ""
	for i, planned := range want.Runs {
		end, run := r.End.Runs[i], r.Runs[planned.User]
		if end.User != planned.User || run == nil {
			return Miscounted, fmt.Sprintf("no run as %s", planned.User)
		}
		if run.Host.Kernel != r.End.Kernel {
			return Stale, fmt.Sprintf("the run as %s saw Linux %s, and the guest is Linux %s", planned.User, run.Host.Kernel, r.End.Kernel)
		}
		if end.Planned != planned.Planned || run.Planned != planned.Planned || len(run.Specs) != planned.Planned || end.Specs != planned.Planned {
			return Miscounted, fmt.Sprintf("as %s: planned here %d, in the guest %d; its report plans %d and has %d (%d when it was written)",
				planned.User, planned.Planned, end.Planned, run.Planned, len(run.Specs), end.Specs)
		}
		// The counts are recounted: a report's own are a claim.
		run.Count()
		status := run.ExitStatus()
		if status != end.Status {
			return Miscounted, fmt.Sprintf("as %s: its report amounts to exit status %d, and it exited with %d", planned.User, status, end.Status)
		}
		if next := fateOf(status); next.Status() != 0 && (fate == Green || next == Failed) {
			fate, why = next, fmt.Sprintf("as %s: %s", planned.User, tell(run))
		}
	}
	if odd := r.Doctor.odd(); fate == Green && len(odd) > 0 {
		return Odd, "missing although Linux " + r.Doctor.Kernel + " is new enough: " + strings.Join(odd, " ")
	}
	return fate, why
}

// odd is the capabilities that are missing on a kernel that should have them.
func (d *Doctor) odd() []string {
	var names []string
	for _, answer := range d.Capabilities {
		if Missing(answer, d.Kernel) {
			names = append(names, answer.Name)
		}
	}
	return names
}

// Missing says that a capability is not there although the kernel is new enough.
func Missing(answer capability.Answer, release string) bool {
	c, ok := capability.Find(answer.Name)
	return ok && !answer.OK && c.Optional == "" && capability.AtLeast(release, c.Linux)
}

func fateOf(status int) Fate {
	for _, row := range Fates {
		if row.Status == status {
			return row.Fate
		}
	}
	return Harness
}

// tell is a run's red specs, or what else is wrong with it.
func tell(run *report.Run) string {
	var red []string
	for _, s := range run.Specs {
		if s.Verdict.Red(run.Strict) {
			red = append(red, s.ID)
		}
	}
	text := strings.Join(red, " ")
	if len(red) == 0 {
		text = strings.Join(run.Problems, "; ")
	}
	if text == "" {
		text = fmt.Sprintf("%d of %d specs executed", run.Executed, run.Planned)
	}
	return text
}
