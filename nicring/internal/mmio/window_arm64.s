#include "textflag.h"

// Registers are mapped as Device memory. Accesses to one device are made as the
// program has them, each whole, and in program order (Arm ARM, Device memory).
// Against accesses to Normal memory they have no order of their own. The device
// stands in the outer shareable domain, so the barriers have to reach that far.

// func load(register *byte) uint32
TEXT ·load(SB), NOSPLIT|NOFRAME, $0-12
	MOVD register+0(FP), R0
	MOVWU (R0), R1
	DMB $0x1 // OSHLD: the register before every later load, as from a descriptor
	MOVW R1, ret+8(FP)
	RET

// func store(register *byte, value uint32)
TEXT ·store(SB), NOSPLIT|NOFRAME, $0-12
	MOVD register+0(FP), R0
	MOVWU value+8(FP), R1
	DMB $0x2 // OSHST: every earlier store, as to a descriptor, before the register
	MOVW R1, (R0)
	RET
