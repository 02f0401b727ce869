package rcu_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/rcu"
)

// hashes are what a Map has to live with. The first is its own.
var hashes = []struct {
	name string
	hash func(uint64) uint64
}{
	{"maphash", nil},
	{"identity", func(key uint64) uint64 { return key }},
	{"lower half", func(key uint64) uint64 { return key * 0x9e37_79b1 & math.MaxUint32 }},
	{"upper bits", func(key uint64) uint64 { return key << 48 }},
	{"five", func(key uint64) uint64 { return key % 5 }},
	{"one", func(uint64) uint64 { return 0 }},
}

func newMap[V any](hash func(uint64) uint64) *rcu.Map[uint64, V] {
	if hash == nil {
		return rcu.NewMap[uint64, V]()
	}
	return rcu.NewMapFunc[uint64, V](hash)
}

// every runs a test with each of the hashes.
func every(t *testing.T, test func(t *testing.T, hash func(uint64) uint64)) {
	for _, h := range hashes {
		t.Run("hash="+h.name, func(t *testing.T) { test(t, h.hash) })
	}
}

func TestMapOfNothing(t *testing.T) {
	every(t, func(t *testing.T, hash func(uint64) uint64) {
		m := newMap[int](hash)
		require.Zero(t, m.Len())
		for range m.All() {
			t.Error("All of an empty Map yields something")
		}
		_, ok := m.Load(0)
		require.False(t, ok)
		old, ok := m.Delete(0)
		require.Zero(t, old)
		require.False(t, ok)
		require.False(t, m.CompareAndSwap(0, 0, 1))
		require.False(t, m.CompareAndDelete(0, 0))
		require.Zero(t, m.Len())
		require.NoError(t, m.Check())
	})
}

// Keys that differ in one bit, in high bits or in steps fill the buckets as evenly
// as chance would have it, under every hash that tells them apart.
func TestMapSpreadsKeys(t *testing.T) {
	const keys = 3 * 1024
	for _, h := range hashes[:3] {
		for shift := 0; shift < 52; shift += 4 {
			if h.name == "lower half" && shift > 20 {
				continue
			}
			m := newMap[int](h.hash)
			for key := range uint64(keys) {
				m.Store(key<<shift, 0)
			}
			require.Less(t, m.Longest(), 24, "hash=%s shift=%d", h.name, shift)
		}
	}
}

func TestMapOfANilHashPanics(t *testing.T) {
	require.PanicsWithValue(t, "rcu: NewMapFunc of a nil hash", func() { rcu.NewMapFunc[int, int](nil) })
}

// A panic in the comparison of values leaves the mutex free.
func TestMapOfValuesThatCannotBeCompared(t *testing.T) {
	m := rcu.NewMap[int, []int]()
	m.Store(1, []int{1})
	require.Panics(t, func() { m.CompareAndSwap(1, nil, nil) })
	require.Panics(t, func() { m.CompareAndDelete(1, nil) })
	require.False(t, m.CompareAndDelete(2, nil))
	old, ok := m.Swap(1, []int{2})
	require.True(t, ok)
	require.Equal(t, []int{1}, old)
}

