// SPDX-License-Identifier: GPL-3.0-or-later

package bench

import (
	"math"
	"slices"
)

// A Round is the p50 of either side, in nanoseconds, measured one right after
// the other.
type Round struct {
	Base  float64 `json:"base_ns"`
	Build float64 `json:"build_ns"`
}

// An Estimate is a cost ratio and the interval that covers the true one with a
// probability of at least 95 %.
type Estimate struct {
	Ratio float64 `json:"ratio"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// MinRounds is the least number of rounds that a 95 % interval can be had from:
// with fewer, even from the smallest to the largest ratio covers less.
const MinRounds = 6

// MaxRounds keeps the binomial's terms within a float64.
const MaxRounds = 1000

// Compare estimates build over base: the median of the rounds' ratios. Both
// sides of a round see the same machine, so that its ups and downs from round to
// round cancel; the interval is made of order statistics, and so holds whatever
// the noise's distribution is.
//
// Preconditions: MinRounds <= len(rounds) <= MaxRounds.
func Compare(rounds []Round) Estimate {
	ratios := make([]float64, len(rounds))
	for i, r := range rounds {
		ratios[i] = r.Build / r.Base
	}
	slices.Sort(ratios)
	rank := intervalRank(len(ratios))
	return Estimate{Ratio: Median(ratios), Low: ratios[rank-1], High: ratios[len(ratios)-rank]}
}

// intervalRank is the largest k for which the k-th smallest and the k-th largest
// of n values enclose their distribution's median with 95 %. Each value is below
// the median with probability 1/2; the interval misses if fewer than k are on
// either side.
func intervalRank(n int) int {
	term := math.Pow(0.5, float64(n)) // of the binomial: exactly i of n below
	missed, k := 0.0, 0
	for i := range n {
		missed += 2 * term
		if missed > 0.05 {
			break
		}
		k = i + 1
		term *= float64(n-i) / float64(i+1)
	}
	return k
}

// Median is the p50 of values, which are left as they are; NaN of none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
