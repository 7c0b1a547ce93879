// SPDX-License-Identifier: GPL-3.0-or-later

package harness

import (
	"context"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
)

// WaitFor waits until the condition holds; when ctx ends first the spec's
// verdict is timeout. `what` completes "waited in vain for ...".
func WaitFor(ctx context.Context, what string, condition func() bool) {
	GinkgoHelper()
	if !waitUntil(ctx, condition) {
		timedOut("waited in vain for %s", what)
	}
}

// Holds watches a condition for a while (scaled): it returns false as soon as
// the condition does not hold. It serves "never happens", which no event tells.
func Holds(ctx context.Context, base time.Duration, condition func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, Bound(base))
	defer cancel()
	return !waitUntil(ctx, func() bool { return !condition() })
}

// Within1s is the second that the contract grants for a death to spread.
func Within1s(ctx context.Context, condition func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, Bound(time.Second))
	defer cancel()
	return waitUntil(ctx, condition)
}

func waitUntil(ctx context.Context, condition func() bool) bool {
	pause := 500 * time.Microsecond
	for {
		if condition() {
			return true
		}
		select {
		case <-ctx.Done():
			return condition()
		case <-time.After(pause):
		}
		pause = min(2*pause, 20*time.Millisecond)
	}
}

// Each calls the function for every item, a few at a time, and waits for all.
// Expectations inside it work as anywhere else.
func Each[T any](items []T, atOnce int, function func(item T)) {
	GinkgoHelper()
	var group sync.WaitGroup
	slots := make(chan struct{}, max(1, atOnce))
	for _, item := range items {
		slots <- struct{}{}
		group.Go(func() {
			defer GinkgoRecover()
			defer func() { <-slots }()
			function(item)
		})
	}
	group.Wait()
}
