// oneTBB: the bounded queue, and the locks that spin.
#include <cstdint>
#include <tbb/concurrent_queue.h>
#include <tbb/queuing_mutex.h>
#include <tbb/spin_mutex.h>
#include <tbb/spin_rw_mutex.h>

typedef tbb::concurrent_bounded_queue<uint64_t> Queue;

static Queue *new_queue(long capacity)
{
	Queue *q = new Queue;
	q->set_capacity(capacity);
	return q;
}

#define RING_ID queue
#define RING_NAME "tbb.concurrent_bounded_queue"
#define RING_MPMC
#define RING Queue *
#define RING_NEW(capacity) new_queue(capacity)
#define RING_FREE(r) delete (r)
#define RING_PUSH(r, v) (r)->try_push(v)
#define RING_POP(r, v) (r)->try_pop(*(v))
#include "ring.h"

#define LOCK_ID spin
#define LOCK_NAME "tbb.spin_mutex"
#define LOCK tbb::spin_mutex
#define LOCK_ACQUIRE(l, n) (l)->lock()
#define LOCK_RELEASE(l, n) (l)->unlock()
#include "lock.h"

// queuing_mutex can be had only through its scoped_lock, which is the node.
#define LOCK_ID queuing
#define LOCK_NAME "tbb.queuing_mutex"
#define LOCK tbb::queuing_mutex
#define LOCK_NODE tbb::queuing_mutex::scoped_lock
#define LOCK_ACQUIRE(l, n) (n)->acquire(*(l))
#define LOCK_RELEASE(l, n) (n)->release()
#include "lock.h"

int main(int argc, char **argv) { return bench_main(argc, argv, NULL); }
