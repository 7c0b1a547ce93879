// SPDX-License-Identifier: GPL-3.0-or-later

package guest

import (
	"context"
	_ "embed" // grid.schema.json
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"syd/conformance/report"
)

// Options is what is to be run, and where.
type Options struct {
	Contents
	Specs   []string  // of kernels
	Builds  string    // has the builds for another architecture: ARCH/syd, ARCH/sydtest
	Want    []WantRun // what Contents.Job runs
	Method  string    // auto, kvm, tcg
	Jobs    int       // guests at once
	CPUs    int       // of a guest
	Limit   time.Duration
	Cache   string
	Offline bool
	// Host runs the suite on the running kernel, whose results are judged as a
	// guest's are, by what this user can run.
	Host func(ctx context.Context) (*Results, []WantRun, error)
	// Log is told what happens, one line at a time.
	Log func(format string, args ...any)
}

// SchemaID names the version of the JSON report that Grid is, Schema describes it.
const SchemaID = "sydtest-kernels-1"

// Schema is the JSON Schema of the report.
//
//go:embed grid.schema.json
var Schema string

// A Grid is the suite on several kernels.
type Grid struct {
	Schema    string           `json:"schema"`
	Build     report.BuildInfo `json:"build"`
	Arch      string           `json:"arch"`
	Method    Method           `json:"method"`
	Selection string           `json:"selection,omitempty"`
	Started   string           `json:"started"`
	MS        float64          `json:"ms"`
	Cells     []*Cell          `json:"kernels"`
}

// A Cell is one kernel's part of the grid.
type Cell struct {
	Kernel
	Release     string        `json:"release"`
	Fate        Fate          `json:"fate"`
	Status      int           `json:"status"`
	Why         string        `json:"why,omitempty"`
	FirstSpecMS float64       `json:"first_spec_ms,omitempty"` // from the emulator's start
	MS          float64       `json:"ms"`
	Console     string        `json:"console,omitempty"` // its end, of a guest that is not green
	Doctor      *Doctor       `json:"doctor,omitempty"`
	Runs        []*report.Run `json:"runs"`
}

func (c *Cell) settle(fate Fate, why string, r *Results, want []WantRun) {
	c.Fate, c.Why, c.Status, c.Runs = fate, why, fate.Status(), []*report.Run{}
	if r == nil {
		return
	}
	c.Doctor = r.Doctor
	if r.End != nil {
		c.Release = r.End.Kernel
	}
	for _, w := range want {
		if run := r.Runs[w.User]; run != nil {
			run.Count()
			c.Runs = append(c.Runs, run)
		}
	}
}

// fail settles a kernel that was never booted.
func (c *Cell) fail(err error) {
	var p *Problem
	if errors.As(err, &p) {
		c.settle(p.Fate, p.Text, nil, nil)
		return
	}
	c.settle(Harness, err.Error(), nil, nil)
}

