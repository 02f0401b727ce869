package ringtest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// starts are places for the counters of a ring to start from: where they wrap,
// where twice a counter does, where an int of 32 bits does.
var starts = []uint64{0, math.MaxUint64 - 2, math.MaxInt64 - 2, math.MaxUint32 - 2, math.MaxInt32 - 2}

// Model makes random calls of rings and of a slice and wants the same answers.
// newAt returns an empty ring whose counters all stand at n.
func Model(t *testing.T, newAt func(capacity int, n uint64) Ring[uint64]) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, capacity := range []int{1, 2, 4, 8, 64} {
		for _, start := range starts {
			ops := make([]byte, 4000)
			for i := range ops {
				ops[i] = byte(random.Uint32())
			}
			full, empty := follow(t, newAt(capacity, start), ops)
			if full == 0 || empty == 0 {
				t.Errorf("cap %d: full %d times and empty %d times, want both", capacity, full, empty)
			}
		}
	}
}

// FuzzModel lets the fuzzer choose the calls.
func FuzzModel(f *testing.F, newAt func(capacity int, n uint64) Ring[uint64]) {
	for _, start := range starts {
		f.Add(uint8(1), start, []byte("\x00\x00\x00\x01\x01\x01\x0e\x0f\x0e\x0b\x0f"))
	}
	f.Fuzz(func(t *testing.T, log uint8, start uint64, ops []byte) {
		follow(t, newAt(1<<(log%8), start), ops)
	})
}

// follow makes one call for each byte of ops: the two lowest bits say which, the
// others how long the burst is. It returns how often the ring was found full and
// empty.
func follow(t testing.TB, r Ring[uint64], ops []byte) (full, empty int) {
	t.Helper()
	var held []uint64 // the model
	next := uint64(1) // the value to push
	capacity := r.Cap()
	for i, op := range ops {
		before := len(held)
		var call, got, want string
		switch burst := int(op>>2) % (capacity + 2); op & 3 {
		case 0:
			room := len(held) < capacity
			call = "TryPush"
			got, want = fmt.Sprint(r.TryPush(next)), fmt.Sprint(room)
			if room {
				held = append(held, next)
			} else {
				full++
			}
			next++
		case 1:
			call = "TryPop"
			v, ok := r.TryPop()
			got, want = fmt.Sprint(v, ok), fmt.Sprint(0, false)
			if len(held) > 0 {
				want = fmt.Sprint(held[0], true)
				held = held[1:]
			} else {
				empty++
			}
		case 2:
			vs := make([]uint64, burst)
			for i := range vs {
				vs[i] = next
				next++
			}
			n := min(burst, capacity-len(held))
			call = fmt.Sprintf("TryPushN of %d", burst)
			got, want = fmt.Sprint(r.TryPushN(vs)), fmt.Sprint(n)
			held = append(held, vs[:n]...)
		case 3:
			vs := make([]uint64, burst)
			n := min(burst, len(held))
			call = fmt.Sprintf("TryPopN of %d", burst)
			got = fmt.Sprint(r.TryPopN(vs), vs)
			want = fmt.Sprint(n, slices.Concat(held[:n], make([]uint64, burst-n)))
			held = held[n:]
		}
		if got != want {
			t.Fatalf("cap %d op %d: %s = %s with %d held, want %s", capacity, i, call, got, before, want)
		}
		if r.Len() != len(held) {
			t.Fatalf("cap %d op %d: Len = %d after %s, want %d", capacity, i, r.Len(), call, len(held))
		}
	}
	return full, empty
}
