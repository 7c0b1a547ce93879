// SPDX-License-Identifier: GPL-3.0-or-later

package main

// openWrongly are builds of this project that let the wrong ones at the lock, or
// whose log doesn't tell each denial once.
var openWrongly = []wrongBuild{
	{
		name: "lock:exec is open to children",
		edits: []edit{
			{"syd/trace/handle_api.go", "return n.ofEldest(n.tid) && n.waits()", "return n.waits()"},
			{"syd/trace/handle_api.go", "if n.ofEldest(n.tid) {", "if n.waits() {"},
		},
		flags: []string{"--id", "LCK-02.[1268]"}, fails: []string{"LCK-02.[68]"}, passes: []string{"LCK-02.[12]"},
		words: "grandchild ok",
	},
	{
		name:  "lock:exec is open to the eldest's first thread only",
		edits: []edit{{"syd/trace/sandbox.go", "kernel.InGroup(tid, s.eldest)", "(tid == s.eldest && kernel.InGroup(tid, s.eldest))"}},
		flags: []string{"--id", "LCK-02.[1268]"}, fails: []string{"LCK-02.[68]"}, passes: []string{"LCK-02.[12]"},
		words: "thread ENOENT",
	},
	{
		name:  "lock:exec is open to who gets the eldest's number",
		edits: []edit{{"syd/trace/sandbox.go", "!s.orphaned.Load() && ", ""}},
		flags: []string{"--id", "LCK-05.[145]"}, fails: []string{"LCK-05.5"}, passes: []string{"LCK-05.1"},
		words: "LCK-05.5",
	},
	{
		name: "a loaded text is carried out line by line",
		edits: []edit{{"syd/trace/handle_api.go", "edit = func(p *policy.Policy) (*policy.Policy, error) { return p.Load(loaded) }",
			`for line := range strings.SplitSeq(loaded, "\n") {
				if err := n.edit(func(p *policy.Policy) (*policy.Policy, error) { return p.Load(line) }); err != nil {
					return err
				}
			}
			return nil`}},
		flags: []string{"--id", "LCK-06.2"}, fails: []string{"LCK-06.2"},
		words: "halves",
	},
	{
		name:  "a record of a denial is missing",
		edits: []edit{{"syd/trace/judge.go", "	log.Write(r)\n", "	if r.Sys != \"fchdir\" {\n		log.Write(r)\n	}\n"}},
		flags: []string{"--id", "LOG-03.[235]"}, fails: []string{"LOG-03.2"}, passes: []string{"LOG-03.[35]"},
		words: "LOG-03.2",
	},
	{
		name:  "a denial is recorded twice",
		edits: []edit{{"syd/trace/judge.go", "	log.Write(r)\n", "	log.Write(r)\n	log.Write(r)\n"}},
		flags: []string{"--id", "LOG-03.[235]"}, fails: []string{"LOG-03.[25]"}, passes: []string{"LOG-03.3"},
		words: "LOG-03.5",
	},
}

func init() { slowBuilds = append(slowBuilds, openWrongly...) }
