// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"fmt"
	"os"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	. "syd/conformance/harness"
)

// A kernelLog is /dev/kmsg from a moment on: one read is one record.
type kernelLog struct{ file *os.File }

func openKernelLog() kernelLog {
	GinkgoHelper()
	file, err := os.OpenFile("/dev/kmsg", os.O_RDONLY|unix.O_NONBLOCK, 0)
	Expect(err).NotTo(HaveOccurred())
	_, err = file.Seek(0, 2)
	Expect(err).NotTo(HaveOccurred())
	return kernelLog{file}
}

func (l kernelLog) close() { l.file.Close() }

// read is all records up to now. A record that was overwritten meanwhile
// (EPIPE) is passed over.
func (l kernelLog) read() string {
	var all strings.Builder
	record := make([]byte, 8192)
	for {
		n, err := unix.Read(int(l.file.Fd()), record)
		if err == unix.EPIPE {
			continue
		}
		if err != nil {
			return all.String()
		}
		all.Write(record[:n])
	}
}

// works says whether the kernel records deaths by filters at the moment: its
// rate limit drops them where there are many (kernel/audit.c, audit_printk_skb).
func (l kernelLog) works(ctx context.Context) bool {
	GinkgoHelper()
	control := StartNative(ctx, Fixture("filter", "kill")...)
	control.Wait(ctx)
	return strings.Contains(l.read(), fmt.Sprintf(" pid=%d ", control.PID()))
}