// Keys of several kinds, under the Map's own hash.
func TestMapKeys(t *testing.T) {
	type flow struct {
		source, destination [4]byte
		ports               [2]uint16
		protocol            byte
	}
	type spaced struct {
		a uint64
		_ uint32
		b uint32
	}
	blank := rcu.NewMap[spaced, int]()
	for i := range uint64(100) {
		// What is not compared must not be hashed.
		k := spaced{a: i, b: 1}
		(*[4]uint32)(unsafe.Pointer(&k))[2] = uint32(i * 17)
		blank.Store(k, int(i))
		v, _ := blank.Load(spaced{a: i, b: 1})
		require.Equal(t, int(i), v)
	}
	words := rcu.NewMap[[3]uint64, int]() // words by themselves, each of them used
	for i := range uint64(1000) {
		words.Store([3]uint64{i % 10, i / 10 % 10, i / 100}, int(i))
	}
	for i := range uint64(1000) {
		v, _ := words.Load([3]uint64{i % 10, i / 10 % 10, i / 100})
		require.Equal(t, int(i), v)
	}

	flows := rcu.NewMap[flow, int]()
	flows.Store(flow{protocol: 6}, 6)
	dns := flow{source: [4]byte{192, 0, 2, 1}, destination: [4]byte{192, 0, 2, 2}, ports: [2]uint16{53, 53}, protocol: 17}
	flows.Store(dns, 17)
	v, _ := flows.Load(dns)
	require.Equal(t, 17, v)

	names := rcu.NewMap[string, int]()
	names.Store("eth0", 1)
	v, _ = names.Load(string([]byte("eth0")))
	require.Equal(t, 1, v)

	things := rcu.NewMap[any, int]()
	things.Store(1, 1)
	things.Store("1", 2)
	v, _ = things.Load("1")
	require.Equal(t, 2, v)
	require.Panics(t, func() { things.Store([]int{}, 3) })
	v, _ = things.Load(1) // the mutex is free
	require.Equal(t, 1, v)

	numbers := rcu.NewMap[float64, int]()
	for range 100 {
		numbers.Store(math.NaN(), 1)
	}
	numbers.Store(math.Copysign(0, -1), 2)
	v, _ = numbers.Load(0)
	require.Equal(t, 2, v)
	_, ok := numbers.Load(math.NaN())
	require.False(t, ok)
	require.Equal(t, 101, numbers.Len())
	require.Len(t, maps.Collect(numbers.All()), 1)
}

// A table of n entries has n/MaxLoad buckets after it has grown, one more at a
// time, and n/MinLoad after it has shrunk. Memory comes and goes with them.
func TestMapGrowsAndShrinksByOneBucket(t *testing.T) {
	every(t, func(t *testing.T, hash func(uint64) uint64) {
		entries := uint64(2*rcu.ChunkLen*rcu.MaxLoad + 10)
		if hash != nil && hash(1) == hash(6) {
			entries = 200 // in lists
		}
		m := newMap[uint64](hash)
		for key := range entries {
			before := m.Buckets()
			m.Store(key, key)
			require.LessOrEqual(t, m.Buckets(), before+1)
			require.Equal(t, max(1, int(key+rcu.MaxLoad)/rcu.MaxLoad), m.Buckets())
			require.Equal(t, (m.Buckets()-1)/rcu.ChunkLen+1, m.Chunks())
		}
		require.NoError(t, m.Check())
		for key := range entries {
			require.LessOrEqual(t, m.Buckets(), max(1, m.Len()/rcu.MinLoad, int(entries+rcu.MaxLoad-1)/rcu.MaxLoad))
			require.Equal(t, (m.Buckets()-1)/rcu.ChunkLen+1, m.Chunks())
			old, ok := m.Delete(key)
			require.True(t, ok)
			require.Equal(t, key, old)
		}
		require.Equal(t, 1, m.Buckets())
		require.NoError(t, m.Check())
	})
}

func TestMapLookupsDoNotAllocate(t *testing.T) {
	check := func(name string, f func()) { require.Zero(t, testing.AllocsPerRun(100, f), name) }
	m, names := newMap[uint64](nil), rcu.NewMap[string, int]()
	pointers := rcu.NewMapFunc[*int, int](func(p *int) uint64 { return uint64(*p) })
	for key := range uint64(100) {
		m.Store(key, key)
	}
	names.Store("eth0", 1)
	pointer := new(int)
	keys, values, found := make([]uint64, 64), make([]uint64, 64), make([]bool, 64)
	check("Load", func() { m.Load(7) })
	check("Load of nothing", func() { m.Load(1000) })
	check("Load of a string", func() { names.Load("eth0") })
	check("Load of a pointer with a hash", func() { pointers.Load(pointer) })
	check("LoadN", func() { m.LoadN(keys, values, found) })
	check("LoadOrStore of what is there", func() { m.LoadOrStore(7, 8) })
	check("Delete of nothing", func() { m.Delete(1000) })
}

// What every Load reads and what every writer writes are a line apart; a bucket is
// not more than a line where a pointer has 8 bytes.
func TestMapLayout(t *testing.T) {
	reading, writing, size := rcu.MapLayout()
	require.GreaterOrEqual(t, reading[0], uintptr(cpu.LineSize))
	require.GreaterOrEqual(t, writing[0], reading[1]+cpu.LineSize)
	require.GreaterOrEqual(t, size, writing[1]+cpu.LineSize)
	if unsafe.Sizeof(uintptr(0)) == 8 {
		require.Equal(t, uintptr(64), rcu.BucketSize())
	}
}

