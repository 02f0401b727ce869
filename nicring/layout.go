package nicring

import "unsafe"

func descSize[D any]() int {
	var d D
	return int(unsafe.Sizeof(d))
}

// descs returns the first bytes of a block as n descriptors. A block begins at
// a multiple of 4 KiB in its page, more than any descriptor's alignment.
func descs[D any](block []byte, n int) []D {
	return unsafe.Slice((*D)(unsafe.Pointer(unsafe.SliceData(block))), n)
}
