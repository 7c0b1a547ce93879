// SPDX-License-Identifier: GPL-3.0-or-later

package guest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// A mount is a file system of a guest. An optional one may be unknown to the
// kernel.
type mount struct {
	kind, where, options string
	flags                uintptr
	optional             bool
}

const inert = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC

var mounts = []mount{
	{kind: "sysfs", where: "/sys", flags: inert},
	{kind: "devtmpfs", where: "/dev", flags: unix.MS_NOSUID, options: "mode=755"},
	{kind: "devpts", where: "/dev/pts", flags: unix.MS_NOSUID | unix.MS_NOEXEC, options: "gid=5,mode=620,ptmxmode=666"},
	{kind: "tmpfs", where: "/dev/shm", flags: unix.MS_NOSUID | unix.MS_NODEV, options: "mode=1777"},
	{kind: "tmpfs", where: "/run", flags: unix.MS_NOSUID | unix.MS_NODEV, options: "mode=755"},
	{kind: "tmpfs", where: "/tmp", flags: unix.MS_NOSUID | unix.MS_NODEV, options: "mode=1777"},
	{kind: "tmpfs", where: "/var/tmp", flags: unix.MS_NOSUID | unix.MS_NODEV, options: "mode=1777"},
	{kind: "securityfs", where: "/sys/kernel/security", flags: inert, optional: true},
	{kind: "cgroup2", where: "/sys/fs/cgroup", flags: inert, optional: true},
}

// setUp makes of a bare kernel what programs expect of a system.
func setUp() error {
	unix.Umask(0o022)
	for _, m := range mounts {
		if err := os.MkdirAll(m.where, 0o755); err != nil && !m.optional {
			return err
		}
		err := unix.Mount(m.kind, m.where, m.kind, m.flags, m.options)
		// EBUSY: the kernel has mounted /dev itself (CONFIG_DEVTMPFS_MOUNT).
		if err != nil && err != unix.EBUSY && !m.optional {
			return fmt.Errorf("mount %s: %w", m.where, err)
		}
	}
	for name, target := range map[string]string{
		"/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0", "/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2",
	} {
		if err := os.Symlink(target, name); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if err := unix.Sethostname([]byte("guest")); err != nil {
		return fmt.Errorf("name the host: %w", err)
	}
	return loopbackUp()
}

func loopbackUp() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("bring lo up: %w", err)
	}
	defer unix.Close(socket)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("bring lo up: %w", err)
	}
	return nil
}

// openRaw opens a serial port that passes every byte as it is.
func openRaw(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	settings, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	settings.Iflag, settings.Oflag, settings.Lflag = 0, 0, 0
	settings.Cflag = unix.CS8 | unix.CREAD | unix.CLOCAL | unix.B115200
	settings.Cc[unix.VMIN], settings.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(int(file.Fd()), unix.TCSETS, settings); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return file, nil
}

// drain waits until the port has sent everything: tcdrain(3).
func drain(port *os.File) error {
	return unix.IoctlSetInt(int(port.Fd()), unix.TCSBRK, 1)
}
