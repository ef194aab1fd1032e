//go:build linux

package rig

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mtu is that of every link, in bytes.
const mtu = 1500

// openTUN makes a TUN device in the namespace. It is gone when the file is
// closed. A Read takes one IP packet, a Write brings one.
func openTUN(ns namespace, name string) (tun *os.File, err error) {
	err = ns.do(func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("open /dev/net/tun: %w", err)
		}
		request, err := unix.NewIfreq(name)
		if err == nil {
			request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
			err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
		}
		if err != nil {
			_ = unix.Close(fd)
			return fmt.Errorf("make the TUN device %s: %w", name, err)
		}
		tun = os.NewFile(uintptr(fd), name)
		return nil
	})
	return tun, err
}
