// SPDX-License-Identifier: GPL-3.0-or-later

package harness

import (
	"os"
	"slices"
	"time"

	"syd/fixtures"
)

// spawnReference is what starting a small static program takes on an ordinary
// machine that is not busy.
const spawnReference = 1500 * time.Microsecond

// Calibrate measures how slow this machine is and returns the factor for all
// bounds: 1 on an ordinary machine, more on a busy one, 20 to 60 where the CPU
// is emulated.
func Calibrate(fixtureDir string) (float64, error) {
	const rounds = 15
	var spent []time.Duration
	argv := []string{fixtures.Path(fixtureDir, "process"), "exit", "0"}
	for range rounds {
		began := time.Now()
		p, err := os.StartProcess(argv[0], argv, &os.ProcAttr{Files: []*os.File{nil, nil, nil}})
		if err != nil {
			return 1, err
		}
		if _, err := p.Wait(); err != nil {
			return 1, err
		}
		spent = append(spent, time.Since(began))
	}
	slices.Sort(spent)
	median := spent[len(spent)/2]
	return min(60, max(1, float64(median)/float64(spawnReference))), nil
}