// playMap plays random calls, four bytes each, on a Map and on a model of it.
// Keys are few, so that calls meet, or many, so that the table grows and shrinks.
func playMap(t *testing.T, hash func(uint64) uint64, keys uint64, script []byte) {
	m, model := newMap[uint32](hash), map[uint64]uint32{}
	for ; len(script) >= 4; script = script[4:] {
		call := binary.LittleEndian.Uint32(script)
		key, value := uint64(call>>8)%keys, call>>3&7
		want, there := model[key]
		switch call & 7 {
		case 0:
			m.Store(key, value)
			model[key] = value
		case 1:
			old, ok := m.Swap(key, value)
			require.Equal(t, there, ok)
			require.Equal(t, want, old)
			model[key] = value
		case 2:
			if !there {
				want, model[key] = value, value
			}
			actual, loaded := m.LoadOrStore(key, value)
			require.Equal(t, there, loaded)
			require.Equal(t, want, actual)
		case 3:
			same := there && want == value
			require.Equal(t, same, m.CompareAndSwap(key, value, value+8))
			if same {
				model[key] = value + 8
			}
		case 4:
			old, ok := m.Delete(key)
			require.Equal(t, there, ok)
			require.Equal(t, want, old)
			delete(model, key)
		case 5:
			same := there && want == value
			require.Equal(t, same, m.CompareAndDelete(key, value))
			if same {
				delete(model, key)
			}
		case 6: // a wave of insertions or deletions
			for k := key; k < min(keys, key+keys/4); k++ {
				if value&1 == 0 {
					m.Store(k, value)
					model[k] = value
				} else {
					m.Delete(k)
					delete(model, k)
				}
			}
		case 7:
			playLoadN(t, m, model, key, int(value)*9)
		}
		got, ok := m.Load(key)
		want, there = model[key]
		require.Equal(t, there, ok)
		require.Equal(t, want, got)
		require.Equal(t, len(model), m.Len())
	}
	require.NoError(t, m.Check())
	require.Equal(t, model, maps.Collect(m.All()))
}

func playLoadN(t *testing.T, m *rcu.Map[uint64, uint32], model map[uint64]uint32, first uint64, n int) {
	keys, values, found := make([]uint64, n), make([]uint32, n), make([]bool, n)
	there := 0
	for i := range keys {
		keys[i], values[i], found[i] = first+uint64(i)/2, 99, true
		if _, ok := model[keys[i]]; ok {
			there++
		}
	}
	require.Equal(t, there, m.LoadN(keys, values, found))
	for i, key := range keys {
		want, ok := model[key]
		require.Equal(t, ok, found[i])
		require.Equal(t, want, values[i])
	}
}

func TestMapAgainstModel(t *testing.T) {
	calls := 1000
	if testing.Short() {
		calls = 200
	}
	every(t, func(t *testing.T, hash func(uint64) uint64) {
		for _, keys := range []uint64{4, 60, 400} {
			script := make([]byte, 4*calls)
			seed := rand.Uint64()
			random := rand.New(rand.NewPCG(seed, keys))
			for i := range script {
				script[i] = byte(random.Uint32())
			}
			t.Run(fmt.Sprintf("keys=%d/seed=%#x", keys, seed), func(t *testing.T) { playMap(t, hash, keys, script) })
		}
	})
}

func FuzzMap(f *testing.F) {
	f.Add(byte(0), uint16(10), []byte("some calls to begin with"))
	f.Add(byte(4), uint16(300), []byte("\x06\x00\x00\x00\x0e\x10\x00\x00\x04\x10\x00\x00"))
	f.Fuzz(func(t *testing.T, hash byte, keys uint16, script []byte) {
		playMap(t, hashes[int(hash)%len(hashes)].hash, uint64(keys%1000)+1, script[:min(len(script), 4000)])
	})
}

