package rcu_test

import (
	"fmt"

	"github.com/ferrule-go/ferrule/rcu"
)

// A flow table: a worker looks up a burst in one section, and a flow that is
// deleted gives its counter back when no worker can have it.
func ExampleMap() {
	type tuple struct {
		source, destination         [4]byte
		sourcePort, destinationPort uint16
		protocol                    uint8
	}
	type counter struct{ packets int }
	var (
		domain rcu.Domain
		flows  = rcu.NewMap[tuple, *counter]()
		free   []*counter
	)
	web := tuple{[4]byte{10, 0, 0, 1}, [4]byte{10, 0, 0, 2}, 40000, 443, 6}
	dns := tuple{[4]byte{10, 0, 0, 1}, [4]byte{10, 0, 0, 3}, 40001, 53, 17}
	flows.Store(web, new(counter))

	worker := domain.Register()
	defer worker.Close()
	burst := []tuple{web, dns, web}
	found, ok := make([]*counter, len(burst)), make([]bool, len(burst))
	worker.Lock()
	known := flows.LoadN(burst, found, ok)
	for i := range burst {
		if ok[i] {
			found[i].packets++
		}
	}
	worker.Unlock()
	fmt.Println(known, "of", len(burst), "packets belong to flows")

	if old, ok := flows.Delete(web); ok {
		domain.Call(func() {
			fmt.Println("the flow had", old.packets, "packets")
			free = append(free, old)
		})
	}
	domain.Barrier()
	fmt.Println(flows.Len(), "flows,", len(free), "counters to use again")
	// Output:
	// 2 of 3 packets belong to flows
	// the flow had 2 packets
	// 0 flows, 1 counters to use again
}

// A card has computed a hash of each packet's addresses and ports: it comes with
// the key.
func ExampleNewMapFunc() {
	type key struct {
		source, destination uint64
		rss                 uint32
	}
	flows := rcu.NewMapFunc[key, string](func(k key) uint64 { return uint64(k.rss) })
	flows.Store(key{1, 2, 0x51ccc178}, "first")
	flows.Store(key{2, 1, 0x51ccc178}, "second") // a collision costs time, and nothing else
	fmt.Println(flows.Load(key{1, 2, 0x51ccc178}))
	// Output: first true
}

// Flows that have been idle leave in one sweep, which pays for one grace period.
func ExampleMap_All() {
	type flow struct{ lastSeen int }
	var (
		domain rcu.Domain
		flows  = rcu.NewMap[uint64, *flow]()
		free   []*flow
	)
	for key := range uint64(10) {
		flows.Store(key, &flow{lastSeen: int(key)})
	}

	for key, f := range flows.All() {
		if f.lastSeen < 7 {
			if old, ok := flows.Delete(key); ok {
				free = append(free, old)
			}
		}
	}
	domain.Synchronize()
	clear(free) // nobody has them: reset them, or hand them on
	fmt.Println(flows.Len(), len(free))
	// Output: 3 7
}
