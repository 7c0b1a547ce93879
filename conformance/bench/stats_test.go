// SPDX-License-Identifier: GPL-3.0-or-later

package bench

import (
	"math"
	"math/rand/v2"
	"testing"
)

// synthetic makes rounds of a build that costs truth times its base, on a
// machine that drifts by a third from round to round, stalls now and then, and
// adds noise of its own to each side.
func synthetic(random *rand.Rand, n int, truth, noise float64) []Round {
	rounds := make([]Round, n)
	for i := range rounds {
		machine := 1e6 * math.Exp(random.NormFloat64()/3)
		side := func() float64 {
			cost := math.Exp(noise * random.NormFloat64())
			if random.IntN(20) == 0 {
				cost *= 3
			}
			return cost
		}
		rounds[i] = Round{Base: machine * side(), Build: machine * truth * side()}
	}
	return rounds
}

func TestIntervalCoversTheTruth(t *testing.T) {
	const runs = 1000
	for _, n := range []int{MinRounds, 10, 30, 101} {
		random := rand.New(rand.NewPCG(1, uint64(n)))
		covered := 0
		for range runs {
			e := Compare(synthetic(random, n, 1.3, 0.1))
			if e.Low <= 1.3 && 1.3 <= e.High {
				covered++
			}
			if e.Low > e.Ratio || e.Ratio > e.High {
				t.Fatalf("%d rounds: %v is not inside its interval", n, e)
			}
		}
		// Three standard deviations below 95 %.
		if covered < 929 {
			t.Errorf("%d rounds: the interval covers the truth in %d of %d runs", n, covered, runs)
		}
	}
}

func TestFivePercentAreDetected(t *testing.T) {
	const runs = 300
	random := rand.New(rand.NewPCG(2, 2))
	detected, alarms := 0, 0
	for range runs {
		if Compare(synthetic(random, 60, 1.05, 0.05)).Low > 1 {
			detected++
		}
		if Compare(synthetic(random, 60, 1, 0.05)).Low > 1 {
			alarms++
		}
	}
	if detected < runs*95/100 {
		t.Errorf("5 %% more is detected in %d of %d runs", detected, runs)
	}
	if alarms > runs*5/100 {
		t.Errorf("equal sides are told apart in %d of %d runs", alarms, runs)
	}
}

func TestCompare(t *testing.T) {
	var rounds []Round
	for i := range 20 {
		// Ratios 1 .. 20 in mixed order, on bases that differ.
		base := float64(100 + i%3)
		rounds = append(rounds, Round{Base: base, Build: base * float64(1+i*7%20)})
	}
	e := Compare(rounds)
	if math.Abs(e.Ratio-10.5) > 1e-9 || math.Abs(e.Low-6) > 1e-9 || math.Abs(e.High-15) > 1e-9 {
		t.Errorf("%+v, want 10.5 in 6 .. 15", e)
	}
}

func TestIntervalRank(t *testing.T) {
	// From tables of the sign test at 5 %, two-sided.
	for n, want := range map[int]int{5: 0, 6: 1, 8: 1, 9: 2, 12: 3, 20: 6, 30: 10, 100: 40, MaxRounds: 469} {
		if got := intervalRank(n); got != want {
			t.Errorf("%d rounds: rank %d, want %d", n, got, want)
		}
	}
}

func TestMedian(t *testing.T) {
	values := []float64{9, 1, 5}
	if m := Median(values); m != 5 {
		t.Errorf("of 9 1 5: %v", m)
	}
	if values[0] != 9 {
		t.Error("the values are sorted in place")
	}
	if m := Median([]float64{4, 1, 2, 9}); m != 3 {
		t.Errorf("of 4 1 2 9: %v", m)
	}
	if !math.IsNaN(Median(nil)) {
		t.Error("of nothing is a number")
	}
}
