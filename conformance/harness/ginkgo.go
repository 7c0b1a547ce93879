// SPDX-License-Identifier: GPL-3.0-or-later

package harness

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
	"github.com/onsi/gomega"

	"syd/conformance/capability"
	"syd/conformance/catalogue"
	"syd/conformance/report"
)

// This file is the one place that knows Ginkgo's running side.

// LabelSlow marks what runs only on request; LabelSmoke the quick overview.
const (
	LabelSlow   = "slow"
	LabelSmoke  = "smoke"
	LabelAlone  = "alone"
	LabelStress = "stress"
	// LabelDisabled is given to specs that the source has switched off.
	LabelDisabled = "disabled"
)

const leftBehind = "left behind:\n"

// DefaultBound is the time that a spec has, before scaling.
const DefaultBound = 20 * time.Second

// A Decorator says more about a spec.
type Decorator struct{ apply func(*catalogue.Spec) }

var (
	// Slow specs run only with --slow. Give them a Within-like TimeLimit.
	Slow = labelled(LabelSlow)
	// Smoke specs are the overview that runs in seconds.
	Smoke = labelled(LabelSmoke)
	// Stress specs load the machine, or wait for long; what they show is the same
	// for whoever runs them.
	Stress = labelled(LabelStress)
	// Alone specs run when nothing else does: they measure, or they change
	// something that others see.
	Alone = Decorator{func(s *catalogue.Spec) { s.Alone = true; s.Labels = append(s.Labels, LabelAlone) }}
	// RootOnly specs are unsupported for an ordinary user.
	RootOnly = Requires("root")
)

func labelled(label string) Decorator {
	return Decorator{func(s *catalogue.Spec) { s.Labels = append(s.Labels, label) }}
}

// Clauses names further clauses that the spec covers, beside its ID's own.
func Clauses(ids ...string) Decorator {
	return Decorator{func(s *catalogue.Spec) { s.Clauses = append(s.Clauses, ids...) }}
}

// Requires names capabilities without which the spec is unsupported.
func Requires(names ...string) Decorator {
	return Decorator{func(s *catalogue.Spec) { s.Requires = append(s.Requires, names...) }}
}

// TimeLimit replaces the spec's DefaultBound; it is scaled too.
func TimeLimit(bound time.Duration) Decorator {
	return Decorator{func(s *catalogue.Spec) { s.Bound = bound }}
}

// registry holds what the tree's construction declared.
var registry struct {
	specs    map[string]catalogue.Spec
	problems []string
}

func resetRegistry() { registry.specs, registry.problems = map[string]catalogue.Spec{}, nil }

func init() { resetRegistry() }

// Spec declares one spec: its ID (CLAUSE.NUMBER, for ever the same), one
// sentence in the present tense, and its body. Decorators are those of this
// package; Ginkgo's own are passed on.
func Spec(id, text string, body func(ctx context.Context), decorators ...any) {
	GinkgoHelper()
	spec := catalogue.Spec{ID: id, Text: text, Bound: DefaultBound, Location: types.NewCodeLocation(1).String()}
	clause, err := catalogue.ClauseOf(id)
	if err != nil {
		registry.problems = append(registry.problems, err.Error())
		clause = id
	}
	spec.Clauses = []string{clause}
	args := []any{Offset(1)}
	for _, d := range decorators {
		if own, ok := d.(Decorator); ok {
			own.apply(&spec)
		} else if reflect.DeepEqual(d, Serial) {
			Alone.apply(&spec)
		} else {
			args = append(args, d)
		}
	}
	for _, c := range spec.Clauses {
		if _, ok := catalogue.Find(c); !ok {
			registry.problems = append(registry.problems, fmt.Sprintf("spec %s (%s): there is no clause %s", id, spec.Location, c))
		}
		spec.Labels = append(spec.Labels, c)
		if family := catalogue.Family(c); !slices.Contains(spec.Labels, family) {
			spec.Labels = append(spec.Labels, family)
		}
	}
	for _, name := range spec.Requires {
		if _, ok := capability.Find(name); !ok {
			registry.problems = append(registry.problems, fmt.Sprintf("spec %s (%s): there is no capability %s", id, spec.Location, name))
		}
	}
	if first, twice := registry.specs[id]; twice {
		registry.problems = append(registry.problems, fmt.Sprintf("spec %s is declared twice: %s and %s", id, first.Location, spec.Location))
	}
	registry.specs[id] = spec
	args = append(args, Label(spec.Labels...), SpecTimeout(Bound(spec.Bound)), GracePeriod(5*time.Second),
		func(ctx SpecContext) {
			for _, name := range spec.Requires {
				Require(name)
			}
			body(ctx)
		})
	It("["+id+"] "+text, args...)
}

// idOf is the ID in the text of a leaf, "" when it was not declared by Spec.
func idOf(leaf string) string {
	if rest, ok := strings.CutPrefix(leaf, "["); ok {
		if id, _, ok := strings.Cut(rest, "] "); ok {
			return id
		}
	}
	return ""
}

