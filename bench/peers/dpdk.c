// DPDK: rings, locks, QSBR, the mempool and mbufs, without huge pages and cards.
#include "bench.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_mcslock.h>
#include <rte_mempool.h>
#include <rte_pflock.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>
#include <rte_rwlock.h>
#include <rte_spinlock.h>
#include <rte_ticketlock.h>

static void start(void)
{
	char *args[] = { "bench", "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry", "--log-level=error", "-m", "128", "-l", "0" };
	if (rte_eal_init(sizeof args / sizeof *args, args) < 0)
		bench_fail("rte_eal_init: %s", rte_strerror(rte_errno));
}

// A ring of a power of two holds one less.
static struct rte_ring *new_ring(long capacity, unsigned flags)
{
	static int number;
	char name[32];
	snprintf(name, sizeof name, "ring%d", number++);
	struct rte_ring *r = rte_ring_create(name, capacity, SOCKET_ID_ANY, flags);
	if (!r)
		bench_fail("rte_ring_create: %s", rte_strerror(rte_errno));
	return r;
}

#define RING_ID sp_sc
#define RING_NAME "dpdk.ring-sp-sc"
#define RING struct rte_ring *
#define RING_NEW(capacity) new_ring(capacity, RING_F_SP_ENQ | RING_F_SC_DEQ)
#define RING_FREE(r) rte_ring_free(r)
#define RING_PUSH(r, v) (rte_ring_sp_enqueue(r, (void *)(v)) == 0)
#define RING_POP(r, v) (rte_ring_sc_dequeue(r, (void **)(v)) == 0)
#define RING_PUSH_N(r, vs, n) rte_ring_sp_enqueue_burst(r, (void **)(vs), n, NULL)
#define RING_POP_N(r, vs, n) rte_ring_sc_dequeue_burst(r, (void **)(vs), n, NULL)
#include "ring.h"

// All or nothing, which is what DPDK's own figures are of.
#define RING_ID sp_sc_bulk
#define RING_NAME "dpdk.ring-sp-sc-bulk"
#define RING struct rte_ring *
#define RING_NEW(capacity) new_ring(capacity, RING_F_SP_ENQ | RING_F_SC_DEQ)
#define RING_FREE(r) rte_ring_free(r)
#define RING_PUSH(r, v) (rte_ring_sp_enqueue(r, (void *)(v)) == 0)
#define RING_POP(r, v) (rte_ring_sc_dequeue(r, (void **)(v)) == 0)
#define RING_PUSH_N(r, vs, n) rte_ring_sp_enqueue_bulk(r, (void **)(vs), n, NULL)
#define RING_POP_N(r, vs, n) rte_ring_sc_dequeue_bulk(r, (void **)(vs), n, NULL)
#include "ring.h"

#define RING_ID mp_mc
#define RING_NAME "dpdk.ring-mp-mc"
#define RING_MPMC
#define RING struct rte_ring *
#define RING_NEW(capacity) new_ring(capacity, 0)
#define RING_FREE(r) rte_ring_free(r)
#define RING_PUSH(r, v) (rte_ring_mp_enqueue(r, (void *)(v)) == 0)
#define RING_POP(r, v) (rte_ring_mc_dequeue(r, (void **)(v)) == 0)
#define RING_PUSH_N(r, vs, n) rte_ring_mp_enqueue_burst(r, (void **)(vs), n, NULL)
#define RING_POP_N(r, vs, n) rte_ring_mc_dequeue_burst(r, (void **)(vs), n, NULL)
#include "ring.h"

#define RING_ID mp_mc_bulk
#define RING_NAME "dpdk.ring-mp-mc-bulk"
#define RING_MPMC
#define RING struct rte_ring *
#define RING_NEW(capacity) new_ring(capacity, 0)
#define RING_FREE(r) rte_ring_free(r)
#define RING_PUSH(r, v) (rte_ring_mp_enqueue(r, (void *)(v)) == 0)
#define RING_POP(r, v) (rte_ring_mc_dequeue(r, (void **)(v)) == 0)
#define RING_PUSH_N(r, vs, n) rte_ring_mp_enqueue_bulk(r, (void **)(vs), n, NULL)
#define RING_POP_N(r, vs, n) rte_ring_mc_dequeue_bulk(r, (void **)(vs), n, NULL)
#include "ring.h"

