package rcu

import (
	"hash/maphash"
	"iter"
	"math/bits"
	"math/rand/v2"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// A Map is a hash table that grows and shrinks while it is read: a flow table.
// Many look flows up, a burst at a time; few insert, replace and delete them.
//
// Two watch over it, each over its part. What the table is made of lives on the
// Go heap, and the garbage collector frees it: no method waits for a grace
// period, and a Map needs no Domain. What the values refer to is the
// caller's, and where it is used again, as a buffer or a descriptor is, the
// Domain says when:
//
//	if old, ok := flows.Delete(key); ok {
//		domain.Call(func() { pool.Put(old) })
//	}
//
// That is why Load takes no Reader: a section is worth having around a burst and
// not around a lookup, may span several maps, and is not needed at all when the
// values are numbers or garbage.
//
// Progress. Load neither waits nor takes a lock nor allocates. One that finds its
// key ends in one pass; one that does not must pass again if entries changed
// places meanwhile, as they do when the table grows or shrinks: lock-free, and
// wait-free while its size stays. Writers take turns
// at a mutex. Len is wait-free.
//
// Cost. Load reads two lines that all readers share, and two for the key: its
// bucket's and its entry's. There is no moment when the table is copied. It grows
// by one bucket and shrinks by one, so that a writer pays for the moving of one
// bucket, some six entries, with one insertion in three or one deletion, and for
// 32 KiB of new memory with one insertion in 1500. Readers pay a miss on the shared
// lines when they have changed. A Map has at least 32 KiB.
//
// Order. In the terminology of the Go memory model, what stored a value
// synchronizes before each Load that returns it. Each method takes effect at one
// moment between its call and its return, but for LoadN, which is as many Loads, and
// All.
//
// Ownership. Load and All lend: what a value refers to may be used until the
// outermost Unlock of the Reader. Swap, Delete, CompareAndSwap and CompareAndDelete
// give the old value back to the caller, who may use what it refers to again after
// the next Synchronize. Store is for a Map whose old values nobody needs back.
//
// Keys. A key that is not equal to itself, such as a NaN, is never found again. A
// key of an interface type whose value cannot be compared panics.
//
// A Map must not be copied. Make one with NewMap or NewMapFunc.
type Map[K comparable, V any] struct {
	_ cpu.Pad
	reading[K, V]
	_ cpu.Pad
	writing
	_ cpu.Pad
}

// reading is what every Load reads.
type reading[K comparable, V any] struct {
	table atomic.Pointer[table[K, V]]
	hasher[K]
}

// A hasher hashes in one of three ways.
type hasher[K comparable] struct {
	hash   func(K) uint64 // the caller's, or nil
	words  int            // how many words a K consists of, if it is nothing but words
	secret [2]uint64      // for those
	seed   maphash.Seed   // for all else
}

// A table is a list of buckets. It is never changed but in that chunks behind its
// end come and go; entries that change places do so from one table to the next.
type table[K comparable, V any] struct {
	buckets uint32
	half    uint32 // the greatest power of two not above buckets
	chunks  []atomic.Pointer[chunk[K, V]]
}

type writing struct {
	mutex sync.Mutex   // held by whoever changes anything
	count atomic.Int64 // of entries
}

// A bucket is one line of references to entries, and the head of a list of such
// lines for when there are more. Each slot has a tag of eight bits, zero when it is
// empty, otherwise seven bits of the hash below a one.
type bucket[K comparable, V any] struct {
	tags    atomic.Uint64
	entries [slots]atomic.Pointer[entry[K, V]]
	next    atomic.Pointer[bucket[K, V]]
}

// An entry is never changed.
type entry[K comparable, V any] struct {
	key   K
	value V
}

type chunk[K comparable, V any] [chunkLen]bucket[K, V]

const (
	slots    = 6
	burst    = 32  // what LoadN looks up at once
	chunkLen = 512 // 32 KiB of buckets, which the allocator puts on a page

	ones = 0x0000_0101_0101_0101 // one in each tag
	tops = ones << 7             // the top bit of each tag

	// A bucket has between minLoad and maxLoad entries on average.
	minLoad, maxLoad = 1, 3
	maxBuckets       = 1 << 31
)

// Why a Load that returns false is right, though buckets are divided and joined
// meanwhile. The table grows by linear hashing [1]. With 2ⁿ+s buckets, s < 2ⁿ, a key
// belongs in the bucket that its hash has in its lower n+1 bits, or, if there is
// none, in its lower n bits. One bucket more divides bucket s in two; one less
// joins two. An entry that changes places is for a while in both:
//
//	A  tags. The entry is stored in its slot, and then the slot is tagged. Who
//	   finds the tag finds the entry, or a later one, or nil.
//	B  table. When it is in the new place, another table takes the place of the
//	   current one, and then, no sooner, the entry is taken out of the old place.
//
// A Load that came too early for the new place and too late for the old one thus
// finds another table than it began with, and begins anew. It cannot take a later
// table for the one it has: the collector sees to that. One that finds the
// entry in the old place has what was the key's value then: before anything else
// is done to the key, the old place is empty.
//
// A slot may come to hold another key's entry, so the key is always compared.
//
// Tags are published by a release store, which is not sequentially consistent. The
// mutex, unlocked after it, is: a grace period that begins when Delete has returned
// is later than all that it did.
//
// [1]: W. Litwin, Linear Hashing: A New Tool for File and Table Addressing, VLDB
// 1980.

// NewMap returns an empty Map with a hash of its own, which has a secret: nobody
// outside can choose keys that collide. A key of one to eight words of 64 bits,
// which consists of integers without padding, is multiplied by the secret word by
// word, as the Go runtime does where it has no AES, and once more: by a single
// product keys in steps crowd, under one secret in some hundreds. Any other is hashed by
// maphash.Comparable, which allocates if it has pointers other than those of strings.
func NewMap[K comparable, V any]() *Map[K, V] {
	m := new(Map[K, V])
	m.seed = maphash.MakeSeed()
	m.words = wordsOf(reflect.TypeFor[K]())
	m.secret = [2]uint64{rand.Uint64() | 1, rand.Uint64() | 1}
	m.table.Store(new(table[K, V]).resized(1))
	return m
}

// NewMapFunc returns an empty Map that hashes keys by hash, such as one that
// a card has computed. Equal keys must have equal hashes. It may use any bits of the
// result, if only the lower 32, and need not mix them well. With one that gives
// many keys the same hash, everything is still right, and as slow as a list.
func NewMapFunc[K comparable, V any](hash func(K) uint64) *Map[K, V] {
	if hash == nil {
		panic("rcu: NewMapFunc of a nil hash")
	}
	m := NewMap[K, V]()
	m.hash, m.words = hash, 0
	return m
}

// Load returns the value of key; ok is false if there is none. What the value
// refers to is safe within a section.
func (m *Map[K, V]) Load(key K) (value V, ok bool) {
	if e, _ := m.lookup(key); e != nil {
		return e.value, true
	}
	return value, false
}

// LoadN loads a burst: values[i] and found[i] become what Load of keys[i] returns.
// It returns how many were found. It is faster than one Load after the other by
// what it does at once: the processor waits for the lines of many keys together.
func (m *Map[K, V]) LoadN(keys []K, values []V, found []bool) int {
	n := 0
	for len(keys) > 0 {
		few := min(len(keys), burst)
		n += m.loadFew(keys[:few], values[:few], found[:few])
		keys, values, found = keys[few:], values[few:], found[few:]
	}
	return n
}

func (m *Map[K, V]) loadFew(keys []K, values []V, found []bool) (n int) {
	var (
		hashes  [burst]uint64
		entries [burst]*entry[K, V] // the first in the bucket that has the key's tag
	)
	for i, key := range keys {
		hashes[i%burst] = m.hashOf(key)
	}
	t := m.table.Load() // B: acquire
	for i, hash := range hashes[:len(keys)] {
		if b := t.root(t.index(hash)); b != nil {
			if same := b.tagged(tag(hash)); same != 0 {
				entries[i] = b.entries[bits.TrailingZeros64(same)/8].Load() // A: acquire
			}
		}
	}
	for i, e := range entries[:len(keys)] {
		if e == nil || e.key != keys[i] {
			e, _ = m.lookup(keys[i])
		}
		if found[i] = e != nil; e != nil {
			values[i] = e.value
			n++
		} else {
			values[i] = *new(V)
		}
	}
	return n
}

// Store makes value that of key.
func (m *Map[K, V]) Store(key K, value V) { m.Swap(key, value) }

// Swap makes value that of key and gives back the one before; loaded is false if
// there was none.
func (m *Map[K, V]) Swap(key K, value V) (old V, loaded bool) {
	e := &entry[K, V]{key, value}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	before, hash := m.lookup(key)
	if before != nil {
		m.where(before, hash).set(e)
		return before.value, true
	}
	m.insert(e, hash)
	return old, false
}

// LoadOrStore returns the value of key if there is one, and else makes it value.
// loaded reports which. What is there already is found as by Load.
func (m *Map[K, V]) LoadOrStore(key K, value V) (actual V, loaded bool) {
	if e, _ := m.lookup(key); e != nil {
		return e.value, true
	}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	e, hash := m.lookup(key)
	if e != nil {
		return e.value, true
	}
	m.insert(&entry[K, V]{key, value}, hash)
	return value, false
}

// CompareAndSwap makes value that of key if old is, and reports whether it did.
// It panics if a V cannot be compared. Like that of a Pointer it takes a value
// that was reused and came back for the one it was.
func (m *Map[K, V]) CompareAndSwap(key K, old, value V) bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	before, hash := m.lookup(key)
	if before == nil || any(before.value) != any(old) {
		return false
	}
	m.where(before, hash).set(&entry[K, V]{key, value})
	return true
}

