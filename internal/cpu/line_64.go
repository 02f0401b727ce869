//go:build !(amd64 || arm64 || ppc64 || ppc64le || s390x)

package cpu

// Some of these processors have lines of 32 bytes; their later models have 64.
const lineSize = 64