// Relaxed tail synchronization: the last to finish moves the tail on for all.
#define RING_ID rts
#define RING_NAME "dpdk.ring-rts"
#define RING_MPMC
#define RING struct rte_ring *
#define RING_NEW(capacity) new_ring(capacity, RING_F_MP_RTS_ENQ | RING_F_MC_RTS_DEQ)
#define RING_FREE(r) rte_ring_free(r)
#define RING_PUSH(r, v) (rte_ring_enqueue(r, (void *)(v)) == 0)
#define RING_POP(r, v) (rte_ring_dequeue(r, (void **)(v)) == 0)
#define RING_PUSH_N(r, vs, n) rte_ring_enqueue_burst(r, (void **)(vs), n, NULL)
#define RING_POP_N(r, vs, n) rte_ring_dequeue_burst(r, (void **)(vs), n, NULL)
#include "ring.h"

// Head and tail synchronization: one at a time on each side.
#define RING_ID hts
#define RING_NAME "dpdk.ring-hts"
#define RING_MPMC
#define RING struct rte_ring *
#define RING_NEW(capacity) new_ring(capacity, RING_F_MP_HTS_ENQ | RING_F_MC_HTS_DEQ)
#define RING_FREE(r) rte_ring_free(r)
#define RING_PUSH(r, v) (rte_ring_enqueue(r, (void *)(v)) == 0)
#define RING_POP(r, v) (rte_ring_dequeue(r, (void **)(v)) == 0)
#define RING_PUSH_N(r, vs, n) rte_ring_enqueue_burst(r, (void **)(vs), n, NULL)
#define RING_POP_N(r, vs, n) rte_ring_dequeue_burst(r, (void **)(vs), n, NULL)
#include "ring.h"

#define LOCK_ID spinlock
#define LOCK_NAME "dpdk.spinlock"
#define LOCK rte_spinlock_t
#define LOCK_INIT(l) rte_spinlock_init(l)
#define LOCK_ACQUIRE(l, n) rte_spinlock_lock(l)
#define LOCK_RELEASE(l, n) rte_spinlock_unlock(l)
#include "lock.h"

#define LOCK_ID ticketlock
#define LOCK_NAME "dpdk.ticketlock"
#define LOCK rte_ticketlock_t
#define LOCK_INIT(l) rte_ticketlock_init(l)
#define LOCK_ACQUIRE(l, n) rte_ticketlock_lock(l)
#define LOCK_RELEASE(l, n) rte_ticketlock_unlock(l)
#include "lock.h"

#define LOCK_ID mcslock
#define LOCK_NAME "dpdk.mcslock"
#define LOCK rte_mcslock_t *
#define LOCK_NODE rte_mcslock_t
#define LOCK_ACQUIRE(l, n) rte_mcslock_lock(l, n)
#define LOCK_RELEASE(l, n) rte_mcslock_unlock(l, n)
#include "lock.h"

#define READ_ID rwlock
#define READ_NAME "dpdk.rwlock"
#define READ_DOMAIN rte_rwlock_t
#define READ_INIT(d) rte_rwlock_init(d)
#define READ_LOCK(d, r) rte_rwlock_read_lock(d)
#define READ_UNLOCK(d, r) rte_rwlock_read_unlock(d)
#include "read.h"

#define READ_ID pflock
#define READ_NAME "dpdk.pflock"
#define READ_DOMAIN rte_pflock_t
#define READ_INIT(d) rte_pflock_init(d)
#define READ_LOCK(d, r) rte_pflock_read_lock(d)
#define READ_UNLOCK(d, r) rte_pflock_read_unlock(d)
#include "read.h"

enum { QSBR_THREADS = 64 };

static void qsbr_init(struct rte_rcu_qsbr **v)
{
	free(*v);
	size_t size = rte_rcu_qsbr_get_memsize(QSBR_THREADS);
	*v = aligned_alloc(LINE_SIZE, (size + LINE_SIZE - 1) / LINE_SIZE * LINE_SIZE);
	rte_rcu_qsbr_init(*v, QSBR_THREADS);
}

static void qsbr_enter(struct rte_rcu_qsbr *v, unsigned *thread)
{
	static unsigned next;
	*thread = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) % QSBR_THREADS;
	rte_rcu_qsbr_thread_register(v, *thread);
	rte_rcu_qsbr_thread_online(v, *thread);
}

static void qsbr_leave(struct rte_rcu_qsbr *v, unsigned thread)
{
	rte_rcu_qsbr_thread_offline(v, thread);
	rte_rcu_qsbr_thread_unregister(v, thread);
}