// Delete removes key and gives its value back; ok is false if there was none.
func (m *Map[K, V]) Delete(key K) (old V, ok bool) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	e, hash := m.lookup(key)
	if e == nil {
		return old, false
	}
	m.remove(e, hash)
	return e.value, true
}

// CompareAndDelete removes key if its value is old, and reports whether it did. It
// panics if a V cannot be compared.
func (m *Map[K, V]) CompareAndDelete(key K, old V) bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	e, hash := m.lookup(key)
	if e == nil || any(e.value) != any(old) {
		return false
	}
	m.remove(e, hash)
	return true
}

// Len returns the number of keys. While others insert and delete, it is a
// moment's view.
func (m *Map[K, V]) Len() int { return int(m.count.Load()) }

// All returns an iterator over the keys and their values. A key that is there from
// beginning to end is yielded once, however the table grows or shrinks; one that is
// not may be yielded or not, and none is yielded twice. The value is what Load
// returned just before, and subject to the same rules.
//
// The iterator copies a bucket at a time, and holds the writers' mutex for that
// long. The loop may call any method.
func (m *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		var keys []K
		for position, more := uint64(0), true; more; {
			keys, position, more = m.keysFrom(position, keys[:0])
			for _, key := range keys {
				if value, ok := m.Load(key); ok && !yield(key, value) {
					return
				}
			}
		}
	}
}

