// SPDX-License-Identifier: GPL-3.0-or-later

package bench

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A Case is one row of the table: what is done on both sides, and what the
// build may cost.
type Case struct {
	Name string `json:"name"`
	What string `json:"what"`
	// Target is the ratio that must not be exceeded, Goal the one to reach; 0 is
	// none.
	Target float64 `json:"target"`
	Goal   float64 `json:"goal,omitempty"`
	// rounds is how many make a usable interval in a few seconds.
	rounds int
	// budget bounds the time of all rounds; 0 does not.
	budget time.Duration
	// command is what the fixture `bench` does, and prints samples of.
	command []string
	// outside: the fixture runs natively on both sides and starts what is
	// measured. Otherwise it runs inside, and the sandbox's start is not timed.
	outside bool
	// rules is how many there are in the build's policy, which has every call on
	// files looked at and allows what the case does; 0: the build's options only.
	rules int
	// tasks, if there are any, are the live tasks on either side; both are in
	// the build's sandbox.
	tasks [2]int
}

// program stands for the path of the fixture that does nothing, started as the
// side says.
const program = "PROGRAM"

// Cases is every case, in the order of measuring.
var Cases = []Case{
	{
		Name: "start", What: "a program that ends at once, from start to exit",
		Target: 7, Goal: 5, rounds: 80, outside: true, command: []string{"spawn", "5", program},
	},
	{
		Name: "spawn", What: "posix_spawn, exec and wait of a static program inside the sandbox",
		Target: 1.35, Goal: 1.15, rounds: 80, command: []string{"spawn", "50", program},
	},
	{
		Name: "signal", What: "kill(self) and its handler inside the sandbox",
		Target: 8, rounds: 40, command: []string{"signal", "1000"},
	},
	{
		Name: "cpu", What: "50 ms of arithmetic",
		Target: 1.02, rounds: 80, command: []string{"cpu", "100", "300000"},
	},
	{
		Name: "io", What: "64 KiB through a pipe, 4,000 times",
		Target: 1.02, rounds: 80, command: []string{"io", "200", "20"},
	},
	{
		Name: "crowd", What: "fork, exit and wait beside 10,000 sleeping tasks; the base is the same beside 10",
		Target: 1.35, rounds: 100, command: []string{"crowd", tasks, "40"}, tasks: [2]int{10, 10000},
	},
	{
		Name: "open", What: "open and close of a file, under 10 rules",
		Target: 9, Goal: 7, rounds: 40, command: []string{"open", "400", program}, rules: 10,
	},
	{
		Name: "open10k", What: "the same under 10,000 rules",
		Target: 11, rounds: 40, command: []string{"open", "400", program}, rules: 10_000,
	},
	{
		Name: "stat", What: "stat of a file, under 10 rules",
		Target: 12, rounds: 40, command: []string{"stat", "400", program}, rules: 10,
	},
	{
		Name: "pair", What: "open and close, while another process does the same, under 10 rules",
		Target: 15, Goal: 10, rounds: 40, command: []string{"open-pair", "400", program}, rules: 10,
	},
	{
		Name: "free", What: "calls that no rule is about, under 10 rules",
		Target: 1.05, rounds: 80, command: []string{"seek", "200", "500"}, rules: 10,
	},
}

// tasks stands for the number of live tasks.
const tasks = "TASKS"

// Names are the names of all cases.
func Names() []string {
	names := make([]string, len(Cases))
	for i, c := range Cases {
		names[i] = c.Name
	}
	return names
}

// VsTarget is every case's target where the base is another launcher: no more
// than 5 % above it.
const VsTarget = 1.05

// A Verdict compares an interval with a target.
type Verdict string

// The verdicts. An interval that lies on both sides of the target is unclear:
// more rounds, or a quieter machine, would tell.
const (
	OK          Verdict = "ok"
	Over        Verdict = "over"
	Unclear     Verdict = "unclear"
	Unsupported Verdict = "unsupported"
	Failed      Verdict = "failed"
)

func judge(e Estimate, target float64) Verdict {
	switch {
	case e.Low > target:
		return Over
	case e.High <= target:
		return OK
	}
	return Unclear
}

// A side is one way to run a case: the whole command of what prints samples, and
// whether it measures on request.
type side struct {
	argv []string
	// onRequest: it lives on and measures once for each line that it is sent.
	onRequest bool
}

// sides are the base and the build.
func (c Case) sides(fixture, nothing string, base, build []string) [2]side {
	var both [2]side
	for i, launcher := range [2][]string{base, build} {
		argv := []string{fixture}
		for _, word := range c.command {
			switch word {
			case program:
				if c.outside {
					argv = append(argv, launcher...)
				}
				word = nothing
			case tasks:
				word = strconv.Itoa(c.tasks[i])
			}
			argv = append(argv, word)
		}
		if c.crowded() {
			launcher = build
		}
		if !c.outside {
			argv = append(launcher[:len(launcher):len(launcher)], argv...)
		}
		both[i] = side{argv: argv, onRequest: c.crowded()}
	}
	return both
}

func (c Case) crowded() bool { return c.tasks != [2]int{} }

// options are those that the build needs for the case: its policy, in a file.
func (c Case) options(dir string) ([]string, error) {
	if c.rules == 0 {
		return nil, nil
	}
	var text strings.Builder
	text.WriteString("sandbox/all:on\nallow/all+/***\n")
	for i := range c.rules - 1 {
		kind := [...]string{"/***", "/file", "/*.c"}[i%3]
		fmt.Fprintf(&text, "deny/all+/nowhere/%d%s\n", i, kind)
	}
	name := filepath.Join(dir, fmt.Sprintf("rules-%d.syd-3", c.rules))
	return []string{"-P", name}, os.WriteFile(name, []byte(text.String()), 0o644)
}

// Duration prints nanoseconds with three digits and a unit.
func Duration(ns float64) string {
	unit := "ns"
	for _, next := range []string{"µs", "ms", "s"} {
		if ns < 999.5 {
			break
		}
		ns, unit = ns/1000, next
	}
	return fmt.Sprintf("%.*f %s", digits(ns), ns, unit)
}

// digits is how many decimals leave three significant digits, once rounded:
// 9.996 is 10.0.
func digits(value float64) int {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(value, 'e', 2, 64), 64)
	if err != nil || rounded <= 0 {
		return 0
	}
	return max(0, 2-int(math.Floor(math.Log10(rounded))))
}
