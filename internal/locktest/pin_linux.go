package locktest

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// pin keeps the calling goroutine on its thread and the thread on the nth of the
// processors that the program may use, beginning anew when there are no more.
// The thread ends with the goroutine, so nothing has to be undone.
func pin(n int) {
	runtime.LockOSThread()
	var allowed, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		panic(err)
	}
	n %= allowed.Count()
	for processor := 0; ; processor++ {
		if !allowed.IsSet(processor) {
			continue
		}
		if n == 0 {
			one.Set(processor)
			break
		}
		n--
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		panic(err)
	}
}