// However the table changes under an iteration, keys that stay come once, and those
// that were deleted before they came do not.
func TestMapAllWhileTheTableChanges(t *testing.T) {
	every(t, func(t *testing.T, hash func(uint64) uint64) {
		const stay, others = 50, 400
		for round := range uint64(6) {
			random := rand.New(rand.NewPCG(1, round))
			m := newMap[uint64](hash)
			for key := range uint64(stay) {
				m.Store(key, key)
			}
			if round%2 == 0 {
				for key := range uint64(others) {
					m.Store(stay+key, 0)
				}
			}
			from, seen := m.Buckets(), map[uint64]bool{}
			for key, value := range m.All() {
				require.False(t, seen[key], "key %d comes twice", key)
				seen[key] = true
				if key < stay {
					require.Equal(t, key, value)
				}
				for range 10 {
					other := stay + random.Uint64N(others)
					if round%2 == 1 {
						m.Store(other, 0)
					} else if _, ok := m.Delete(other); ok && !seen[other] {
						seen[other] = true // and must not come
					}
				}
			}
			for key := range uint64(stay) {
				require.True(t, seen[key], "key %d does not come", key)
			}
			require.NotEqual(t, from, m.Buckets(), "the table did not change")
			require.NoError(t, m.Check())
		}
	})
}

func TestMapAllEndsEarly(t *testing.T) {
	m := newMap[int](nil)
	for key := range uint64(100) {
		m.Store(key, 0)
	}
	n := 0
	for range m.All() {
		if n++; n == 3 {
			break
		}
	}
	require.Equal(t, 3, n)
	m.Store(1, 1) // the mutex is free
}

// A record is what a value refers to, and is used again for another key.
type record struct {
	owner atomic.Uint64

	// words are plain memory, all equal to the owner.
	words [4]uint64
}

// A mapTorture has some keys that stay in a Map and others that come and go, so
// that the table grows and shrinks all the time. Readers check that the first are
// always found, and that what they find is the key's own for as long as they have
// it.
type mapTorture struct {
	*rcu.Map[uint64, *record]
	domain rcu.Domain

	load        func(key uint64) (*record, bool)
	synchronize func()
	useWords    bool

	stopped                         atomic.Bool
	hits, lost, foreign, twice, all atomic.Int64
}

const (
	staying  = 50
	churning = 600 // of each writer
)

func newMapTorture(hash func(uint64) uint64) *mapTorture {
	x := &mapTorture{Map: newMap[*record](hash), useWords: true}
	x.load = x.Map.Load
	x.synchronize = x.domain.Synchronize
	for key := range uint64(staying) {
		x.Store(key, x.fill(new(record), key))
	}
	return x
}

func (x *mapTorture) fill(r *record, owner uint64) *record {
	r.owner.Store(owner)
	if x.useWords {
		for i := range r.words {
			r.words[i] = owner
		}
	}
	return r
}

// write makes waves of its own keys, replaces some of those that stay, and uses
// each record again after a grace period.
func (x *mapTorture) write(own int, enough func(wave int) bool) {
	first := uint64(staying + own*churning)
	var free, retired []*record
	take := func(key uint64) *record {
		if len(free) == 0 {
			free = append(free, new(record))
		}
		r := free[len(free)-1]
		free = free[:len(free)-1]
		return x.fill(r, key)
	}
	retire := func(r *record, ok bool) {
		if ok {
			retired = append(retired, r)
		}
	}
	reuse := func() {
		x.synchronize()
		for _, r := range retired {
			x.fill(r, ^uint64(0))
		}
		free, retired = append(free, retired...), nil
	}
	for wave := 0; !enough(wave); wave++ {
		for key := first; key < first+churning; key++ {
			retire(x.Swap(key, take(key)))
			if key%200 == 0 {
				stay := rand.Uint64N(staying)
				retire(x.Swap(stay, take(stay)))
				reuse()
			}
		}
		for key := first; key < first+churning; key++ {
			retire(x.Delete(key))
			if key%200 == 0 {
				reuse()
			}
		}
		if wave%16 == 0 {
			runtime.GC()
		}
	}
}

func (x *mapTorture) read(key uint64) {
	r, ok := x.load(key)
	if !ok {
		if key < staying {
			x.lost.Add(1)
		}
		return
	}
	x.hits.Add(1)
	x.own(key, r)
}

func (x *mapTorture) own(key uint64, r *record) {
	for look := range 2 {
		if r.owner.Load() != key || x.useWords && r.words != [4]uint64{key, key, key, key} {
			x.foreign.Add(1)
		}
		if look == 0 && rand.N(8) == 0 {
			runtime.Gosched()
		}
	}
}