// One quiescent state after each section. Who waits names itself, so that it
// does not wait for itself.
#define READ_ID rcu_qsbr
#define READ_NAME "dpdk.rcu_qsbr"
#define READ_DOMAIN struct rte_rcu_qsbr *
#define READ_READER unsigned
#define READ_INIT(d) qsbr_init(d)
#define READ_ENTER(d, r) qsbr_enter(*(d), r)
#define READ_LEAVE(d, r) qsbr_leave(*(d), *(r))
#define READ_LOCK(d, r) rte_rcu_qsbr_lock(*(d), *(r))
#define READ_UNLOCK(d, r) (rte_rcu_qsbr_unlock(*(d), *(r)), rte_rcu_qsbr_quiescent(*(d), *(r)))
#define READ_SYNCHRONIZE(d, r) rte_rcu_qsbr_synchronize(*(d), *(r))
#include "read.h"

static struct rte_mempool *new_pool(unsigned objects, unsigned size, unsigned cache)
{
	struct rte_mempool *p = rte_mempool_create("pool", objects - 1, size, cache, 0, NULL, NULL, NULL, NULL, SOCKET_ID_ANY, 0);
	if (!p)
		bench_fail("rte_mempool_create: %s", rte_strerror(rte_errno));
	return p;
}

static unsigned get_n(struct rte_mempool *p, void **objects, unsigned n)
{
	return rte_mempool_get_bulk(p, objects, n) == 0 ? n : 0;
}

// A registered thread is an lcore, and has a cache of its own.
#define POOL_ID cached
#define POOL_NAME "dpdk.mempool-cache"
#define POOL struct rte_mempool *
#define POOL_NEW(objects, size) new_pool(objects, size, RTE_MEMPOOL_CACHE_MAX_SIZE)
#define POOL_ENTER(p, c) rte_thread_register()
#define POOL_LEAVE(p, c) (rte_mempool_cache_flush(NULL, p), rte_thread_unregister())
#define POOL_GET_N(p, c, os, n) get_n(p, os, n)
#define POOL_PUT_N(p, c, os, n) rte_mempool_put_bulk(p, os, n)
#include "pool.h"

#define POOL_ID shared
#define POOL_NAME "dpdk.mempool"
#define POOL struct rte_mempool *
#define POOL_NEW(objects, size) new_pool(objects, size, 0)
#define POOL_GET_N(p, c, os, n) get_n(p, os, n)
#define POOL_PUT_N(p, c, os, n) rte_mempool_put_bulk(p, os, n)
#include "pool.h"

// Without huge pages an mbuf may not cross a page, so each would begin one, and 32
// of them would fight for one set of the cache. The flag says that they may, which
// packs them as they are packed on huge pages.
static struct rte_mempool *new_mbuf_pool(unsigned objects, unsigned size)
{
	struct rte_pktmbuf_pool_private room = { .mbuf_data_room_size = RTE_PKTMBUF_HEADROOM + size };
	struct rte_mempool *p = rte_mempool_create_empty("pool", objects - 1, sizeof(struct rte_mbuf) + room.mbuf_data_room_size,
		RTE_MEMPOOL_CACHE_MAX_SIZE, sizeof room, SOCKET_ID_ANY, RTE_MEMPOOL_F_NO_IOVA_CONTIG);
	if (!p || rte_mempool_set_ops_byname(p, rte_mbuf_best_mempool_ops(), NULL))
		bench_fail("rte_mempool_create_empty: %s", rte_strerror(rte_errno));
	rte_pktmbuf_pool_init(p, &room);
	int n = rte_mempool_populate_default(p);
	if (n != (int)objects - 1)
		bench_fail("rte_mempool_populate_default: %s", rte_strerror(-n));
	rte_mempool_obj_iter(p, rte_pktmbuf_init, NULL);
	return p;
}

static unsigned alloc_n(struct rte_mempool *p, struct rte_mbuf **mbufs, unsigned n)
{
	return rte_pktmbuf_alloc_bulk(p, mbufs, n) == 0 ? n : 0;
}

// The mempool gives a pointer and takes it back; an mbuf is made fresh on its way
// out, and on its way in is asked who else holds it and what is linked to it, as
// a pktbuf.Buf is.
#define POOL_ID pktmbuf
#define POOL_NAME "dpdk.pktmbuf"
#define POOL struct rte_mempool *
#define POOL_NEW(objects, size) new_mbuf_pool(objects, size)
#define POOL_ENTER(p, c) rte_thread_register()
#define POOL_LEAVE(p, c) (rte_mempool_cache_flush(NULL, p), rte_thread_unregister())
#define POOL_GET_N(p, c, os, n) alloc_n(p, (struct rte_mbuf **)(os), n)
#define POOL_PUT_N(p, c, os, n) rte_pktmbuf_free_bulk((struct rte_mbuf **)(os), n)
#include "pool.h"

int main(int argc, char **argv) { return bench_main(argc, argv, start); }
