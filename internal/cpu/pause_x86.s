//go:build amd64 || 386

#include "textflag.h"

// func pause(n uint32)
TEXT ·pause(SB), NOSPLIT, $0-4
	MOVL n+0(FP), AX
	TESTL AX, AX
	JZ   done
loop:
	PAUSE
	SUBL $1, AX
	JNZ  loop
done:
	RET
