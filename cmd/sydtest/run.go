// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"syd/conformance/engine"
	"syd/conformance/report"
)

// runFlags is what `sydtest run` is told.
type runFlags struct {
	engine.Options
	shard   string
	verbose bool
	json    string
	junit   string
}

func parseRun(args []string, stdout, stderr io.Writer) (*runFlags, int) {
	f := &runFlags{}
	set := newFlagSet("run", "run --syd PATH [OPTION...]", stdout, stderr)
	set.StringVar(&f.Build, "syd", "", "the build to judge (`PATH`, required)")
	set.IntVar(&f.Jobs, "j", 2*runtime.NumCPU(), "run `N` specs at a time (default: twice the processors, since most wait for something)")
	set.StringVar(&f.Select.Label, "label", "", "only specs whose labels match the `EXPRESSION`, such as 'LCH && !smoke'")
	set.StringVar(&f.Select.Clause, "clause", "", "only specs of clauses that match the `PATTERN`, such as 'EVT-SIG-*'")
	set.StringVar(&f.Select.ID, "id", "", "only specs whose ID matches a `PATTERN[,PATTERN...]`, such as LCH-01.2")
	set.BoolVar(&f.Select.Smoke, "smoke", false, "only the quick overview")
	set.BoolVar(&f.Select.Slow, "slow", false, "the slow specs too")
	set.IntVar(&f.Passes, "repeat", 1, "run everything `N` times, each time in another order")
	set.BoolVar(&f.UntilItFails, "until-it-fails", false, "repeat until something fails")
	set.Int64Var(&f.Seed, "seed", 0, "the order's `SEED` (default: a new one, which the report names)")
	set.StringVar(&f.shard, "shard", "", "run the `I/N`th part, such as 1/4")
	set.StringVar(&f.User, "user", "", "run as the user `NAME` (for root)")
	set.BoolVar(&f.Foreign, "foreign", false, "the build is not this project's: where it differs from our own decisions is xfail")
	set.BoolVar(&f.Strict, "strict", false, "a skipped spec is a failure")
	set.BoolVar(&f.verbose, "verbose", false, "a line for each spec when it starts and when it ends")
	set.StringVar(&f.json, "json", "", "write the report as JSON to `FILE`")
	set.StringVar(&f.junit, "junit", "", "write the report as JUnit XML to `FILE`")
	if status, ok := set.parse(args); !ok {
		return nil, status
	}
	if err := f.check(set); err != nil {
		fmt.Fprintf(stderr, "sydtest run: %v\n", err)
		return nil, report.ExitUsage
	}
	return f, 0
}

func (f *runFlags) check(set *flagSet) error {
	if set.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q; the build is named with --syd PATH", set.Arg(0))
	}
	if err := checkBuild(&f.Build); err != nil {
		return err
	}
	if f.Jobs < 1 {
		return fmt.Errorf("-j %d: at least 1 spec at a time", f.Jobs)
	}
	if f.Passes < 1 {
		return fmt.Errorf("--repeat %d: at least once", f.Passes)
	}
	if f.shard != "" {
		s := &f.Select
		if n, err := fmt.Sscanf(f.shard+"\n", "%d/%d\n", &s.Shard, &s.Shards); n != 2 || err != nil || s.Shard < 1 || s.Shard > s.Shards {
			return fmt.Errorf("--shard %s: write I/N with 1 <= I <= N, such as 1/4", f.shard)
		}
	}
	if f.Seed == 0 {
		f.Seed = time.Now().UnixNano()%1_000_000 + 1
	}
	if err := checkOutputs(map[string]string{"--json": f.json, "--junit": f.junit}); err != nil {
		return err
	}
	return f.Select.Check()
}

// checkBuild says what is wrong with --syd, and makes it absolute.
func checkBuild(path *string) error {
	if *path == "" {
		return fmt.Errorf("which build? name it with --syd PATH")
	}
	build, err := filepath.Abs(*path)
	if err != nil {
		return err
	}
	*path = build
	info, err := os.Stat(build)
	switch {
	case err != nil:
		return fmt.Errorf("--syd: %w", err)
	case info.IsDir():
		return fmt.Errorf("--syd: %s is a directory; name the executable in it", build)
	case info.Mode()&0o111 == 0:
		return fmt.Errorf("--syd: %s is not executable; chmod +x it", build)
	}
	return nil
}

// checkOutputs makes the files that flags name: a report that cannot be written
// is better known now than after the run.
func checkOutputs(flags map[string]string) error {
	for flag, path := range flags {
		if path == "" {
			continue
		}
		file, err := os.Create(path)
		if err != nil {
			return fmt.Errorf("%s: %w", flag, err)
		}
		if err := file.Close(); err != nil {
			return fmt.Errorf("%s: %w", flag, err)
		}
	}
	return nil
}

func runVerb(args []string, stdout, stderr io.Writer) int {
	f, status := parseRun(args, stdout, stderr)
	if f == nil {
		return status
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	show := newProgress(stdout, f.Strict)
	show.verbose = f.verbose
	result, err := engine.Run(ctx, f.Options, show)
	if result != nil {
		show.summary(result)
		if err := writeReports(f, result); err != nil {
			fmt.Fprintf(stderr, "sydtest run: %v\n", err)
			return report.ExitHarness
		}
	}
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("interrupted")
		}
		fmt.Fprintf(stderr, "sydtest run: %v\n", err)
		return report.ExitHarness
	}
	return result.ExitStatus()
}

func writeReports(f *runFlags, r *report.Run) error {
	for _, out := range []struct {
		path  string
		write func(io.Writer) error
	}{{f.json, r.WriteJSON}, {f.junit, r.WriteJUnit}} {
		if out.path == "" {
			continue
		}
		file, err := os.Create(out.path)
		if err != nil {
			return err
		}
		if err := out.write(file); err != nil {
			file.Close()
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
	}
	return nil
}
