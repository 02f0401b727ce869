// The ring between one producer and one consumer as C++ textbooks have it since
// Lamport, each side with a copy of the other's counter (Lee et al., 2009): the
// algorithm of spsc.Ring without its pace.
#include <atomic>
#include <cstddef>
#include <cstdint>

template <class T> class CachedIndexRing {
	alignas(128) std::atomic<size_t> tail{0};
	size_t head_seen = 0;
	alignas(128) std::atomic<size_t> head{0};
	size_t tail_seen = 0;
	alignas(128) T *const slots;
	const size_t mask;

public:
	explicit CachedIndexRing(size_t capacity) : slots(new (std::align_val_t(128)) T[capacity]), mask(capacity - 1) {}
	~CachedIndexRing() { operator delete[](slots, std::align_val_t(128)); }

	bool push(T v)
	{
		size_t at = tail.load(std::memory_order_relaxed);
		if (at - head_seen > mask) {
			head_seen = head.load(std::memory_order_acquire);
			if (at - head_seen > mask)
				return false;
		}
		slots[at & mask] = v;
		tail.store(at + 1, std::memory_order_release);
		return true;
	}

	bool pop(T *v)
	{
		size_t at = head.load(std::memory_order_relaxed);
		if (at == tail_seen) {
			tail_seen = tail.load(std::memory_order_acquire);
			if (at == tail_seen)
				return false;
		}
		*v = slots[at & mask];
		head.store(at + 1, std::memory_order_release);
		return true;
	}

	unsigned push_n(const T *vs, unsigned n)
	{
		size_t at = tail.load(std::memory_order_relaxed);
		if (mask + 1 - (at - head_seen) < n) {
			head_seen = head.load(std::memory_order_acquire);
			size_t room = mask + 1 - (at - head_seen);
			if (room < n)
				n = room;
		}
		for (unsigned i = 0; i < n; i++)
			slots[(at + i) & mask] = vs[i];
		if (n > 0)
			tail.store(at + n, std::memory_order_release);
		return n;
	}

	unsigned pop_n(T *vs, unsigned n)
	{
		size_t at = head.load(std::memory_order_relaxed);
		if (tail_seen - at < n) {
			tail_seen = tail.load(std::memory_order_acquire);
			if (tail_seen - at < n)
				n = tail_seen - at;
		}
		for (unsigned i = 0; i < n; i++)
			vs[i] = slots[(at + i) & mask];
		if (n > 0)
			head.store(at + n, std::memory_order_release);
		return n;
	}
};

#define RING_ID cached_index
#define RING_NAME "c++.cached-index"
#define RING CachedIndexRing<uint64_t> *
#define RING_NEW(capacity) new CachedIndexRing<uint64_t>(capacity)
#define RING_FREE(r) delete (r)
#define RING_PUSH(r, v) (r)->push(v)
#define RING_POP(r, v) (r)->pop(v)
#define RING_PUSH_N(r, vs, n) (r)->push_n(vs, n)
#define RING_POP_N(r, vs, n) (r)->pop_n(vs, n)
#include "ring.h"

int main(int argc, char **argv) { return bench_main(argc, argv, NULL); }
