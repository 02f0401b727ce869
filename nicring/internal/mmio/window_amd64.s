#include "textflag.h"

// Registers are mapped uncached. Accesses to uncached memory are made as the
// program has them, each as one transaction of its size, and in program order
// (Intel SDM volume 3, Methods of Caching Available). Neither passes, nor is
// passed by, what the Window orders it with: stores become visible in program
// order, and no load is made before an earlier one (Memory Ordering in P6 and
// More Recent Processor Families). So there is nothing to add.

// func load(register *byte) uint32
TEXT ·load(SB), NOSPLIT|NOFRAME, $0-12
	MOVQ register+0(FP), AX
	MOVL (AX), AX
	MOVL AX, ret+8(FP)
	RET

// func store(register *byte, value uint32)
TEXT ·store(SB), NOSPLIT|NOFRAME, $0-12
	MOVQ register+0(FP), AX
	MOVL value+8(FP), CX
	MOVL CX, (AX)
	RET
