// SPDX-License-Identifier: GPL-3.0-or-later

package filter

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"syd/syd/kernel"
)

// Formats are what Export writes.
var Formats = []string{"bpf", "pfc", "rules"}

// Names are the filters that Export knows: the roles', and the sandbox's.
func Names() []string {
	names := []string{"sandbox"}
	for _, r := range Roles() {
		names = append(names, r.String())
	}
	return names
}

// Export writes a filter that is not loaded: as the kernel takes it (bpf), as
// libseccomp's pseudo code (pfc), or as the table of its rows (rules). sandbox
// are the rows of the filter of that name.
func Export(w io.Writer, name, format string, sandbox []Rule, o Options, in Inputs) error {
	k, rules := sandboxKind, sandbox
	for r := range numRoles {
		if r.String() == name {
			k, rules = supervisorKind, Rules(r, o)
		}
	}
	switch format {
	case "bpf":
		program, err := assemble(k, rules, exportBPF)
		patch(program, in)
		return writeAll(w, program, err)
	case "pfc":
		text, err := assemble(k, rules, exportPFC)
		return writeAll(w, namePlaceholders(text), err)
	default:
		return writeAll(w, []byte(table(k, rules)), nil)
	}
}

func writeAll(w io.Writer, text []byte, err error) error {
	if err == nil {
		_, err = w.Write(text)
	}
	return err
}

var decimal = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\b[0-9]{10}\b`) })

// namePlaceholders puts names in the place of the numbers that are not known yet.
func namePlaceholders(pfc []byte) []byte {
	return decimal().ReplaceAllFunc(pfc, func(text []byte) []byte {
		n, err := strconv.ParseUint(string(text), 10, 32)
		if err != nil || n&0xffff_0000 != placeholderBits {
			return text
		}
		half := ".low"
		if n&1 != 0 {
			half = ".high"
		}
		return []byte(Input(n&0xffff>>1).String() + half)
	})
}

var inputNames = map[Input]string{PID: "our PID", LogFD: "log descriptor", EventFD: "runtime's eventfd", DotDot: `address of ".."`, Listener: "listener"}

func (i Input) String() string {
	if name, ok := inputNames[i]; ok {
		return name
	}
	return "cookie"
}

// table shows rows in Markdown.
func table(k kind, rules []Rule) string {
	var b strings.Builder
	b.WriteString("| system call | when | then | why |\n|---|---|---|---|\n")
	for i := 0; i < len(rules); {
		r, when, n := rules[i], rules[i].when(), 1
		for i+n < len(rules) && r.variant(rules[i+n]) {
			when += fmt.Sprintf(", %d", rules[i+n].Conditions[0].Value)
			n++
		}
		i += n
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.Syscall, when, r.then(), r.Why)
	}
	rest := "kill"
	if k.compat {
		rest = "allow"
	}
	fmt.Fprintf(&b, "| every other | | %s | |\n", rest)
	return b.String()
}

// variant says whether other differs only in the one value that it compares with.
func (r Rule) variant(other Rule) bool {
	if len(r.Conditions) != 1 || len(other.Conditions) != 1 {
		return false
	}
	a, b := r.Conditions[0], other.Conditions[0]
	a.Value, b.Value = 0, 0
	return a == b && a.Input == 0 && r.Syscall == other.Syscall && r.Effect == other.Effect && r.Guarded == other.Guarded && r.Why == other.Why
}

func (r Rule) then() string {
	switch r.Effect {
	case Trace:
		return "ask the tracer"
	case Notify:
		return "ask a receiver"
	case Errno:
		if r.Errno == 0 {
			return "do nothing, return 0"
		}
		return strings.ToLower(r.Errno.Error())
	}
	return "allow"
}

func (r Rule) when() string {
	var all []string
	for _, c := range r.Conditions {
		all = append(all, c.String())
	}
	if r.Guarded {
		n := 0
		kernel.Registers(r.Syscall, func(uint, int) { n++ })
		word := "cookies"
		if n == 1 {
			word = "cookie"
		}
		all = append(all, fmt.Sprintf("%d %s", n, word))
	}
	return strings.Join(all, ", ")
}

func (c Condition) String() string {
	switch {
	case c.Input != 0:
		return fmt.Sprintf("arg%d = %s", c.Arg, c.Input)
	case c.Differs:
		return fmt.Sprintf("arg%d ≠ %d", c.Arg, c.Value)
	case c.Mask == ^uint64(0) && c.Value < 1<<16:
		return fmt.Sprintf("arg%d = %d", c.Arg, c.Value)
	case c.Mask == ^uint64(0):
		return fmt.Sprintf("arg%d = %#x", c.Arg, c.Value)
	}
	return fmt.Sprintf("arg%d & %#x = %#x", c.Arg, c.Mask, c.Value)
}
