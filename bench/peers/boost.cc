// boost::lockfree.
#include <boost/lockfree/queue.hpp>
#include <boost/lockfree/spsc_queue.hpp>
#include <cstdint>

typedef boost::lockfree::spsc_queue<uint64_t> Spsc;
#define RING_ID spsc_queue
#define RING_NAME "boost.spsc_queue"
#define RING Spsc *
#define RING_NEW(capacity) new Spsc(capacity)
#define RING_FREE(r) delete (r)
#define RING_PUSH(r, v) (r)->push(v)
#define RING_POP(r, v) (r)->pop(*(v))
#define RING_PUSH_N(r, vs, n) (r)->push(vs, n)
#define RING_POP_N(r, vs, n) (r)->pop(vs, n)
#include "ring.h"

typedef boost::lockfree::queue<uint64_t, boost::lockfree::fixed_sized<true>> Queue;
#define RING_ID queue
#define RING_NAME "boost.queue"
#define RING_MPMC
#define RING Queue *
#define RING_NEW(capacity) new Queue(capacity)
#define RING_FREE(r) delete (r)
#define RING_PUSH(r, v) (r)->push(v)
#define RING_POP(r, v) (r)->pop(*(v))
#include "ring.h"

int main(int argc, char **argv) { return bench_main(argc, argv, NULL); }
