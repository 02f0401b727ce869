#include "textflag.h"

// func readBarrier()
TEXT ·readBarrier(SB), NOSPLIT|NOFRAME, $0-0
	// No instruction: loads are made in program order. The call itself stops
	// the compiler from moving loads and stores across it.
	RET

// func writeBarrier()
TEXT ·writeBarrier(SB), NOSPLIT|NOFRAME, $0-0
	// No instruction: stores to write-back memory become visible in program
	// order, and none passes, or is passed by, a store to uncached memory. The
	// call itself stops the compiler from moving loads and stores across it.
	RET
