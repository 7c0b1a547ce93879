// SPDX-License-Identifier: GPL-3.0-or-later

package harness

import (
	"fmt"
	"regexp"
)

// Normalise makes two runs' output comparable. Fixtures mark what may differ:
//
//	pid:123 tid:123 ino:123  the same number becomes the same #N, counted as it
//	                         first appears, so that who is who is still compared
//	time:1.5 addr:0x7f       become time:# and addr:#
//
// Everything else is compared as it is.
func Normalise(text string) string {
	numbers := map[string]int{}
	return volatile.ReplaceAllStringFunc(text, func(token string) string {
		parts := volatile.FindStringSubmatch(token)
		if parts[1] == "time" || parts[1] == "addr" {
			return parts[1] + ":#"
		}
		n, known := numbers[parts[2]]
		if !known {
			n = len(numbers) + 1
			numbers[parts[2]] = n
		}
		return fmt.Sprintf("%s:#%d", parts[1], n)
	})
}

var volatile = regexp.MustCompile(`\b(pid|tid|ino|time|addr):([0-9a-fx.-]+)`)
