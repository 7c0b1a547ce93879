// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"os"
	"strconv"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// soak runs a sandbox that keeps its supervisor as busy as can be, for so many
// seconds. GOGC and GOMAXPROCS mean something to builds in Go only: a collection
// at every chance, on few processors or many.
func soak(ctx context.Context, seconds int, processors string, opts ...string) {
	GinkgoHelper()
	log, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	Expect(err).NotTo(HaveOccurred())
	defer log.Close()
	run := With(Env("GOGC=1", "GOMAXPROCS="+processors, "SYD_LOG=debug", "SYD_LOG_FD=3"), Files(log)).
		Start(ctx, opts, Fixture("fork", "soak", strconv.Itoa(seconds))...)
	result := run.Wait(ctx)
	Expect(result).To(ExitWith(23), "with GOMAXPROCS=%s", processors)
	Expect(result.Fact("wrong")).To(Equal("0"))
	Expect(result.Fact("alarms")).To(Equal("yes"))
}

// busy has records written all the time, and decisions taken.
var busy = OnlyExecChdir("allow/exec,chdir+/***", "warn/chdir+/tmp")

var _ = Describe("the confined supervisor", func() {
	Spec("CKE-05.1", "survives collections, timers, forks and threads on one processor, two and many", func(ctx context.Context) {
		for _, processors := range []string{"1", "2", "64"} {
			soak(ctx, 1, processors, busy...)
		}
	}, TimeLimit(time.Minute), Stress)

	Spec("CKE-05.2", "survives them in a sandbox that decides nothing", func(ctx context.Context) {
		for _, processors := range []string{"1", "64"} {
			soak(ctx, 1, processors, Off...)
		}
	}, TimeLimit(time.Minute))

	Spec("CKE-05.3", "survives a sandbox in which many programs do so at once", func(ctx context.Context) {
		Each([]string{"1", "2", "64"}, 3, func(processors string) { soak(ctx, 1, processors, busy...) })
	}, TimeLimit(time.Minute))

	Spec("CKE-05.4", "survives a minute of them on each number of processors", func(ctx context.Context) {
		for _, processors := range []string{"1", "2", "64"} {
			soak(ctx, 60, processors, busy...)
		}
	}, Slow, TimeLimit(5*time.Minute))
})
