// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"embed"
	"path"
	"strings"
)

//go:embed profiles/*.syd-3
var profiles embed.FS

// Profiles are the names of the built-in profiles, in order.
func Profiles() []string {
	var names []string
	entries, _ := profiles.ReadDir("profiles") // which is there, or we were not built
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), Extension))
	}
	return names
}

// profile is the text of a built-in profile.
func profile(name string) (text string, ok bool) {
	content, err := profiles.ReadFile(path.Join("profiles", name+Extension))
	return string(content), err == nil && !strings.Contains(name, "/")
}
