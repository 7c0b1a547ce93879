// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import "testing"

func TestOwnProc(t *testing.T) {
	if err := OwnProc(); err != nil {
		t.Error(err)
	}
	for text, own := range map[string]bool{
		"Name:\tsyd\nTgid:\t7\nPid:\t7\nNStgid:\t7\nNSpid:\t7\n": true,
		"Tgid:\t7\nPid:\t7\n":         true, // without CONFIG_PID_NS
		"Tgid:\t70\nNStgid:\t70\t7\n": false,
		"Tgid:\t7\nNStgid:\t7\t7\n":   false,
		"Tgid:\t8\nNStgid:\t8\n":      false,
	} {
		if err := ownStatus(text, 7); (err == nil) != own {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestHas(t *testing.T) {
	for number, want := range map[uintptr]bool{0: true, 450: true, 1 << 20: false} {
		if Has(number) != want {
			t.Errorf("%d: %v", number, !want)
		}
	}
}
