// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// execChain writes scripts of which each names the next as its interpreter, the
// last one the program; it returns all files from the first script on.
func execChain(program string, scripts int) []string {
	GinkgoHelper()
	files := []string{program}
	for i := scripts; i > 0; i-- {
		name := fmt.Sprintf("chain%d-%d", scripts, i)
		files = append([]string{File(name, "#!"+files[0]+"\n", 0o755)}, files...)
	}
	return files
}

var _ = Describe("a script", func() {
	Spec("EVT-EXE-04.1", "is refused when its interpreter is denied", func(ctx context.Context) {
		program := execCopy("exec", "program")
		script := File("script", "#!"+program+" exit-argc\n", 0o755)
		cmd := []string{Fixture("exec")[0], "execve", script, "argument"}
		_, native := SameAsNative(ctx, execOpen, cmd...)
		Expect(native).To(ExitWith(3))
		Expect(Syd(ctx, execRules("deny/exec+"+program), cmd...)).To(BeDenied("EACCES"))
	}, Smoke)

	Spec("EVT-EXE-04.2", "is refused when it is denied itself, although its interpreter is allowed", func(ctx context.Context) {
		script := File("script", "#!/bin/sh\nexit 3\n", 0o755)
		cmd := Fixture("exec", "execve", script)
		Expect(Syd(ctx, execOpen, cmd...)).To(ExitWith(3))
		Expect(Syd(ctx, execRules("deny/exec+"+script), cmd...)).To(BeDenied("EACCES"))
	})

	Spec("EVT-EXE-04.3", "of a chain runs to the depth that the kernel allows, and no deeper", func(ctx context.Context) {
		program := execCopy("exec", "program")
		var refused int
		for depth := 1; depth <= 7; depth++ {
			chain := execChain(program, depth)
			_, native := execSame(ctx, Fixture("exec", "each", chain[0])...)
			if native.Fact("1") == "ELOOP" {
				refused++
			}
		}
		Expect(refused).To(BeNumerically(">", 0), "the kernel's bound lies within the range")
	})

	Spec("EVT-EXE-04.4", "of a chain is refused whichever link is denied", func(ctx context.Context) {
		chain := execChain(execCopy("process", "program"), 4)
		try := Fixture("exec", "each", chain[0])
		control := Syd(ctx, execOpen, try...)
		Expect(control).NotTo(HaveFact("1", "EACCES"))
		for _, link := range chain {
			Expect(Syd(ctx, execRules("deny/exec+"+link), try...)).To(HaveFact("1", "EACCES"), link)
		}
	})

	Spec("EVT-EXE-04.5", "is read as the kernel reads it, however odd its first line", func(ctx context.Context) {
		program := execCopy("exec", "p")
		Expect(os.Mkdir(filepath.Join(TempDir(), "d"), 0o755)).To(Succeed())
		long := strings.Repeat("x", 300)
		var scripts []string
		for i, line := range []string{
			"#!" + program, "#!" + program + "\n", "#! \t " + program + " \t exit-argc \t \n", "#!" + program + " exit-argc two words\n",
			"#!" + program + "\texit-argc\n", "#!" + program + "\r\n", "#!\n", "#! \n", "#!", "#", "#!" + program + "\x00 exit-argc\n",
			"#!p exit-argc\n", "#!./p exit-argc\n", "#!d/../p exit-argc\n", "#!" + TempDir() + "\n", "#!missing\n", "#!/missing/below\n",
			"#!" + program + " " + long + "\n", "#!/" + long + "\n", "#!" + strings.Repeat(" ", 230) + program + " exit-argc\n",
			"#!" + strings.Repeat("/", 200) + program + " exit-argc\n", " #!" + program + "\n", "#!p\n#!missing\n", "exit 3\n",
		} {
			scripts = append(scripts, File(fmt.Sprintf("s%d", i), line, 0o755))
		}
		execSame(ctx, Fixture("exec", append([]string{"each"}, scripts...)...)...)
	})

	Spec("EVT-EXE-04.6", "is judged by what its interpreter's name leads to from the caller's directory", func(ctx context.Context) {
		program := execCopy("exec", "real/program")
		execLink("real/program", "interpreter")
		script := File("script", "#!./interpreter exit-argc\n", 0o755)
		cmd := Fixture("exec", "execve", script)
		_, native := SameAsNative(ctx, execOpen, cmd...)
		Expect(native).To(ExitWith(2))
		Expect(Syd(ctx, execRules("deny/exec+"+TempDir()+"/interpreter"), cmd...)).To(ExitWith(2))
		Expect(Syd(ctx, execRules("deny/exec+"+program), cmd...)).To(BeDenied("EACCES"))
	})

	Spec("EVT-EXE-04.7", "is judged when it is executed by a descriptor", func(ctx context.Context) {
		program := execCopy("exec", "program")
		script := File("script", "#!"+program+" exit-argc\n", 0o755)
		cmd := Fixture("exec", "empty", script, execNoFlag, "exit", "3")
		_, native := execSame(ctx, cmd...)
		Expect(native).To(ExitWith(4))
		for _, denied := range []string{program, script} {
			Expect(Syd(ctx, execRules("deny/exec+"+denied), cmd...)).To(BeDenied("EACCES"), denied)
		}
	}, Requires("execveat"))

	Spec("EVT-EXE-04.8", "is judged for the eldest too: syd ends with the errno of the refusal", func(ctx context.Context) {
		program := execCopy("exec", "program")
		script := File("script", "#!"+program+" exit-argc\n", 0o755)
		Expect(Syd(ctx, execOpen, script)).To(ExitWith(2))
		result := Syd(ctx, execRules("deny/exec+"+program), script)
		Expect(result).To(ExitWith(13))
		Expect(result).To(SayNothing())
	})
})
