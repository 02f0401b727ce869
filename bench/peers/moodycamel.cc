// Cameron Desrochers' queues. ConcurrentQueue keeps only each producer's order,
// and its capacity is what it may allocate, some more than was asked for.
#include <concurrentqueue/concurrentqueue.h>
#include <cstdint>
#include <readerwriterqueue/readerwriterqueue.h>

typedef moodycamel::ReaderWriterQueue<uint64_t> Spsc;
#define RING_ID spsc
#define RING_NAME "moodycamel.ReaderWriterQueue"
#define RING Spsc *
#define RING_NEW(capacity) new Spsc(capacity)
#define RING_FREE(r) delete (r)
#define RING_PUSH(r, v) (r)->try_enqueue(v)
#define RING_POP(r, v) (r)->try_dequeue(*(v))
#include "ring.h"

typedef moodycamel::ConcurrentQueue<uint64_t> Mpmc;
#define RING_ID mpmc
#define RING_NAME "moodycamel.ConcurrentQueue"
#define RING_MPMC
#define RING Mpmc *
#define RING_NEW(capacity) new Mpmc(capacity, 0, 32)
#define RING_FREE(r) delete (r)
#define RING_PUSH(r, v) (r)->try_enqueue(v)
#define RING_POP(r, v) (r)->try_dequeue(*(v))
#define RING_POP_N(r, vs, n) (r)->try_dequeue_bulk(vs, n)
#include "ring.h"

int main(int argc, char **argv) { return bench_main(argc, argv, NULL); }
