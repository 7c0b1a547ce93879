// SPDX-License-Identifier: GPL-3.0-or-later

package guest

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// trialBound is how long a guest under KVM may take to come up; it takes one second.
const trialBound = 10 * time.Second

// A Method is how guests are emulated, and why so.
type Method struct {
	Accel    string `json:"accel"`
	Evidence string `json:"evidence"`
}

// ChooseMethod is KVM only if a guest really comes up by it: a /dev/kvm that
// opens, and even one that makes machines, may be one for paravirtual guests
// only, in which a kernel as it is takes minutes. asked is auto, kvm or tcg.
func ChooseMethod(asked string, arch Arch, modules string, trial func() error) (Method, error) {
	if asked == "tcg" {
		return Method{"tcg", "asked for"}, nil
	}
	evidence, possible := kvmThere(arch, modules)
	if asked == "kvm" || possible {
		if err := trial(); err != nil {
			evidence += "; a trial guest did not come up: " + err.Error()
			possible = false
		} else {
			evidence += "; a trial guest came up"
			possible = true
		}
	}
	switch {
	case possible:
		return Method{"kvm", evidence}, nil
	case asked == "kvm":
		return Method{}, problem(Emulator, "KVM does not work here: %s", evidence)
	}
	return Method{"tcg", evidence}, nil
}

// kvmThere looks for a module that runs kernels as they are. modules is /sys/module.
func kvmThere(arch Arch, modules string) (evidence string, ok bool) {
	if arch.Name != runtime.GOARCH {
		return "KVM runs guests of this machine's architecture only", false
	}
	var loaded []string
	entries, err := os.ReadDir(modules)
	if err != nil {
		return err.Error(), false
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "kvm") {
			loaded = append(loaded, e.Name())
		}
	}
	if len(loaded) == 0 {
		return "no kvm module is loaded", false
	}
	evidence = "loaded: " + strings.Join(loaded, ", ")
	for _, name := range loaded {
		for _, want := range arch.KVM {
			if name == want {
				return evidence, true
			}
		}
	}
	return fmt.Sprintf("%s, and none of %s", evidence, strings.Join(arch.KVM, ", ")), false
}

// Trial boots a guest that only says that it is there.
func (m Machine) Trial(ctx context.Context, kernel, initrd, dir string) error {
	m.Limit, m.Extra = trialBound, append(m.Extra, trialParameter)
	o, _, err := m.Boot(ctx, kernel, initrd, dir)
	switch {
	case err != nil:
		return err
	case o.Emulator != "":
		return fmt.Errorf("%s", o.Emulator)
	case !initLine.MatchString(o.Console):
		return fmt.Errorf("no word of its first process after %.1f s", o.Took.Seconds())
	}
	return nil
}
