// max0x7ba/atomic_queue, in its two ways for any element: for one thread on
// each side, and for any number.
#include <atomic_queue/atomic_queue.h>
#include <cstdint>

typedef atomic_queue::AtomicQueueB2<uint64_t, std::allocator<uint64_t>, true, false, true> Spsc;
#define RING_ID spsc
#define RING_NAME "atomic_queue.B2-spsc"
#define RING Spsc *
#define RING_NEW(capacity) new Spsc(capacity)
#define RING_FREE(r) delete (r)
#define RING_PUSH(r, v) (r)->try_push(v)
#define RING_POP(r, v) (r)->try_pop(*(v))
#include "ring.h"

typedef atomic_queue::AtomicQueueB2<uint64_t> Mpmc;
#define RING_ID mpmc
#define RING_NAME "atomic_queue.B2"
#define RING_MPMC
#define RING Mpmc *
#define RING_NEW(capacity) new Mpmc(capacity)
#define RING_FREE(r) delete (r)
#define RING_PUSH(r, v) (r)->try_push(v)
#define RING_POP(r, v) (r)->try_pop(*(v))
#include "ring.h"

int main(int argc, char **argv) { return bench_main(argc, argv, NULL); }
