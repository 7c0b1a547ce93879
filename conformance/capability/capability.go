// SPDX-License-Identifier: GPL-3.0-or-later

// Package capability knows what this kernel and machine can do. Every answer
// comes from a probe; the version beside it serves messages and the check that
// a probe which fails on a new kernel is not taken for an honest skip.
package capability

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"syd/conformance/report"
)

// A Capability is one row of the table.
type Capability struct {
	Name string
	// Linux is the first release that has it; a later kernel without it is a
	// finding, not an excuse. Empty: it depends on Optional alone.
	Linux string
	// Optional says why a new kernel may lack it all the same: a build option,
	// a privilege, the machine. Empty: it may not.
	Optional string
	// Probe asks the kernel. The evidence says what was called and answered.
	Probe func() (ok bool, evidence string)
}

// Required is what a machine must offer to have it.
func (c Capability) Required() string {
	switch {
	case c.Linux != "" && c.Optional != "":
		return "Linux " + c.Linux + " and " + c.Optional
	case c.Linux != "":
		return "Linux " + c.Linux
	default:
		return c.Optional
	}
}

// An Answer is a capability's probe, asked.
type Answer struct {
	Name     string `json:"name"`
	OK       bool   `json:"ok"`
	Required string `json:"required"`
	Evidence string `json:"evidence"`
}

var (
	asked   = map[string]Answer{}
	askedMu sync.Mutex
)

// Find returns the table's row.
func Find(name string) (Capability, bool) {
	i := slices.IndexFunc(Table, func(c Capability) bool { return c.Name == name })
	if i < 0 {
		return Capability{}, false
	}
	return Table[i], true
}

// Ask runs the probe, once a process.
func Ask(name string) (Answer, error) {
	c, ok := Find(name)
	if !ok {
		return Answer{}, fmt.Errorf("there is no capability %q (see `sydtest list capabilities`)", name)
	}
	askedMu.Lock()
	defer askedMu.Unlock()
	if answer, ok := asked[name]; ok {
		return answer, nil
	}
	good, evidence := c.Probe()
	answer := Answer{Name: name, OK: good, Required: c.Required(), Evidence: evidence}
	asked[name] = answer
	return answer, nil
}

// Release is the running kernel's release, as uname(2) tells it.
func Release() string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(name.Release[:])
}

// Validate returns why a record is no honest reason to skip, or "".
func Validate(r report.Record, release string) string {
	c, ok := Find(r.Capability)
	switch {
	case !ok:
		return fmt.Sprintf("skipped for a capability that is not in the table: %q", r.Capability)
	case r.Required == "" || r.Observed == "" || r.Probe == "":
		return fmt.Sprintf("skipped for %s with an incomplete record", r.Capability)
	case c.Optional == "" && AtLeast(release, c.Linux):
		return fmt.Sprintf("%s is missing although Linux %s is newer than %s: %s", c.Name, release, c.Linux, r.Observed)
	}
	return ""
}

// AtLeast compares releases such as 6.1.0-18-amd64 by their first two numbers.
func AtLeast(release, least string) bool {
	a, b := numbers(release), numbers(least)
	return a[0] > b[0] || a[0] == b[0] && a[1] >= b[1]
}

func numbers(release string) (n [2]int) {
	for i, part := range strings.SplitN(release, ".", 3) {
		if i == len(n) {
			break
		}
		end := strings.IndexFunc(part, func(r rune) bool { return r < '0' || r > '9' })
		if end >= 0 {
			part = part[:end]
		}
		n[i], _ = strconv.Atoi(part)
	}
	return n
}