// Suite boots every kernel and runs the suite in it. An error is about this
// machine or what it was told; what became of each kernel is in the grid.
func Suite(ctx context.Context, o Options) (*Grid, error) {
	began := time.Now()
	arch, err := ProgramArch(o.Syd)
	if err != nil {
		return nil, err
	}
	g := &Grid{Schema: SchemaID, Arch: arch.Name, Started: began.UTC().Format(time.RFC3339)}
	dir, err := os.MkdirTemp("", "sydtest-kernels-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	sessions := map[string]*session{}
	var guests []*booting
	var hosts []*Cell
	for _, spec := range o.Specs {
		cell := &Cell{Kernel: Kernel{Spec: spec}}
		g.Cells = append(g.Cells, cell)
		if spec == HostSpec {
			hosts = append(hosts, cell)
			continue
		}
		s, err := o.session(dir, spec, arch, sessions)
		if err == nil {
			cell.Kernel, err = s.finder.Find(ctx, spec)
		}
		if err == nil {
			err = s.ready(ctx, cell)
		}
		if err != nil {
			if s != nil && s.fatal(err, arch) {
				return nil, err
			}
			cell.fail(err)
			o.Log("%s: %s: %s", spec, cell.Fate, cell.Why)
			continue
		}
		if g.Method == (Method{}) {
			g.Method = s.method
		}
		guests = append(guests, &booting{s, cell, filepath.Join(dir, fmt.Sprint(len(guests)))})
	}
	o.bootAll(ctx, guests)
	// Nothing else runs beside it: the host's own specs measure, too.
	for _, cell := range hosts {
		if err := ctx.Err(); err != nil {
			cell.fail(err)
			continue
		}
		o.host(ctx, cell)
	}
	g.MS = float64(time.Since(began).Milliseconds())
	return g, ctx.Err()
}

// A session is what the guests of one architecture share.
type session struct {
	options  Options
	dir      string
	finder   *Finder
	machine  Machine
	contents Contents
	initrd   string
	method   Method
	prepared bool
	problem  error // of preparing it
}

// session is that of the architecture which a kernel's name says: else the build's.
func (o Options) session(dir, spec string, native Arch, all map[string]*session) (*session, error) {
	arch := native
	if _, name := SplitSpec(spec); name != "" {
		arch, _ = FindArch(name)
	}
	if s := all[arch.Name]; s != nil {
		return s, nil
	}
	s := &session{
		options: o, dir: filepath.Join(dir, arch.Name), contents: o.Contents,
		finder:  &Finder{Arch: arch, Cache: o.Cache, Offline: o.Offline, Log: o.Log},
		machine: Machine{Arch: arch, Memory: 1024, CPUs: o.CPUs, Limit: o.Limit},
	}
	builds, err := o.builds(arch, native)
	if err != nil {
		return nil, err
	}
	s.contents.Syd, s.contents.Sydtest = builds.syd, builds.sydtest
	all[arch.Name] = s
	return s, os.Mkdir(s.dir, 0o700)
}

// fatal: there is no grid without guests of the build's own architecture.
func (s *session) fatal(err error, native Arch) bool {
	return s.problem == err && s.machine.Arch.Name == native.Name
}

// ready prepares what the guests share, once: first is the first of them.
func (s *session) ready(ctx context.Context, first *Cell) error {
	if !s.prepared {
		s.prepared, s.problem = true, s.prepare(ctx, first)
	}
	return s.problem
}

func (s *session) prepare(ctx context.Context, first *Cell) (err error) {
	if s.machine.QEMU, err = FindQEMU(s.machine.Arch); err != nil {
		return err
	}
	if s.machine.Arch.Name != runtime.GOARCH {
		if s.contents.Sysroot, err = s.finder.Root(ctx); err != nil {
			return err
		}
	}
	s.initrd = filepath.Join(s.dir, "initrd")
	notes, err := Pack(s.initrd, s.machine.Arch, s.contents)
	if err != nil {
		return err
	}
	for _, note := range notes {
		s.options.Log("NOTE %s: %s", s.machine.Arch.Name, note)
	}
	s.method, err = ChooseMethod(s.options.Method, s.machine.Arch, "/sys/module", func() error {
		dir := filepath.Join(s.dir, "trial")
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		kvm := s.machine
		kvm.Accel = "kvm"
		return kvm.Trial(ctx, first.Boot, s.initrd, dir)
	})
	s.machine.Accel = s.method.Accel
	if err == nil {
		s.options.Log("method %s for %s: %s", s.method.Accel, s.machine.Arch.Name, s.method.Evidence)
	}
	return err
}

// A booting is a guest that is to be run, and its directory.
type booting struct {
	session *session
	cell    *Cell
	dir     string
}

func (o Options) bootAll(ctx context.Context, guests []*booting) {
	queue := make(chan *booting)
	var all sync.WaitGroup
	for range min(o.Jobs, len(guests)) {
		all.Go(func() {
			for b := range queue {
				b.session.boot(ctx, b.cell, b.dir)
			}
		})
	}
	for _, b := range guests {
		queue <- b
	}
	close(queue)
	all.Wait()
}

func (s *session) boot(ctx context.Context, cell *Cell, dir string) {
	if ctx.Err() != nil {
		cell.fail(ctx.Err())
		return
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		cell.fail(err)
		return
	}
	s.options.Log("%s: boots", cell.Spec)
	o, nonce, err := s.machine.Boot(ctx, cell.Boot, s.initrd, dir)
	if err != nil {
		cell.fail(err)
		return
	}
	fate, why, results := Classify(o, Want{Nonce: nonce, Runs: s.options.Want})
	cell.settle(fate, why, results, s.options.Want)
	cell.MS, cell.FirstSpecMS = float64(o.Took.Milliseconds()), float64(o.FirstSpec.Milliseconds())
	if fate != Green {
		cell.Console = o.Tail(60)
	}
	s.options.Log("%s: Linux %s: %s after %.1f s (first spec at %.1f s)%s", cell.Spec, cell.Release, fate, o.Took.Seconds(), o.FirstSpec.Seconds(), because(why))
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

func (o Options) host(ctx context.Context, cell *Cell) {
	o.Log("%s: runs", cell.Spec)
	began := time.Now()
	results, want, err := o.Host(ctx)
	if err != nil {
		cell.fail(err)
	} else {
		fate, why := results.judge(Want{Runs: want})
		cell.settle(fate, why, results, want)
	}
	cell.MS = float64(time.Since(began).Milliseconds())
	o.Log("%s: %s after %.1f s%s", cell.Spec, cell.Fate, cell.MS/1000, because(cell.Why))
}

// ExitStatus is the highest of the cells' statuses; a kernel that is not to be
// had counts only if it is required, but a grid in which nothing ran is never green.
func (g *Grid) ExitStatus(require bool) int {
	status, ran := report.ExitGreen, false
	for _, cell := range g.Cells {
		if cell.Fate == Absent && !require {
			continue
		}
		ran = true
		status = max(status, cell.Fate.Status())
	}
	if !ran {
		return report.ExitNothing
	}
	return status
}
