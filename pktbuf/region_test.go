package pktbuf_test

import (
	"github.com/ferrule-go/ferrule/pktbuf"
)

// region returns pages of ordinary memory with bus addresses that are far apart.
func region(pages, pageSize int) pktbuf.Region {
	r := pktbuf.Region{Bytes: make([]byte, pages*pageSize), PageSize: pageSize}
	for i := range pages {
		r.Bus = append(r.Bus, 1<<40-uint64(i)<<32)
	}
	return r
}
