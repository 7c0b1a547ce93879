// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// apiOpen is a sandbox that has all categories on, allows everything and starts
// with that lock, and with more configuration after it.
func apiOpen(lock string, rules ...string) []string {
	return Rules(append([]string{"allow/all+/***", "lock:" + lock}, rules...)...)
}

// apiAsk is what the commands come to when who makes them, one after the other.
func apiAsk(ctx context.Context, opts []string, who string, commands ...string) []string {
	GinkgoHelper()
	args := []string{"ask"}
	for _, command := range commands {
		args = append(args, who, command)
	}
	result := Syd(ctx, opts, Fixture("api", args...)...)
	Expect(result).To(ExitWith(0))
	results := result.Facts(who)
	Expect(results).To(HaveLen(len(commands)), "%s", result)
	return results
}

// apiState is a state as it was read.
func apiState(text string) (state map[string]any) {
	GinkgoHelper()
	Expect(json.Unmarshal([]byte(text), &state)).To(Succeed(), "%q", text)
	return state
}

// apiChanges is what differs in two states, a line each.
func apiChanges(before, after any) (lines []string) {
	one, ok := before.(map[string]any)
	other, also := after.(map[string]any)
	if !ok || !also {
		if !reflect.DeepEqual(before, after) {
			lines = append(lines, fmt.Sprintf(" %v -> %v", before, after))
		}
		return lines
	}
	keys := map[string]bool{}
	for key := range one {
		keys[key] = true
	}
	for key := range other {
		keys[key] = true
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		for _, line := range apiChanges(one[key], other[key]) {
			lines = append(lines, "/"+key+line)
		}
	}
	return lines
}

// apiAfter makes the commands as the eldest and returns what they come to, and
// the states before and after.
func apiAfter(ctx context.Context, opts []string, commands ...string) (results []string, before, after map[string]any) {
	GinkgoHelper()
	all := slices.Concat([]string{"@state"}, commands, []string{"@state"})
	results = apiAsk(ctx, opts, "self", all...)
	last := len(results) - 1
	return results[1:last], apiState(results[0]), apiState(results[last])
}

// apiCommand is a path that runs a command, as a step of the fixture path has it.
func apiCommand(words string) string {
	return "path=/dev/syd/" + strings.NewReplacer("%", "%25", " ", "%20", "=", "%3d").Replace(words)
}

// apiCalls is the calls of stat's kind that the fixture path knows, natively or
// in its build for the second ABI.
func apiCalls(ctx context.Context, program []string) []string {
	GinkgoHelper()
	return slices.DeleteFunc(Native(ctx, append(program, "calls")...).Lines(), func(call string) bool {
		return !slices.Contains([]string{"stat", "lstat", "newfstatat", "statx", "stat64", "lstat64", "fstatat64"}, call)
	})
}

// apiDirectory makes a directory of that name that anybody may write to.
func apiDirectory(name string) string {
	GinkgoHelper()
	path := TempDir() + "/" + name
	Expect(os.Mkdir(path, 0o777)).To(Succeed())
	Expect(os.Chmod(path, 0o777)).To(Succeed())
	return path
}

// everybody in a sandbox, as the fixture api calls them: only the first two are
// of the eldest process.
var everybody = []string{"self", "thread", "thread-child", "shared-memory", "child", "child-thread", "grandchild", "program"}

// apiEach is a list of n times the word.
func apiEach(n int, word string) []string { return slices.Repeat([]string{word}, n) }
