// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"fmt"
	"strings"
)

// Text is the policy as commands, all there is to say of it: they make the same
// policy again.
func (p *Policy) Text() string {
	var b strings.Builder
	for c := range everything.each {
		fmt.Fprintf(&b, "sandbox/%v:%s\n", c, boolText(p.enabled.has(c)))
	}
	for c := range everything.each {
		fmt.Fprintf(&b, "default/%v:%v\n", c, p.defaults[c])
	}
	for r := range p.rules.all {
		b.WriteString(r.String() + "\n")
	}
	for _, s := range settings {
		if value := s.get(p); value != "" {
			fmt.Fprintf(&b, "%s:%s\n", s.key, value)
		}
	}
	for _, key := range []string{"setuid", "setgid"} {
		for _, t := range *transitions(p)[key] {
			fmt.Fprintf(&b, "%s+%d:%d\n", key, t.Source, t.Target)
		}
	}
	return b.String()
}