// A Runner is told what happens, and decides what runs.
type Runner struct {
	// Take says whether the next spec in order is to be run here; positions
	// count from 0 and leave out disabled specs. Nil: yes.
	Take func(position int) bool
	// Tell receives the start and end of each spec that was taken. Nil: nobody.
	Tell func(report.Event)
}

var (
	runner   Runner
	position int
	taken    bool
	began    time.Time
)

var _ = BeforeEach(func() {
	id := idOf(CurrentSpecReport().LeafNodeText)
	here := position
	position++
	taken = runner.Take == nil || runner.Take(here)
	if !taken {
		Skip("another process runs it")
	}
	began = time.Now()
	if runner.Tell != nil {
		runner.Tell(report.Event{Kind: "start", ID: id, Position: here})
	}
	s := begin(id)
	// Registered first, so it runs last: after the spec's own clean-up.
	DeferCleanup(func() {
		failed := CurrentSpecReport().Failed()
		left := s.finish(failed)
		if len(left) == 0 {
			return
		}
		message := leftBehind + strings.Join(left, "\n")
		if failed {
			// It has failed already; what is left is only worth a line.
			GinkgoWriter.Println(message)
			return
		}
		Fail(message)
	})
})

var _ = ReportAfterEach(func(r SpecReport) {
	if !taken || runner.Tell == nil || r.State.Is(types.SpecStatePending) {
		return
	}
	event := eventOf(r, current())
	event.Position = position - 1
	event.MS = float64(time.Since(began).Microseconds()) / 1000
	runner.Tell(event)
	taken = false
})

// eventOf turns Ginkgo's words into a verdict.
func eventOf(r SpecReport, s *specState) report.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	event := report.Event{
		Kind: "end", ID: idOf(r.LeafNodeText),
		Message: r.FailureMessage(), Details: r.CapturedGinkgoWriterOutput, Unsupported: s.unsupported,
	}
	if r.Failed() {
		event.Location = r.FailureLocation().String()
		if strings.HasPrefix(event.Message, leftBehind) {
			event.Location = r.LeafNodeLocation.String()
		}
	}
	switch {
	case r.State.Is(types.SpecStateSkipped) && s.unsupported != nil:
		event.Verdict = report.Unsupported
	case r.State.Is(types.SpecStateSkipped):
		event.Verdict, event.Message = report.Fail, "skipped without a record of what is missing"
	case s.verdict == report.Crash:
		event.Verdict, event.Message = report.Crash, strings.TrimSpace(s.message+"\n"+event.Message)
	case r.State.Is(types.SpecStateTimedout):
		event.Verdict = report.Timeout
		if s.verdict == report.Timeout {
			event.Message = s.message
		}
	case s.verdict != "":
		event.Verdict = s.verdict
	case r.State.Is(types.SpecStatePassed):
		event.Verdict = report.Pass
	case r.State.Is(types.SpecStatePanicked):
		event.Verdict = report.Error
		event.Message = "the spec itself panicked: " + r.Failure.ForwardedPanic + "\n" + r.Failure.Location.FullStackTrace
	case r.State.Is(types.SpecStateFailed):
		event.Verdict = report.Fail
	default:
		event.Verdict = report.Error
		event.Message = strings.TrimSpace("interrupted " + event.Message)
	}
	// Further failures of the same spec (clean-up, other goroutines).
	for _, additional := range r.AdditionalFailures {
		if text := additional.Failure.Message; !strings.Contains(event.Message, text) {
			event.Details += "\n" + text
		}
	}
	return event
}

// failer is all of testing.T that Ginkgo wants.
type failer struct{ failed bool }

func (f *failer) Fail() { f.failed = true }

func settings(seed int64) (types.SuiteConfig, types.ReporterConfig) {
	suite, reporter := GinkgoConfiguration()
	suite.RandomSeed = seed
	suite.RandomizeAllSpecs = true
	suite.FailFast = false
	reporter.Succinct, reporter.NoColor = true, true
	return suite, reporter
}

// Plan returns all specs in the order in which Run runs them with the same
// seed, and what is wrong with how they are declared.
func Plan(seed int64) ([]catalogue.Spec, []string) {
	resetRegistry()
	suite, reporter := settings(seed)
	preview := PreviewSpecs("conformance", suite, reporter)
	var specs []catalogue.Spec
	problems := registry.problems
	for _, r := range preview.SpecReports {
		if !r.LeafNodeType.Is(types.NodeTypeIt) {
			continue
		}
		spec, ok := registry.specs[idOf(r.LeafNodeText)]
		if !ok {
			problems = append(problems, fmt.Sprintf("%s: %q has no ID: declare it with Spec", r.LeafNodeLocation, r.LeafNodeText))
		}
		spec.Subject = strings.Join(r.ContainerHierarchyTexts, " ")
		if r.State.Is(types.SpecStatePending) {
			spec.Labels = append(spec.Labels, LabelDisabled)
		}
		specs = append(specs, spec)
	}
	return specs, problems
}

// Run runs the specs in this process, once. Configure comes before it.
func Run(seed int64, r Runner) bool {
	resetRegistry()
	runner, position = r, 0
	gomega.RegisterFailHandler(Fail)
	suite, reporter := settings(seed)
	f := &failer{}
	RunSpecs(f, "conformance", suite, reporter)
	return !f.failed
}