// lookup returns the entry of key, or nil, and its hash. It is written in one
// piece because a call would be a good part of its cost.
func (m *Map[K, V]) lookup(key K) (e *entry[K, V], hash uint64) {
	switch {
	case m.words != 0:
		hash = fold(m.secret[0]^word(&key, 0), m.secret[1])
		for i := 1; i < m.words; i++ {
			hash = fold(hash^word(&key, i), m.secret[1])
		}
		hash = fold(hash, m.secret[0])
	case m.hash != nil:
		hash = mix(m.hash(key))
	default:
		hash = maphash.Comparable(m.seed, key)
	}
	for {
		t := m.table.Load() // B: acquire
		for b := t.root(t.index(hash)); b != nil; b = b.next.Load() {
			for same := b.tagged(tag(hash)); same != 0; same &= same - 1 {
				e = b.entries[bits.TrailingZeros64(same)/8].Load() // A: acquire
				if e != nil && e.key == key {
					return e, hash
				}
			}
		}
		if m.table.Load() == t { // B: acquire
			return nil, hash
		}
	}
}

// hashOf returns the hash that lookup finds.
func (h *hasher[K]) hashOf(key K) uint64 {
	switch {
	case h.words != 0:
		hash := fold(h.secret[0]^word(&key, 0), h.secret[1])
		for i := 1; i < h.words; i++ {
			hash = fold(hash^word(&key, i), h.secret[1])
		}
		return fold(hash, h.secret[0])
	case h.hash != nil:
		return mix(h.hash(key))
	default:
		return maphash.Comparable(h.seed, key)
	}
}

