// SPDX-License-Identifier: GPL-3.0-or-later

package syd

import (
	"slices"
	"strings"
	"syscall"

	"syd/syd/kernel"
)

// defaultPath is where execvp(3) looks when there is no PATH.
const defaultPath = "/bin:/usr/bin"

// environment makes the eldest's environment of what was inherited: it drops
// what mustn't be passed on, unless unsafe, and then applies edits.
func environment(inherited, edits []string, unsafe bool) (env, dropped []string) {
	passed := map[string]bool{}
	for _, e := range edits {
		if name, value, set := strings.Cut(e, "="); set && value == "" {
			passed[name] = true
		}
	}
	for _, e := range inherited {
		name, _, _ := strings.Cut(e, "=")
		if unsafe || passed[name] || !unsafeVariable(name) {
			env = append(env, e)
			continue
		}
		dropped = append(dropped, name)
	}
	for _, e := range edits {
		name, value, set := strings.Cut(e, "=")
		if set && value == "" {
			continue
		}
		env = slices.DeleteFunc(env, func(v string) bool { return strings.HasPrefix(v, name+"=") })
		if set {
			env = append(env, e)
		}
	}
	return env, dropped
}

// unsafeVariable: the loader's variables, and names that speak of a secret.
func unsafeVariable(name string) bool {
	if strings.HasPrefix(name, "LD_") {
		return true
	}
	for word := range strings.SplitSeq(name, "_") {
		switch word {
		case "PASSWORD", "CREDENTIAL", "TOKEN", "KEY":
			return true
		}
	}
	return false
}

// lookPath finds file as execvp(3) does: as it is if it has a slash, else in
// the PATH of env, where a candidate that may not be executed is remembered
// (EACCES) and the search goes on.
func lookPath(file string, env []string) (string, error) {
	if file == "" {
		return "", syscall.ENOENT
	}
	if strings.Contains(file, "/") {
		return file, nil
	}
	path := defaultPath
	for _, e := range env {
		if value, ok := strings.CutPrefix(e, "PATH="); ok {
			path = value
			break
		}
	}
	found := error(syscall.ENOENT)
	for dir := range strings.SplitSeq(path, ":") {
		candidate := file
		if dir != "" {
			candidate = dir + "/" + file
		}
		switch err := kernel.MayExecute(candidate); err {
		case nil:
			return candidate, nil
		case syscall.EACCES:
			found = err
		}
	}
	return "", found
}
