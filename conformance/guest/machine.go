// SPDX-License-Identifier: GPL-3.0-or-later

package guest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// tick is how often a guest's first process says that it is there.
const tick = 5 * time.Second

// Bounds of a guest. The first process ticks whatever the specs do, unless the
// guest's one CPU is not its own: so the patience is long, and the time for all.
const (
	patience  = 90 * time.Second
	bootBound = 60 * time.Second
)

// A Machine is how a guest is emulated.
type Machine struct {
	Arch   Arch
	Accel  string // tcg, kvm
	QEMU   string // the emulator's path
	Memory int    // MiB
	CPUs   int
	Limit  time.Duration // for the guest's whole life
	// How long it may be silent, and how long until its first process speaks.
	// Zero: as long as a busy machine may need.
	Patience, BootBound time.Duration
	Extra               []string // further words for the kernel's command line
}

// FindQEMU is where the emulator is.
func FindQEMU(arch Arch) (string, error) {
	path, err := exec.LookPath(arch.QEMU)
	if err != nil {
		return "", problem(Lacking, "%s", missing([]string{arch.QEMU}, []string{arch.QEMUPackage}))
	}
	return path, nil
}

// command is the emulator's command line. What the kernel is told makes it come
// up quicker under emulation and leaves what is tested as it is: no words about
// security modules, and nothing that switches seccomp's or ptrace's ways.
func (m Machine) command(kernel, initrd, console, results, nonce string) []string {
	words := []string{"console=" + m.Arch.Console, "panic=-1", "quiet", "mitigations=off", "nokaslr"}
	if m.Arch.Name == "amd64" {
		words = append(words, "tsc=reliable", "no_timer_check")
	}
	words = append(words, "random.trust_cpu=on", "cryptomgr.notests=1", nonceParameter+nonce, resultsParameter+m.Arch.Results)
	accel := m.Accel
	if accel == "tcg" {
		accel = "tcg,thread=multi"
		// Each timer that is set wakes the emulator's other thread: a quarter of all time,
		// where there are as many guests as processors.
		words = append(words, "highres=off")
	}
	words = append(words, m.Extra...)
	args := []string{"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-accel", accel}
	args = append(args, m.Arch.Machine...)
	args = append(args, "-m", fmt.Sprint(m.Memory), "-smp", fmt.Sprint(m.CPUs),
		"-kernel", kernel, "-initrd", initrd, "-append", strings.Join(words, " "), "-serial", "file:"+console)
	for _, word := range m.Arch.ResultsPort {
		args = append(args, strings.ReplaceAll(word, "FILE", results))
	}
	return args
}

// Boot runs one guest to its end, in whatever way that comes, and says what it
// left behind and the nonce that its results must have. Dir is the guest's own.
func (m Machine) Boot(ctx context.Context, kernel, initrd, dir string) (o Outcome, nonce string, err error) {
	number := make([]byte, 8)
	if _, err := rand.Read(number); err != nil {
		return o, "", err
	}
	nonce = hex.EncodeToString(number)
	console, results := filepath.Join(dir, "console.log"), filepath.Join(dir, "results")
	cmd := exec.Command(m.QEMU, m.command(kernel, initrd, console, results, nonce)...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	// A terminal's Ctrl-C is for this process, which ends its guests.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started, ended := make(chan error, 1), make(chan error, 1)
	w := &watch{console: console, began: time.Now(), grew: time.Now(), machine: m}
	go func() {
		// Pdeathsig is about the thread that started it.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return o, nonce, problem(Emulator, "start %s: %v", m.QEMU, err)
	}
	var failure error
loop:
	for {
		select {
		case failure = <-ended:
			break loop
		case <-time.After(50 * time.Millisecond):
			w.look()
			if ctx.Err() == nil && !w.silent && !w.over {
				continue
			}
			_ = cmd.Process.Kill()
			<-ended
			break loop
		}
	}
	if ctx.Err() != nil {
		return o, nonce, ctx.Err()
	}
	w.look()
	o = Outcome{Silent: w.silent, TimeOver: w.over, Took: time.Since(w.began), FirstSpec: w.firstSpec}
	if failure != nil {
		// The emulator's status says nothing of the guest, and of itself this.
		o.Emulator = strings.TrimSpace(fmt.Sprintf("%v: %s", failure, said.String()))
	}
	text, _ := os.ReadFile(console)
	o.Console = string(text)
	o.Results, _ = os.ReadFile(results)
	return o, nonce, nil
}

// A watch looks at a console as it grows.
type watch struct {
	console      string
	machine      Machine
	began, grew  time.Time
	size         int64
	booted       bool
	firstSpec    time.Duration
	silent, over bool
}

func (w *watch) look() {
	now := time.Now()
	if info, err := os.Stat(w.console); err == nil && info.Size() > w.size {
		w.size, w.grew = info.Size(), now
		if !w.booted || w.firstSpec == 0 {
			text, _ := os.ReadFile(w.console)
			w.booted = initLine.Match(text)
			if w.firstSpec == 0 && specLine.Match(text) {
				w.firstSpec = now.Sub(w.began)
			}
		}
	}
	bound := cmp.Or(w.machine.Patience, patience)
	if !w.booted {
		bound = cmp.Or(w.machine.BootBound, bootBound)
	}
	w.silent = now.Sub(w.grew) > bound
	w.over = now.Sub(w.began) > w.machine.Limit
}
