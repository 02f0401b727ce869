#include "textflag.h"

// func prefetch(addr, lines uintptr)
TEXT ·prefetch(SB), NOSPLIT|NOFRAME, $0-16
	MOVD addr+0(FP), R0
	MOVD lines+8(FP), R1
	CBZ  R1, done
loop:
	PRFM (R0), PLDL1KEEP
	ADD  $64, R0
	SUB  $1, R1
	CBNZ R1, loop
done:
	RET

// func prefetchWrite(addr, lines uintptr)
TEXT ·prefetchWrite(SB), NOSPLIT|NOFRAME, $0-16
	MOVD addr+0(FP), R0
	MOVD lines+8(FP), R1
	CBZ  R1, done
loop:
	PRFM (R0), PSTL1KEEP
	ADD  $64, R0
	SUB  $1, R1
	CBNZ R1, loop
done:
	RET
