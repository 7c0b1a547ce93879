// SPDX-License-Identifier: GPL-3.0-or-later

// Package guest runs the suite on other kernels: it finds a kernel, boots it in
// an emulator with this very program as its first process, and judges what comes
// back, so that a guest that died never looks like one that passed.
//
//	Find      a kernel's name  → a file, through apt-get or from the disk
//	Pack      programs, syd    → an initial file system
//	Machine   both             → a console and an archive of results
//	Classify  these            → one Fate
//	Init      the other side: the first process in the guest
package guest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
)

// An Arch is what differs between machines.
type Arch struct {
	Name        string // Go's
	Debian      string
	Triplet     string // of the directories of libraries
	ELF         elf.Machine
	QEMU        string // the emulator
	QEMUPackage string // what brings it
	Machine     []string
	Console     string // the kernel's name of the first serial port
	Results     string // the device of the second one, in the guest
	ResultsPort []string
	KVM         []string // a module of these is KVM for an unmodified guest
}

// Arches is every machine that guests can be. In ResultsPort, FILE is the file.
var Arches = []Arch{
	{
		Name: "amd64", Debian: "amd64", Triplet: "x86_64-linux-gnu", ELF: elf.EM_X86_64,
		QEMU: "qemu-system-x86_64", QEMUPackage: "qemu-system-x86",
		Machine: []string{"-cpu", "max,-erms,-fsrm", "-M", "q35"}, Console: "ttyS0", Results: "/dev/ttyS1",
		ResultsPort: []string{"-serial", "file:FILE"}, KVM: []string{"kvm_intel", "kvm_amd"},
	},
	{
		Name: "arm64", Debian: "arm64", Triplet: "aarch64-linux-gnu", ELF: elf.EM_AARCH64,
		QEMU: "qemu-system-aarch64", QEMUPackage: "qemu-system-arm",
		Machine: []string{"-cpu", "max,pauth-impdef=on", "-M", "virt"}, Console: "ttyAMA0", Results: "/dev/ttyS0",
		ResultsPort: []string{"-chardev", "file,id=results,path=FILE", "-device", "pci-serial,chardev=results"}, KVM: []string{"kvm"},
	},
}

// FindArch is the row of Arches called name.
func FindArch(name string) (Arch, bool) {
	i := slices.IndexFunc(Arches, func(a Arch) bool { return a.Name == name })
	if i < 0 {
		return Arch{}, false
	}
	return Arches[i], true
}

// A Problem is why a guest was not started: a fate, in words that say what to
// do about it.
type Problem struct {
	Fate Fate
	Text string
}

func (p *Problem) Error() string { return p.Text }

func problem(fate Fate, format string, args ...any) error {
	return &Problem{fate, fmt.Sprintf(format, args...)}
}

// ProgramArch says for which machine a static executable is. Another program
// would not start in a guest, which has none of its libraries.
func ProgramArch(path string) (Arch, error) {
	file, err := elf.Open(path)
	if err != nil {
		return Arch{}, problem(WrongArch, "%s is no program that a guest can run: %v", path, err)
	}
	defer file.Close()
	i := slices.IndexFunc(Arches, func(a Arch) bool { return a.ELF == file.Machine })
	if i < 0 {
		return Arch{}, problem(WrongArch, "%s is for %v; guests can be %s and %s", path, file.Machine, Arches[0].Name, Arches[1].Name)
	}
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			return Arches[i], problem(Dynamic, "%s needs shared libraries, which a guest does not have: link it with -static", path)
		}
	}
	return Arches[i], nil
}

// ImageArch says for which machine a kernel image is, by what boot loaders look
// for: the headers of Documentation/arch/x86/boot.rst and arch/arm64/booting.rst.
func ImageArch(image []byte) (Arch, error) {
	at := func(offset int, magic string) bool {
		return len(image) >= offset+len(magic) && string(image[offset:offset+len(magic)]) == magic
	}
	name := ""
	switch {
	case at(0x202, "HdrS"):
		name = "amd64"
	case at(0x38, "ARM\x64"):
		name = "arm64"
	case at(0, elf.ELFMAG):
		file, err := elf.NewFile(bytes.NewReader(image))
		if err != nil {
			return Arch{}, problem(Unreadable, "an ELF file that cannot be read: %v", err)
		}
		i := slices.IndexFunc(Arches, func(a Arch) bool { return a.ELF == file.Machine })
		if i < 0 {
			return Arch{}, problem(WrongArch, "a kernel for %v", file.Machine)
		}
		name = Arches[i].Name
	case at(0, "MZ") && at(4, "zimg"):
		// An EFI loader with a compressed kernel; at 0x3c its PE header.
		machine := uint16(0)
		if len(image) > 0x40 {
			if pe := int(binary.LittleEndian.Uint32(image[0x3c:])); pe+6 <= len(image) {
				machine = binary.LittleEndian.Uint16(image[pe+4:])
			}
		}
		if machine != 0xaa64 {
			return Arch{}, problem(WrongArch, "a kernel for PE machine %#x", machine)
		}
		name = "arm64"
	default:
		return Arch{}, problem(Unreadable, "no kernel image: neither bzImage nor arm64 Image nor vmlinux (%d bytes)", len(image))
	}
	arch, _ := FindArch(name)
	return arch, nil
}

// checkImage is ImageArch, for a file and an expectation.
func checkImage(path string, arch Arch) error {
	image, err := os.ReadFile(path)
	if err != nil {
		return problem(Unreadable, "%v", err)
	}
	found, err := ImageArch(image)
	if err != nil {
		return &Problem{err.(*Problem).Fate, path + ": " + err.Error()}
	}
	if found.Name != arch.Name {
		return problem(WrongArch, "%s is a kernel for %s, and the build is for %s", path, found.Name, arch.Name)
	}
	return nil
}
