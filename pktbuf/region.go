package pktbuf

// A Region is memory that cards can reach. Bytes is how the program sees it,
// one unbroken stretch; Bus says where a card sees each page of it: the page
// that begins at Bytes[i*PageSize] is at bus address Bus[i]. Only within a page
// do addresses run on, so nothing that a card is told of crosses from one page
// into the next.
//
// Whoever made the Region keeps it in place and mapped until every card that
// was told of it has lost its bus mastering.
type Region struct {
	Bytes    []byte
	PageSize int // bytes, a power of two; len(Bytes) is a multiple of it
	Bus      []uint64
}
