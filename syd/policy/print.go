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
	for c := Exec; c < numCategories; c++ {
		fmt.Fprintf(&b, "sandbox/%v:%s\n", c, boolText(p.enabled[c]))
	}
	for c := Exec; c < numCategories; c++ {
		fmt.Fprintf(&b, "default/%v:%v\n", c, p.defaults[c])
	}
	for c, rules := range p.rules {
		for _, r := range rules {
			fmt.Fprintf(&b, "%v/%v+%s\n", r.Action, Category(c), r.Pattern)
		}
	}
	for _, s := range settings {
		fmt.Fprintf(&b, "%s:%s\n", s.key, s.get(p))
	}
	for _, key := range []string{"setuid", "setgid"} {
		for _, t := range *transitions(p)[key] {
			fmt.Fprintf(&b, "%s+%d:%d\n", key, t.Source, t.Target)
		}
	}
	return b.String()
}