// fold multiplies, and loses nothing of what the upper half has and the lower has
// not.
func fold(a, b uint64) uint64 {
	upper, lower := bits.Mul64(a, b)
	return upper ^ lower
}

// mix spreads the bits of a caller's hash, few and wherever they are.
func mix(hash uint64) uint64 {
	hash ^= hash >> 32
	hash *= 0x9e37_79b9_7f4a_7c15 // 2⁶⁴ by the golden ratio: carries each bit up
	return hash ^ hash>>32        // and down
}

// index returns which of the buckets is that of a hash.
func (t *table[K, V]) index(hash uint64) uint32 {
	i := uint32(hash) & (2*t.half - 1)
	// If i is not below buckets, subtract half: nobody could predict the branch.
	return i - t.half&^uint32((int64(i)-int64(t.buckets))>>32)
}

// tag returns the tag of a hash. It has bits which index uses last.
func tag(hash uint64) uint64 { return hash>>57 | 1<<7 }

// root returns the bucket with the given number, or nil if the Map has shrunk
// and has none meanwhile.
func (t *table[K, V]) root(i uint32) *bucket[K, V] {
	c := t.chunks[i/chunkLen].Load()
	if c == nil {
		return nil
	}
	return &c[i%chunkLen]
}

// tagged returns the top bits of the slots that have a tag.
func (b *bucket[K, V]) tagged(tag uint64) uint64 {
	differ := b.tags.Load() ^ tag*ones // A: acquire
	// The top bit of each byte of zero: an empty slot differs in that bit. A byte of
	// one above a zero is taken too, and costs a comparison of keys.
	return (differ - ones) &^ differ & tops
}

// What follows is called with the mutex held.

// insert adds an entry whose key is not there.
func (m *Map[K, V]) insert(e *entry[K, V], hash uint64) {
	t := m.table.Load()
	t.root(t.index(hash)).add(e, tag(hash))
	if m.count.Add(1) > maxLoad*int64(t.buckets) && t.buckets < maxBuckets {
		m.divide()
	}
}

// remove takes out an entry that is there.
func (m *Map[K, V]) remove(e *entry[K, V], hash uint64) {
	m.where(e, hash).clear()
	t := m.table.Load()
	m.tidy(t.root(t.index(hash)))
	if m.count.Add(-1) < minLoad*int64(t.buckets) && t.buckets > 1 {
		m.join()
	}
}

// divide adds a bucket and moves there what belongs there.
func (m *Map[K, V]) divide() {
	t := m.table.Load()
	next := t.resized(t.buckets + 1)
	from, to := t.root(t.buckets-t.half), next.root(t.buckets)
	var few [2 * slots]place[K, V]
	moving := few[:0]
	for at := range from.all {
		if uint32(m.hashOf(at.entry().key))&t.half != 0 {
			moving = append(moving, at)
		}
	}
	for _, at := range moving {
		to.add(at.entry(), at.tag())
	}
	m.table.Store(next) // B: release
	for _, at := range moving {
		at.clear()
	}
	m.tidy(from)
}

// join moves what is in the last bucket to where it would be without, and takes
// that bucket away.
func (m *Map[K, V]) join() {
	t := m.table.Load()
	last := t.buckets - 1
	next := t.resized(last)
	from, to := t.root(last), t.root(next.index(uint64(last)))
	for at := range from.all {
		to.add(at.entry(), at.tag())
	}
	m.table.Store(next) // B: release
	for at := range from.all {
		at.clear()
	}
	from.next.Store(nil)
	if last%chunkLen == 0 {
		t.chunks[last/chunkLen].Store(nil)
	}
}

