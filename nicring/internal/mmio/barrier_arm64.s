#include "textflag.h"

// func readBarrier()
TEXT ·readBarrier(SB), NOSPLIT|NOFRAME, $0-0
	DMB $0x1 // OSHLD: the device is in the outer shareable domain
	RET

// func writeBarrier()
TEXT ·writeBarrier(SB), NOSPLIT|NOFRAME, $0-0
	DMB $0x2 // OSHST: the device is in the outer shareable domain
	RET
