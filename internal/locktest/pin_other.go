//go:build !linux

package locktest

import "runtime"

// pin keeps the calling goroutine on its thread: more cannot be asked here.
func pin(int) { runtime.LockOSThread() }
