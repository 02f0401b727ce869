//go:build amd64 || arm64 || ppc64 || ppc64le

package cpu

const lineSize = 128
