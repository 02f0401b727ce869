#include "textflag.h"

// func prefetch(addr, lines uintptr)
TEXT ·prefetch(SB), NOSPLIT|NOFRAME, $0-16
	MOVQ  addr+0(FP), AX
	MOVQ  lines+8(FP), CX
	TESTQ CX, CX
	JZ    done
loop:
	PREFETCHT0 (AX)
	ADDQ $64, AX
	SUBQ $1, CX
	JNZ  loop
done:
	RET

// func prefetchWrite(addr, lines uintptr)
TEXT ·prefetchWrite(SB), NOSPLIT|NOFRAME, $0-16
	MOVQ  addr+0(FP), AX
	MOVQ  lines+8(FP), CX
	TESTQ CX, CX
	JZ    done
loop:
	BYTE $0x0F; BYTE $0x0D; BYTE $0x08 // PREFETCHW (AX): a no-op where it is not known
	ADDQ $64, AX
	SUBQ $1, CX
	JNZ  loop
done:
	RET
