// SPDX-License-Identifier: GPL-3.0-or-later

package engine

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"syd/conformance/harness"
	"syd/conformance/report"
)

// WorkerFlag is the hidden first argument that makes this program a worker.
const WorkerFlag = "--worker"

// Descriptors that a worker inherits.
const (
	queueFD  = 3
	eventsFD = 4
)

// workerConfig is a worker's second argument.
type workerConfig struct {
	harness.Config
	Seed   int64 `json:"seed"`
	Worker int   `json:"worker"`
}

// Worker is the hidden role: it runs the specs whose positions it takes from
// the queue that all workers share, and writes events.
func Worker(argument string) int {
	unix.CloseOnExec(queueFD)
	unix.CloseOnExec(eventsFD)
	var config workerConfig
	if err := json.Unmarshal([]byte(argument), &config); err != nil {
		fmt.Fprintf(os.Stderr, "worker: %v\n", err)
		return report.ExitHarness
	}
	if err := harness.Configure(config.Config); err != nil {
		fmt.Fprintf(os.Stderr, "worker: %v\n", err)
		return report.ExitHarness
	}
	queue := &queueReader{next: -1}
	events := json.NewEncoder(os.NewFile(eventsFD, "events"))
	var mu sync.Mutex
	go leaveWithReader()
	harness.Run(config.Seed, harness.Runner{
		Take: queue.take,
		Tell: func(e report.Event) {
			mu.Lock()
			defer mu.Unlock()
			e.Worker = config.Worker
			if err := events.Encode(e); err != nil {
				abandon()
			}
		},
	})
	return report.ExitGreen
}

// leaveWithReader ends this worker when the process that reads its events is
// gone, however that died.
func leaveWithReader() {
	// No event is asked for: POLLERR, no reader is left, is always told.
	poll := []unix.PollFd{{Fd: eventsFD}}
	for {
		n, err := unix.Poll(poll, -1)
		if err == unix.EINTR {
			continue
		}
		if err == nil && n > 0 {
			abandon()
		}
		return
	}
}

// abandon ends a worker that nobody listens to, and all that it started.
func abandon() {
	harness.KillOrphans(func(int) bool { return false })
	os.Exit(report.ExitHarness)
}

// queueReader takes positions from the shared queue. They only grow, so that a
// worker never has to go back.
type queueReader struct{ next int }

func (q *queueReader) take(position int) bool {
	if q.next < position {
		q.next = readPosition()
	}
	return q.next == position
}

func readPosition() int {
	// Records of a fixed size from a pipe: the kernel hands each to one reader.
	var record [4]byte
	for {
		n, err := unix.Read(queueFD, record[:])
		if err == unix.EINTR {
			continue
		}
		if err != nil || n < len(record) {
			return math.MaxInt
		}
		return int(binary.LittleEndian.Uint32(record[:]))
	}
}
