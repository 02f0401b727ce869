// Package copies copies what must not be copied, for go vet to see.
package copies

import "github.com/ferrule-go/ferrule/spinlock"

func mutex(m spinlock.Mutex)         { m.Lock() }
func ticket(l spinlock.Ticket)       { l.Lock() }
func rwMutex(l spinlock.RWMutex)     { l.Lock() }
func bigReader(l spinlock.BigReader) { l.Lock() }
func reader(r spinlock.Reader)       { r.Lock() }
func seqLock(l spinlock.SeqLock)     { l.Lock() }
func seq(q spinlock.Seq[int])        { q.Load() }
