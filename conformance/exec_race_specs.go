// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// execRaceMS bounds one race, in milliseconds. A race ends as soon as it was won, or
// lost by death, a few times: on an ordinary machine after some of them.
func execRaceMS() string { return strconv.FormatInt(Bound(3*time.Second).Milliseconds(), 10) }

// execCount is a fact that is a number.
func execCount(r Result, name string) int {
	GinkgoHelper()
	n, err := strconv.Atoi(r.Fact(name))
	Expect(err).NotTo(HaveOccurred(), "fact %s\n%s", name, r)
	return n
}

// execRace expects the race to be won without the rule, natively and where
// everything is intercepted and allowed, and with it only ever lost. setUp runs
// before each.
func execRace(ctx context.Context, rule string, setUp func(), cmd ...string) {
	GinkgoHelper()
	for _, run := range []func() Result{
		func() Result { return Native(ctx, cmd...) },
		func() Result { return Syd(ctx, execOpen, cmd...) },
	} {
		setUp()
		control := run()
		Expect(execCount(control, "bad")).To(BeNumerically(">", 0), "the race can be won\n%s", control)
		Expect(execCount(control, "killed")).To(BeZero(), "%s", control)
	}
	setUp()
	result := Syd(ctx, execRules(rule), cmd...)
	Expect(result).To(ExitWith(0))
	Expect(execCount(result, "bad")).To(BeZero(), "%s", result)
	Expect(execCount(result, "other")).To(BeZero(), "%s", result)
	Expect(execCount(result, "good")).To(BeNumerically(">", 0), "%s", result)
	Expect(execCount(result, "killed")).To(BeNumerically(">", 0), "what wins the race is killed\n%s", result)
}

var _ = Describe("a race against the check of an exec", func() {
	nothing := func() {}

	Spec("EVT-EXE-01.12", "by changing the path in memory never runs a denied program", func(ctx context.Context) {
		good, bad := execCopy("exec", "p3"), execCopy("exec", "p4")
		execRace(ctx, "deny/exec+"+bad, nothing, Fixture("exec", "race-exec", "pointer", good, bad, execRaceMS())...)
	})

	Spec("EVT-EXE-01.13", "by replacing a symlink never runs a denied program", func(ctx context.Context) {
		good, bad := execCopy("exec", "p3"), execCopy("exec", "p4")
		link := filepath.Join(TempDir(), "link")
		execRace(ctx, "deny/exec+"+bad, func() { _ = os.Remove(link) },
			Fixture("exec", "race-exec", link, good, bad, execRaceMS())...)
	})

	Spec("EVT-EXE-01.14", "by replacing a script never runs a denied interpreter", func(ctx context.Context) {
		good, bad := execCopy("exec", "p3"), execCopy("exec", "p4")
		first := File("s3", "#!"+good+" exit-name\n", 0o755)
		second := File("s4", "#!"+bad+" exit-name\n", 0o755)
		link := filepath.Join(TempDir(), "link")
		execRace(ctx, "deny/exec+"+bad, func() { _ = os.Remove(link) },
			Fixture("exec", "race-exec", link, first, second, execRaceMS())...)
	}, Clauses("EVT-EXE-04"))

	Spec("EVT-EXE-01.15", "is recorded as a kill, with the image that would have run", func(ctx context.Context) {
		good, bad := execCopy("exec", "p3"), execCopy("exec", "p4")
		cmd := Fixture("exec", "race-exec", "pointer", good, bad, execRaceMS())
		Expect(execRecords(Syd(ctx, execOpen, cmd...))).To(BeEmpty())
		result := Syd(ctx, execRules("deny/exec+"+bad), cmd...)
		var kills int
		for _, record := range execRecords(result) {
			Expect(record).To(HaveKeyWithValue("path", bad))
			if record["act"] == "kill" {
				kills++
			}
		}
		Expect(kills).To(Equal(execCount(result, "killed")), "%s", result)
	})
})

var _ = Describe("a race against the check of a chdir", func() {
	directories := func() (good, bad string) {
		GinkgoHelper()
		good, bad = filepath.Join(TempDir(), "good"), filepath.Join(TempDir(), "evil")
		Expect(os.Mkdir(good, 0o755)).To(Succeed())
		Expect(os.Mkdir(bad, 0o755)).To(Succeed())
		return good, bad
	}

	Spec("EVT-SYX-02.1", "by changing the path in memory never comes back from a denied directory", func(ctx context.Context) {
		good, bad := directories()
		execRace(ctx, "deny/chdir+"+bad, func() {}, Fixture("exec", "race-chdir", good, bad, execRaceMS())...)
	})

	Spec("EVT-SYX-02.2", "is none where two threads each go where the rules allow", func(ctx context.Context) {
		good, bad := directories()
		cmd := Fixture("exec", "share-chdir", good, bad, "300")
		_, native := execSame(ctx, cmd...)
		Expect(native).To(HaveFact("failed", "0"))
		// A denied third directory changes nothing for them.
		Expect(Syd(ctx, execRules("deny/chdir+/proc/***"), cmd...)).To(EqualNative(native))
	})
})
