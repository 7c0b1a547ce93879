// SPDX-License-Identifier: GPL-3.0-or-later

package bench

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRoomForTasks(t *testing.T) {
	roomy := map[string]string{
		"proc/sys/kernel/pid_max":     "32768\n",
		"proc/sys/kernel/threads-max": "100000\n",
		"proc/loadavg":                "0.00 0.00 0.00 1/100 4711\n",
		"proc/meminfo":                "MemTotal: 24000000 kB\nMemAvailable:   22000000 kB\n",
		"proc/self/cgroup":            "0::/a/b\n",
		"cgroup/a/pids.max":           "20000\n",
		"cgroup/a/b/pids.max":         "max\n",
	}
	for name, test := range map[string]struct {
		file, content string
		user          uint64
		want          string
	}{
		"enough of everything":   {"", "", math.MaxUint64, ""},
		"few process numbers":    {"proc/sys/kernel/pid_max", "11099\n", math.MaxUint64, "pid_max"},
		"just enough of them":    {"proc/sys/kernel/pid_max", "11100\n", math.MaxUint64, ""},
		"many others run":        {"proc/loadavg", "0.00 0.00 0.00 1/25000 4711\n", math.MaxUint64, "pid_max"},
		"few threads":            {"proc/sys/kernel/threads-max", "5000\n", math.MaxUint64, "threads-max"},
		"a user's limit":         {"", "", 4096, "RLIMIT_NPROC"},
		"a group's limit":        {"cgroup/a/b/pids.max", "512\n", math.MaxUint64, "pids.max"},
		"a parent group's limit": {"cgroup/a/pids.max", "512\n", math.MaxUint64, "pids.max"},
		"little memory":          {"proc/meminfo", "MemAvailable:   1000000 kB\n", math.MaxUint64, "MemAvailable"},
		"no control groups":      {"proc/self/cgroup", "", math.MaxUint64, ""},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			write := func(file, content string) {
				path := filepath.Join(root, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for file, content := range roomy {
				write(file, content)
			}
			if test.file != "" {
				write(test.file, test.content)
			}
			m := machine{filepath.Join(root, "proc"), filepath.Join(root, "cgroup"), func() uint64 { return test.user }}
			record := m.lacksRoom(10000)
			switch {
			case record == nil && test.want != "":
				t.Errorf("there is room, in spite of %s", test.want)
			case record != nil && test.want == "":
				t.Errorf("there is no room: %+v", *record)
			case record != nil && (!strings.Contains(record.Probe, test.want) || record.Observed == "" || record.Required == ""):
				t.Errorf("the record is %+v, want the probe %s", *record, test.want)
			}
		})
	}
}
