// Package copies copies what must not be copied, for go vet to see.
package copies

import "github.com/ferrule-go/ferrule/spinlock"

func byValue(m spinlock.Mutex) { m.Lock() }
