// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// costRounds is how often each side of a comparison runs, in turn with the other.
const costRounds = 5

// rulesFile writes a policy of so many rules, none of which says anything about
// what is measured but the first.
func rulesFile(count int) string {
	GinkgoHelper()
	var text strings.Builder
	text.WriteString("sandbox/all:on\nallow/all+/***\n")
	for i := range count - 1 {
		kind := [...]string{"/***", "/file", "/*.c"}[i%3]
		fmt.Fprintf(&text, "deny/all+/nowhere/%d%s\n", i, kind)
	}
	name := fmt.Sprintf("%s/rules-%d.syd-3", TempDir(), count)
	Expect(os.WriteFile(name, []byte(text.String()), 0o600)).To(Succeed())
	return name
}

// costOf is the p50 of the samples that the fixture bench prints, in nanoseconds.
func costOf(ctx context.Context, rules string, words ...string) int {
	GinkgoHelper()
	result := Syd(ctx, []string{"-P", rules}, Fixture("bench", words...)...)
	Expect(result).To(ExitWith(0))
	var samples []int
	for _, fact := range result.Facts("sample") {
		ns, err := strconv.Atoi(fact)
		Expect(err).NotTo(HaveOccurred(), "%s", result)
		samples = append(samples, ns)
	}
	Expect(samples).NotTo(BeEmpty(), "%s", result)
	slices.Sort(samples)
	return samples[len(samples)/2]
}

var _ = Describe("a call under 10,000 rules", func() {
	for i, call := range []string{"open", "stat", "open-pair"} {
		Spec(fmt.Sprintf("PTH-08.%d", i+1), "costs at most twice what it costs under 10: "+call, func(ctx context.Context) {
			few, many := rulesFile(10), rulesFile(10_000)
			var costs [2][]int
			for range costRounds {
				costs[0] = append(costs[0], costOf(ctx, few, call, "400", "/bin/sh"))
				costs[1] = append(costs[1], costOf(ctx, many, call, "400", "/bin/sh"))
			}
			slices.Sort(costs[0])
			slices.Sort(costs[1])
			Expect(costs[1][costRounds/2]).To(BeNumerically("<=", 2*costs[0][costRounds/2]), "p50 of each round in ns: %v", costs)
		}, Alone)
	}
})
