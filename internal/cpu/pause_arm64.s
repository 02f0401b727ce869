#include "textflag.h"

// func pause(n uint32)
TEXT ·pause(SB), NOSPLIT|NOFRAME, $0-4
	MOVWU n+0(FP), R0
	CBZ   R0, done
loop:
	// ISB, not YIELD: the latter is a no-op on most cores, and a wait of no
	// length makes every waiter hammer the line it waits for.
	ISB $15
	SUBW  $1, R0
	CBNZ  R0, loop
done:
	RET
