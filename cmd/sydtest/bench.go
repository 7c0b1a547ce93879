// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"syd/conformance/bench"
	"syd/conformance/report"
)

// benchFlags is what `sydtest bench` is told.
type benchFlags struct {
	bench.Options
	json     string
	check    bool
	programs bool
}

func parseBench(args []string, stdout, stderr io.Writer) (*benchFlags, int) {
	f := &benchFlags{}
	var options, vs, only string
	set := newFlagSet("bench", "bench --syd PATH [OPTION...]", stdout, stderr)
	set.StringVar(&f.Build, "syd", "", "the build to measure (`PATH`, required)")
	set.StringVar(&options, "options", "-p off", "the build's `OPTIONS`, split at spaces (default: -p off)")
	set.StringVar(&vs, "vs", "", "compare with another launcher instead of native: `COMMAND`, split at spaces, such as 'old/syd -p off --'; all targets are then 1.05")
	set.StringVar(&only, "only", "", "only the cases `NAME[,NAME...]` of "+strings.Join(bench.Names(), ", "))
	set.IntVar(&f.Rounds, "rounds", 0, "measure both sides `N` times in turn (default: each case's own number)")
	set.StringVar(&f.json, "json", "", "write the report as JSON to `FILE`")
	set.BoolVar(&f.check, "check", false, "exit 1 if an interval lies wholly above its target")
	set.BoolVar(&f.programs, "programs", false, "measure programs of everyday work instead, beside bwrap and strace where they are installed")
	if status, ok := set.noArguments(args); !ok {
		return nil, status
	}
	f.BuildOptions, f.Vs = strings.Fields(options), strings.Fields(vs)
	if only != "" {
		f.Only = strings.Split(only, ",")
	}
	if err := f.verify(set); err != nil {
		fmt.Fprintf(stderr, "sydtest bench: %v\n", err)
		return nil, report.ExitUsage
	}
	return f, 0
}

func (f *benchFlags) verify(set *flagSet) error {
	if f.Build == "" {
		return fmt.Errorf("which build? name it with --syd PATH")
	}
	var err error
	// LookPath takes a name without a slash from PATH, and --syd is a path.
	if f.Build, err = filepath.Abs(f.Build); err != nil {
		return err
	}
	if _, err := exec.LookPath(f.Build); err != nil {
		return fmt.Errorf("--syd: %w", err)
	}
	if len(f.Vs) > 0 {
		path, err := exec.LookPath(f.Vs[0])
		if err == nil {
			path, err = filepath.Abs(path)
		}
		if err != nil {
			return fmt.Errorf("--vs: %w", err)
		}
		f.Vs[0] = path
	}
	for _, name := range f.Only {
		if !slices.Contains(bench.Names(), name) {
			return fmt.Errorf("--only: there is no case %q; there are %s", name, strings.Join(bench.Names(), ", "))
		}
	}
	asked := false
	set.Visit(func(g *flag.Flag) { asked = asked || g.Name == "rounds" })
	if f.programs && (f.json != "" || f.check || len(f.Vs) > 0 || len(f.Only) > 0) {
		return fmt.Errorf("--programs goes with --syd and --rounds alone")
	}
	if asked && (f.Rounds < bench.MinRounds || f.Rounds > bench.MaxRounds) {
		return fmt.Errorf("--rounds %d: from %d, the least that give an interval, to %d", f.Rounds, bench.MinRounds, bench.MaxRounds)
	}
	return nil
}

func benchVerb(args []string, stdout, stderr io.Writer) int {
	f, status := parseBench(args, stdout, stderr)
	if f == nil {
		return status
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if f.programs {
		if err := bench.MeasurePrograms(ctx, f.Options, stdout); err != nil {
			told(ctx, stderr, "bench", err)
			return report.ExitHarness
		}
		return report.ExitGreen
	}
	run := bench.NewRun(f.Options)
	run.WriteHead(stdout)
	err := bench.Measure(ctx, f.Options, run, func(row bench.Row) { row.WriteRow(stdout) })
	run.WriteFoot(stdout)
	if err == nil && f.json != "" {
		err = writeFile(f.json, run.WriteJSON)
	}
	if err != nil {
		told(ctx, stderr, "bench", err)
		return report.ExitHarness
	}
	return run.ExitStatus(f.check)
}

// told tells why a verb could not do its work, and returns it: the user's
// interruption, or err.
func told(ctx context.Context, stderr io.Writer, verb string, err error) error {
	if ctx.Err() != nil {
		err = fmt.Errorf("interrupted")
	}
	fmt.Fprintf(stderr, "sydtest %s: %v\n", verb, err)
	return err
}

func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := write(file); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}
