//go:build s390x

package cpu

const lineSize = 256
