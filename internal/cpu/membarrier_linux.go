//go:build amd64 && !race && !ferrule_strict

package cpu

import (
	"sync"

	"golang.org/x/sys/unix"
)

// Commands of membarrier(2), from linux/membarrier.h.
const (
	privateExpedited         = 1 << 3
	registerPrivateExpedited = 1 << 4
)

// registered tells the kernel that this process will ask for barriers. Kernels
// before 4.14 know nothing of it, and a sandbox may forbid it.
var registered = sync.OnceValue(func() bool {
	_, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, registerPrivateExpedited, 0, 0)
	return errno == 0
})

// membarrier interrupts the processors that run a thread of this process. The
// threads that do not run have passed a barrier when they were switched out.
func membarrier() bool {
	if !registered() {
		return false
	}
	_, _, errno := unix.RawSyscall(unix.SYS_MEMBARRIER, privateExpedited, 0, 0)
	return errno == 0
}
