// SPDX-License-Identifier: GPL-3.0-or-later

package syd

import (
	"os"
	"path"
	"strconv"
	"strings"

	"syd/syd/kernel"
)

// Login is what syd runs when it is asked for nothing: the user's shell, as a
// login shell, under the profile user.
func Login() Options {
	shell := loginShell()
	return Options{
		Argv:   []string{shell},
		Arg0:   "-" + path.Base(shell),
		Config: []Command{{Where: "-p", Text: "user", Kind: Profile}},
	}
}

// loginShell is SHELL, else what the user database says, else sh. We are no
// shell: we may be what the database says.
func loginShell() string {
	user, _ := account(os.Getuid())
	for _, shell := range []string{os.Getenv("SHELL"), user.shell} {
		if path.IsAbs(shell) && !ourselves(shell) {
			return shell
		}
	}
	return "/bin/sh"
}

func ourselves(file string) bool {
	self, err := os.Stat("/proc/self/exe")
	if err != nil {
		return false
	}
	other, err := os.Stat(file)
	return err == nil && os.SameFile(self, other)
}

// user is what the user database says of one.
type user struct{ home, shell string }

// account looks a user up in passwd(5).
func account(uid int) (user, bool) {
	const most = 4 << 20
	f, err := kernel.ReadRegular("/etc/passwd", most)
	if err != nil {
		return user{}, false
	}
	for line := range strings.SplitSeq(string(f.Content), "\n") {
		if field := strings.Split(line, ":"); len(field) == 7 && field[2] == strconv.Itoa(uid) {
			return user{field[5], field[6]}, true
		}
	}
	return user{}, false
}
