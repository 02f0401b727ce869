// Package copies copies what must not be copied, for go vet to see.
package copies

import "github.com/ferrule-go/ferrule/mcs"

func byValue(l mcs.Lock, n mcs.Node) { l.Acquire(&n) }

func mutexByValue(m mcs.Mutex) { m.Lock() }
