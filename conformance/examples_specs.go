// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"bytes"
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
	"syd/examples"
)

// policyExample is a policy of the repository, and what a script does under it.
type policyExample struct {
	id            int
	name, program string
	does, not     string
	setup         string // a script of a directory next to the working one
	allowed       string // a script's line, which comes to the same as natively
	denied        string // a line that succeeds natively
	act           string // what the record of its denial has
}

var policyExamples = []policyExample{
	{id: 21, name: "git", program: "git", does: "git tell of a repository", not: "change it", setup: "git init -q .; echo x >f; git add f; git commit -qm one; echo y >>f",
		allowed: "git --no-optional-locks --no-pager log --stat", denied: "git add f", act: `"cap":"create"`},
	{id: 22, name: "python", program: "python3", does: "a script work in its directory", not: "read elsewhere",
		setup: `printf 'import json, os, tempfile\nf = open("out.json", "w"); json.dump(1, f); f.close(); os.mkdir("d"); os.rmdir("d")\nf = tempfile.NamedTemporaryFile(); print(sorted(os.listdir(".")))\n' >s.py
printf 'print(len(open("/etc/passwd").read()) > 0)\n' >t.py`, allowed: "python3 s.py", denied: "python3 t.py", act: `"path":"/etc/passwd"`},
	{id: 23, name: "gcc", program: "gcc", does: "gcc make a program of a source", not: "write over a source",
		setup: `printf '#include <stdio.h>\nint main(void) { puts("hi"); return 0; }\n' >p.c; cp p.c q.c`, allowed: "gcc -O2 -o p p.c", denied: "gcc -E -o p.c q.c", act: `"path":"`},
	{id: 24, name: "tar", program: "tar", does: "tar unpack into its directory", not: "into another", setup: `mkdir ../src ../else; echo x >../src/a; ln -s a ../src/l; chmod 750 ../src/a
tar cf ../good.tar -C .. src; tar cPf ../evil.tar -C .. --transform='s,src/a,../else/a,' src/a`, allowed: "tar xv <../good.tar", denied: "tar xPf - <../evil.tar", act: `"cap":"create"`},
	{id: 25, name: "node", program: "node", does: "a script read its directory and write below out", not: "elsewhere", setup: `mkdir out
echo 'const fs = require("fs"); fs.writeFileSync("out/x", fs.readFileSync("s.js")); console.log(fs.readdirSync("out"), fs.readdirSync("."))' >s.js
echo 'require("fs").writeFileSync("x", "1")' >t.js`, allowed: "node s.js", denied: "node t.js", act: `"cap":"create"`},
}

var _ = Describe("an example of a policy", func() {
	for _, e := range policyExamples {
		Spec(fmt.Sprintf("CFG-11.%d", e.id), fmt.Sprintf("lets %s, and not %s", e.does, e.not), func(ctx context.Context) {
			text, err := examples.Files.ReadFile(e.name + ".syd-3")
			Expect(err).NotTo(HaveOccurred())
			Expect(bytes.Count(text, []byte("\n"))).To(BeNumerically("<=", 25))
			policy := File(e.name+".syd-3", string(text), 0o644)
			l := With(Env(append([]string{"TMPDIR=/tmp"}, programEnv...)...))
			// The shell is outside: it opens what it redirects.
			run := func(before, line string) Result {
				GinkgoHelper()
				setup := "rm -rf work src else; mkdir work; cd work; exec 3>&1 >/dev/null\n" + e.setup + "\nexec >&3 3>&-\n"
				return l.Native(ctx, "/bin/sh", "-ec", setup+before+line)
			}
			under := "exec " + Build() + " -P " + policy + " -- "
			native, result := run("exec ", e.allowed), run(under, e.allowed)
			Expect(native).To(ExitWith(0))
			Expect([]any{result.Status, Normalise(result.Stdout), result.Stderr}).To(Equal([]any{native.Status, Normalise(native.Stdout), native.Stderr}))
			Expect(run("exec ", e.denied)).To(ExitWith(0))
			result = run(under, e.denied)
			Expect(result).NotTo(ExitWith(0))
			Expect(result.Stderr).To(SatisfyAll(ContainSubstring(`"act":"deny"`), ContainSubstring(e.act)))
		}, Requires(e.program, "wait_killable_recv"), TimeLimit(time.Minute))
	}
})
