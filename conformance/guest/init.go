// SPDX-License-Identifier: GPL-3.0-or-later

package guest

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"syd/conformance/capability"
	"syd/conformance/report"
	"syd/fixtures"
)

// Words on the console that the other side looks for.
const (
	helloWord = "guest: init"
	brokeWord = "guest: broken:"
	tickWord  = "guest: tick"
)

// Parameters on the kernel's command line. The dot keeps the kernel from handing
// them to the first process.
const (
	nonceParameter   = "sydtest.guest="
	trialParameter   = "sydtest.trial" // come up, say so, and end
	resultsParameter = "sydtest.results="
)

// IsInit says whether this process is the first one of a guest: not only that
// it is the first one, which it is in many a container too.
func IsInit() bool {
	var root unix.Statfs_t
	if os.Getpid() != 1 || unix.Statfs("/", &root) != nil {
		return false
	}
	_, err := os.Stat(jobPath)
	return isInit(os.Getpid(), os.Args[0], int64(root.Type), err == nil)
}

func isInit(pid int, name string, root int64, job bool) bool {
	// An initial file system is one of these, and a container's root neither.
	initial := root == unix.RAMFS_MAGIC || root == unix.TMPFS_MAGIC
	return pid == 1 && name == initPath && initial && job
}

// Init is the first process of a guest: it runs the job, sends the results, and
// ends the guest. Where IsInit is not true it does nothing at all.
func Init() {
	if !IsInit() {
		return
	}
	i := &initProcess{began: time.Now()}
	if err := i.parameters(); err != nil {
		// No guest of ours. Whoever started this shall see the kernel's panic.
		fmt.Println(brokeWord, err)
		os.Exit(report.ExitHarness)
	}
	err := i.run()
	if err != nil {
		fmt.Println(brokeWord, err)
	}
	fmt.Printf("guest: end after %.1f s\n", time.Since(i.began).Seconds())
	unix.Sync()
	// With -no-reboot the emulator ends here.
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART); err != nil {
		fmt.Println(brokeWord, "reboot:", err)
	}
	select {}
}

type initProcess struct {
	began   time.Time
	nonce   string
	results string
	trial   bool
	job     Job
	archive *tar.Writer
	end     End
}

// parameters reads the kernel's command line, which must name this boot.
func (i *initProcess) parameters() error {
	if _, err := os.Stat("/proc/cmdline"); err != nil {
		if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
			return fmt.Errorf("mount /proc: %w", err)
		}
	}
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	for word := range strings.FieldsSeq(string(line)) {
		if value, ok := strings.CutPrefix(word, nonceParameter); ok {
			i.nonce = value
		}
		if value, ok := strings.CutPrefix(word, resultsParameter); ok {
			i.results = value
		}
		i.trial = i.trial || word == trialParameter
	}
	if i.nonce == "" || i.results == "" {
		return fmt.Errorf("the kernel's command line has no %s: this is no guest of sydtest's", nonceParameter)
	}
	return nil
}

func (i *initProcess) run() error {
	fmt.Println(helloWord, i.nonce, "Linux", capability.Release())
	if i.trial {
		return nil
	}
	go func() {
		for range time.Tick(tick) {
			fmt.Printf("%s %.0f s\n", tickWord, time.Since(i.began).Seconds())
		}
	}()
	if err := setUp(); err != nil {
		return err
	}
	data, err := os.ReadFile(jobPath)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &i.job); err != nil {
		return fmt.Errorf("the job: %w", err)
	}
	for name, value := range i.job.Sysctls {
		if err := os.WriteFile("/proc/sys/"+strings.ReplaceAll(name, ".", "/"), []byte(value), 0); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	port, err := openRaw(i.results)
	if err != nil {
		return fmt.Errorf("the port for results: %w", err)
	}
	packed := gzip.NewWriter(port)
	i.archive = tar.NewWriter(packed)
	if err := i.work(); err != nil {
		return err
	}
	for _, finish := range []func() error{i.archive.Close, packed.Close, func() error { return drain(port) }} {
		if err := finish(); err != nil {
			return fmt.Errorf("send the results: %w", err)
		}
	}
	return nil
}

func (i *initProcess) work() error {
	i.end = End{Nonce: i.nonce, Kernel: capability.Release()}
	if err := fixtures.Extract(extracted); err != nil {
		return fmt.Errorf("fixtures: %w", err)
	}
	for _, run := range i.job.Runs {
		if err := i.suite(run); err != nil {
			return err
		}
	}
	const answers = "/run/" + doctorName
	out, err := os.Create(answers)
	if err != nil {
		return err
	}
	status, err := spawn(out, sydtestPath, "doctor", "--json")
	out.Close()
	if err != nil || status != 0 {
		return fmt.Errorf("sydtest doctor: status %d, %w", status, err)
	}
	if err := i.send(doctorName, answers); err != nil {
		return err
	}
	end, err := json.Marshal(i.end)
	if err != nil {
		return err
	}
	if err := os.WriteFile("/run/"+endName, end, 0o600); err != nil {
		return err
	}
	return i.send(endName, "/run/"+endName)
}

// suite is one run. Its report goes out at once: a guest that dies in the next
// run has said what it knew.
func (i *initProcess) suite(run JobRun) error {
	path := "/run/" + runName(run.User)
	args := append([]string{"run", "--syd", sydPath, "--json", path, "--verbose"}, run.Args...)
	if run.User != "root" {
		args = append(args, "--user", run.User)
	}
	fmt.Println("guest: run as", run.User)
	status, err := spawn(os.Stdout, sydtestPath, args...)
	if err != nil {
		return fmt.Errorf("sydtest run: %w", err)
	}
	// What the run left behind must not meet the next one.
	_ = unix.Kill(-1, unix.SIGKILL)
	reap(0)
	end := EndRun{User: run.User, Status: status}
	var r report.Run
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		return fmt.Errorf("sydtest run as %s: status %d, and its report: %w", run.User, status, err)
	}
	end.Planned, end.Specs = r.Planned, len(r.Specs)
	i.end.Runs = append(i.end.Runs, end)
	return i.send(runName(run.User), path)
}

func (i *initProcess) send(name, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := i.archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data))}); err != nil {
		return err
	}
	if _, err := i.archive.Write(data); err != nil {
		return err
	}
	return i.archive.Flush()
}

// extracted is where the fixtures of all runs come from.
const extracted = "/tmp/.fixtures"

// spawn runs a program to its end, and reaps orphans meanwhile, as a first
// process must.
func spawn(stdout *os.File, path string, args ...string) (status int, err error) {
	pid, err := syscall.ForkExec(path, append([]string{filepath.Base(path)}, args...), &syscall.ProcAttr{
		Dir: "/root", Env: []string{"PATH=" + strings.Join(searched, ":"), "HOME=/root", "LANG=C.UTF-8", "TERM=linux", "USER=root", fixtures.Extracted + "=" + extracted},
		Files: []uintptr{0, stdout.Fd(), 1}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, err
	}
	state := reap(pid)
	if state.Signaled() {
		return 128 + int(state.Signal()), nil
	}
	return state.ExitStatus(), nil
}

// reap takes children's statuses until that of pid, or until none is left.
func reap(pid int) (state syscall.WaitStatus) {
	for {
		gone, err := syscall.Wait4(-1, &state, 0, nil)
		if err == syscall.ECHILD || err == nil && gone == pid {
			return state
		}
	}
}
