package rcu

import (
	"fmt"
	"runtime"
	"unsafe"
)

// Buckets returns how many buckets m has, and Chunks for how many there is memory.
func (m *Map[K, V]) Buckets() int { return int(m.table.Load().buckets) }

// Chunks returns for how many buckets there is memory, divided by ChunkLen.
func (m *Map[K, V]) Chunks() (n int) {
	t := m.table.Load()
	for i := range t.chunks {
		if t.chunks[i].Load() != nil {
			n++
		}
	}
	return n
}

// What a table is made of and grows by.
const (
	ChunkLen = chunkLen
	MinLoad  = minLoad
	MaxLoad  = maxLoad
	Slots    = slots
)

// Longest returns how many entries the fullest bucket has.
func (m *Map[K, V]) Longest() (longest int) {
	t := m.table.Load()
	for i := range t.buckets {
		n := 0
		for range t.root(i).all {
			n++
		}
		longest = max(longest, n)
	}
	return longest
}

// Check returns what is wrong with the buckets of m, which nobody uses meanwhile.
func (m *Map[K, V]) Check() error {
	t, seen := m.table.Load(), 0
	for i := range t.buckets {
		keys := map[K]bool{}
		for at := range t.root(i).all {
			e := at.entry()
			if e == nil {
				return fmt.Errorf("bucket %d: slot %d is tagged and empty", i, at.slot)
			}
			hash := m.hashOf(e.key)
			if want := t.index(hash); want != i {
				return fmt.Errorf("bucket %d has key %v of bucket %d", i, e.key, want)
			}
			if at.tag() != tag(hash) {
				return fmt.Errorf("bucket %d: key %v has tag %#x, want %#x", i, e.key, at.tag(), tag(hash))
			}
			if keys[e.key] {
				return fmt.Errorf("bucket %d has key %v twice", i, e.key)
			}
			keys[e.key] = true
		}
		seen += len(keys)
		for b := t.root(i); b != nil; b = b.next.Load() {
			if b != t.root(i) && b.tags.Load() == 0 {
				return fmt.Errorf("bucket %d has an empty one behind it", i)
			}
			for slot := range b.entries {
				if b.entries[slot].Load() != nil && (place[K, V]{b, slot}).tag() == 0 {
					return fmt.Errorf("bucket %d: slot %d keeps an entry alive", i, slot)
				}
			}
		}
	}
	if seen != m.Len() {
		return fmt.Errorf("%d entries in the buckets, and Len is %d", seen, m.Len())
	}
	return nil
}

// LoadOnce is Load without the second look at the table, and held up between
// choosing a bucket and looking into it.
func (m *Map[K, V]) LoadOnce(key K) (value V, ok bool) {
	hash := m.hashOf(key)
	t := m.table.Load()
	i := t.index(hash)
	runtime.Gosched()
	for at := range t.root(i).all {
		if e := at.entry(); e != nil && e.key == key {
			return e.value, true
		}
	}
	return value, false
}

// MapLayout returns the begin and the end of what every Load reads and of what
// writers write, and the size of it all.
func MapLayout() (reading, writing [2]uintptr, size uintptr) {
	var m Map[uint64, uint64]
	reading[0] = unsafe.Offsetof(m.reading)
	reading[1] = reading[0] + unsafe.Sizeof(m.reading)
	writing[0] = unsafe.Offsetof(m.writing)
	writing[1] = writing[0] + unsafe.Sizeof(m.writing)
	return reading, writing, unsafe.Sizeof(m)
}

// BucketSize returns the size of a bucket.
func BucketSize() uintptr { return unsafe.Sizeof(bucket[uint64, uint64]{}) }