// resized returns a table of so many of the buckets of t, or one more.
func (t *table[K, V]) resized(buckets uint32) *table[K, V] {
	next := &table[K, V]{buckets, 1 << (bits.Len32(buckets) - 1), t.chunks}
	last := int(buckets-1) / chunkLen
	if last == len(t.chunks) {
		next.chunks = make([]atomic.Pointer[chunk[K, V]], max(1, 2*last))
		for i := range t.chunks {
			next.chunks[i].Store(t.chunks[i].Load())
		}
	}
	if next.chunks[last].Load() == nil {
		next.chunks[last].Store(new(chunk[K, V]))
	}
	return next
}

// tidy fills the empty slots of a root bucket from the buckets behind it, and
// unlinks those that have become empty. A Load that stands in one finds its way on.
func (m *Map[K, V]) tidy(root *bucket[K, V]) {
	if root.next.Load() == nil {
		return
	}
	var few [slots]place[K, V]
	moving := few[:0]
	for at := range root.next.Load().all {
		if root.tags.Load()&tops == tops {
			break
		}
		root.add(at.entry(), at.tag())
		moving = append(moving, at)
	}
	if len(moving) > 0 {
		t := m.table.Load()
		m.table.Store(t.resized(t.buckets)) // B: release
	}
	for _, at := range moving {
		at.clear()
	}
	for b := root; b.next.Load() != nil; {
		if next := b.next.Load(); next.tags.Load() == 0 {
			b.next.Store(next.next.Load())
		} else {
			b = next
		}
	}
}

// keysFrom appends to keys those of the bucket at a position, and returns the
// position behind it. A position is a hash with its bits in reverse order. In that
// order a bucket is an interval, which divides in two when the bucket does, so that
// whatever happens meanwhile, what is below a position has been visited and what is
// not has not.
func (m *Map[K, V]) keysFrom(position uint64, keys []K) (_ []K, next uint64, more bool) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	t := m.table.Load()
	i := t.index(bits.Reverse64(position))
	for at := range t.root(i).all {
		if key := at.entry().key; bits.Reverse64(m.hashOf(key)) >= position {
			keys = append(keys, key)
		}
	}
	depth := bits.Len32(t.half) - 1 // how many bits of a position tell its bucket
	if i >= t.half || i < t.buckets-t.half {
		depth++
	}
	next = bits.Reverse64(uint64(i)) + 1<<(64-depth)
	return keys, next, next != 0
}

// where returns the place of an entry that is there.
func (m *Map[K, V]) where(e *entry[K, V], hash uint64) place[K, V] {
	t := m.table.Load()
	for at := range t.root(t.index(hash)).all {
		if at.entry() == e {
			return at
		}
	}
	panic("rcu: Map has lost an entry")
}

// all yields the places of the entries of a bucket and of those behind it.
func (b *bucket[K, V]) all(yield func(place[K, V]) bool) {
	for ; b != nil; b = b.next.Load() {
		for taken := b.tags.Load() & tops; taken != 0; taken &= taken - 1 {
			if !yield(place[K, V]{b, bits.TrailingZeros64(taken) / 8}) {
				return
			}
		}
	}
}

// add puts an entry in the first empty slot.
func (b *bucket[K, V]) add(e *entry[K, V], tag uint64) {
	for {
		tags := b.tags.Load()
		if empty := ^tags & tops; empty != 0 {
			slot := bits.TrailingZeros64(empty) / 8
			b.entries[slot].Store(e)
			cpu.Publish(&b.tags, tags|tag<<(8*slot)) // A: release
			return
		}
		next := b.next.Load()
		if next == nil {
			next = new(bucket[K, V])
			next.add(e, tag)
			b.next.Store(next)
			return
		}
		b = next
	}
}

// A place is a slot of a bucket.
type place[K comparable, V any] struct {
	bucket *bucket[K, V]
	slot   int
}

func (p place[K, V]) entry() *entry[K, V] { return p.bucket.entries[p.slot].Load() }

func (p place[K, V]) tag() uint64 { return p.bucket.tags.Load() >> (8 * p.slot) & 0xff }

// set puts an entry of the same key in place of the one that is there.
func (p place[K, V]) set(e *entry[K, V]) { p.bucket.entries[p.slot].Store(e) } // A: release

func (p place[K, V]) clear() {
	cpu.Publish(&p.bucket.tags, p.bucket.tags.Load()&^(0xff<<(8*p.slot)))
	p.bucket.entries[p.slot].Store(nil)
}