func (x *mapTorture) iterate() {
	seen := map[uint64]bool{}
	for key, r := range x.All() {
		if seen[key] {
			x.twice.Add(1)
		}
		seen[key] = true
		x.own(key, r)
	}
	for key := range uint64(staying) {
		if !seen[key] {
			x.lost.Add(1)
		}
	}
	x.all.Add(1)
}

func (x *mapTorture) run(enough func(wave int) bool) {
	var readers, writers sync.WaitGroup
	work := func(section func()) {
		readers.Go(func() {
			r := x.domain.Register()
			defer r.Close()
			for !x.stopped.Load() {
				r.Lock()
				section()
				r.Unlock()
			}
		})
	}
	for range 3 {
		work(func() {
			for range 32 {
				x.read(rand.Uint64N(staying + 2*churning))
				x.read(rand.Uint64N(staying))
			}
		})
	}
	work(func() {
		keys, records, found := make([]uint64, 32), make([]*record, 32), make([]bool, 32)
		for i := range keys {
			keys[i] = rand.Uint64N(2 * staying)
		}
		x.LoadN(keys, records, found)
		for i, key := range keys {
			if found[i] {
				x.own(key, records[i])
			} else if key < staying {
				x.lost.Add(1)
			}
		}
	})
	work(x.iterate)
	for own := range 2 {
		writers.Go(func() { x.write(own, enough) })
	}
	writers.Wait()
	x.stopped.Store(true)
	readers.Wait()
}

func TestMapTorture(t *testing.T) {
	length := 300 * time.Millisecond
	if testing.Short() {
		length = 0
	}
	for _, h := range hashes[:len(hashes)-1] { // with one bucket nothing moves
		t.Run("hash="+h.name, func(t *testing.T) {
			x, end := newMapTorture(h.hash), time.Now().Add(length)
			x.run(func(wave int) bool { return wave >= 1 && x.all.Load() > 0 && time.Now().After(end) })
			t.Logf("%d hits, %d iterations", x.hits.Load(), x.all.Load())
			require.NotZero(t, x.hits.Load())
			require.Zero(t, x.lost.Load(), "keys that stay were not found")
			require.Zero(t, x.foreign.Load(), "records that were another's or nobody's")
			require.Zero(t, x.twice.Load(), "keys came twice in one iteration")
			require.Equal(t, staying, x.Len())
			require.NoError(t, x.Check())
		})
	}
}

// Records used again before a grace period has passed have to come to light.
func TestMapTortureSeesMissingGracePeriods(t *testing.T) {
	x := newMapTorture(nil)
	x.useWords, x.synchronize = false, runtime.Gosched
	x.run(func(int) bool { return x.foreign.Load() > 0 })
}

// A Load that does not look again after entries have changed places loses some.
func TestMapTortureSeesLostEntries(t *testing.T) {
	x := newMapTorture(nil)
	x.load = x.LoadOnce
	x.run(func(int) bool { return x.lost.Load() > 0 })
	require.Zero(t, x.foreign.Load())
}

// Several writers at the same keys: of all who insert one is first, of all who
// delete one has it, and what was swapped out was swapped in by somebody once.
func TestMapWritersAgree(t *testing.T) {
	const writers, keys = 4, 200
	m := newMap[int64](nil)
	var in, out, next atomic.Int64 // sums of the values
	var done sync.WaitGroup
	for range writers {
		done.Go(func() {
			for range 20 * keys {
				key, v := rand.Uint64N(keys), next.Add(1)
				switch rand.N(5) {
				case 0:
					if _, loaded := m.LoadOrStore(key, v); !loaded {
						in.Add(v)
					}
				case 1:
					in.Add(v)
					if old, ok := m.Swap(key, v); ok {
						out.Add(old)
					}
				case 2:
					if old, ok := m.Delete(key); ok {
						out.Add(old)
					}
				case 3:
					if old, ok := m.Load(key); ok && m.CompareAndDelete(key, old) {
						out.Add(old)
					}
				case 4:
					if old, ok := m.Load(key); ok && m.CompareAndSwap(key, old, v) {
						in.Add(v)
						out.Add(old)
					}
				}
			}
		})
	}
	done.Wait()
	left := int64(0)
	for _, v := range m.All() {
		left += v
	}
	require.Equal(t, in.Load(), out.Load()+left)
	require.Equal(t, len(slices.Collect(maps.Keys(maps.Collect(m.All())))), m.Len())
	require.NoError(t, m.Check())
}
