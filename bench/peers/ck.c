// Concurrency Kit.
#include "bench.h"

#include <ck_brlock.h>
#include <ck_epoch.h>
#include <ck_pflock.h>
#include <ck_ring.h>
#include <ck_rwlock.h>
#include <ck_spinlock.h>

struct ring {
	ck_ring_t ring;
	ck_ring_buffer_t *buffer;
};

static struct ring *new_ring(long capacity)
{
	struct ring *r = aligned_alloc(LINE_SIZE, (sizeof *r + LINE_SIZE - 1) / LINE_SIZE * LINE_SIZE);
	r->buffer = aligned_alloc(LINE_SIZE, (capacity * sizeof *r->buffer + LINE_SIZE - 1) / LINE_SIZE * LINE_SIZE);
	ck_ring_init(&r->ring, capacity);
	return r;
}

static void free_ring(struct ring *r)
{
	free(r->buffer);
	free(r);
}

#define RING_ID spsc
#define RING_NAME "ck.ring-spsc"
#define RING struct ring *
#define RING_NEW(capacity) new_ring(capacity)
#define RING_FREE(r) free_ring(r)
#define RING_PUSH(r, v) ck_ring_enqueue_spsc(&(r)->ring, (r)->buffer, (void *)(v))
#define RING_POP(r, v) ck_ring_dequeue_spsc(&(r)->ring, (r)->buffer, (void **)(v))
#include "ring.h"

#define RING_ID mpmc
#define RING_NAME "ck.ring-mpmc"
#define RING_MPMC
#define RING struct ring *
#define RING_NEW(capacity) new_ring(capacity)
#define RING_FREE(r) free_ring(r)
#define RING_PUSH(r, v) ck_ring_enqueue_mpmc(&(r)->ring, (r)->buffer, (void *)(v))
#define RING_POP(r, v) ck_ring_dequeue_mpmc(&(r)->ring, (r)->buffer, (void **)(v))
#include "ring.h"

#define LOCK_ID cas
#define LOCK_NAME "ck.spinlock-cas"
#define LOCK ck_spinlock_cas_t
#define LOCK_INIT(l) ck_spinlock_cas_init(l)
#define LOCK_ACQUIRE(l, n) ck_spinlock_cas_lock(l)
#define LOCK_RELEASE(l, n) ck_spinlock_cas_unlock(l)
#include "lock.h"

#define LOCK_ID cas_eb
#define LOCK_NAME "ck.spinlock-cas-eb"
#define LOCK ck_spinlock_cas_t
#define LOCK_INIT(l) ck_spinlock_cas_init(l)
#define LOCK_ACQUIRE(l, n) ck_spinlock_cas_lock_eb(l)
#define LOCK_RELEASE(l, n) ck_spinlock_cas_unlock(l)
#include "lock.h"

#define LOCK_ID fas
#define LOCK_NAME "ck.spinlock-fas"
#define LOCK ck_spinlock_fas_t
#define LOCK_INIT(l) ck_spinlock_fas_init(l)
#define LOCK_ACQUIRE(l, n) ck_spinlock_fas_lock(l)
#define LOCK_RELEASE(l, n) ck_spinlock_fas_unlock(l)
#include "lock.h"

#define LOCK_ID ticket
#define LOCK_NAME "ck.spinlock-ticket"
#define LOCK ck_spinlock_ticket_t
#define LOCK_INIT(l) ck_spinlock_ticket_init(l)
#define LOCK_ACQUIRE(l, n) ck_spinlock_ticket_lock(l)
#define LOCK_RELEASE(l, n) ck_spinlock_ticket_unlock(l)
#include "lock.h"

#define LOCK_ID ticket_pb
#define LOCK_NAME "ck.spinlock-ticket-pb"
#define LOCK ck_spinlock_ticket_t
#define LOCK_INIT(l) ck_spinlock_ticket_init(l)
#define LOCK_ACQUIRE(l, n) ck_spinlock_ticket_lock_pb(l, 5)
#define LOCK_RELEASE(l, n) ck_spinlock_ticket_unlock(l)
#include "lock.h"

#define LOCK_ID mcs
#define LOCK_NAME "ck.spinlock-mcs"
#define LOCK ck_spinlock_mcs_t
#define LOCK_NODE ck_spinlock_mcs_context_t
#define LOCK_INIT(l) ck_spinlock_mcs_init(l)
#define LOCK_ACQUIRE(l, n) ck_spinlock_mcs_lock(l, n)
#define LOCK_RELEASE(l, n) ck_spinlock_mcs_unlock(l, n)
#include "lock.h"

#define READ_ID rwlock
#define READ_NAME "ck.rwlock"
#define READ_DOMAIN ck_rwlock_t
#define READ_INIT(d) ck_rwlock_init(d)
#define READ_LOCK(d, r) ck_rwlock_read_lock(d)
#define READ_UNLOCK(d, r) ck_rwlock_read_unlock(d)
#include "read.h"

#define READ_ID pflock
#define READ_NAME "ck.pflock"
#define READ_DOMAIN ck_pflock_t
#define READ_INIT(d) ck_pflock_init(d)
#define READ_LOCK(d, r) ck_pflock_read_lock(d)
#define READ_UNLOCK(d, r) ck_pflock_read_unlock(d)
#include "read.h"

struct br_reader {
	ck_brlock_reader_t reader;
} __attribute__((aligned(LINE_SIZE)));

#define READ_ID brlock
#define READ_NAME "ck.brlock"
#define READ_DOMAIN ck_brlock_t
#define READ_READER struct br_reader
#define READ_INIT(d) ck_brlock_init(d)
#define READ_ENTER(d, r) ck_brlock_read_register(d, &(r)->reader)
#define READ_LEAVE(d, r) ck_brlock_read_unregister(d, &(r)->reader)
#define READ_LOCK(d, r) ck_brlock_read_lock(d, &(r)->reader)
#define READ_UNLOCK(d, r) ck_brlock_read_unlock(&(r)->reader)
#include "read.h"

struct epoch_reader {
	ck_epoch_record_t record;
} __attribute__((aligned(LINE_SIZE)));

static void epoch_enter(ck_epoch_t *e, struct epoch_reader *r)
{
	memset(r, 0, sizeof *r);
	ck_epoch_register(e, &r->record, NULL);
}

#define READ_ID epoch
#define READ_NAME "ck.epoch"
#define READ_DOMAIN ck_epoch_t
#define READ_READER struct epoch_reader
#define READ_INIT(d) ck_epoch_init(d)
#define READ_ENTER(d, r) epoch_enter(d, r)
#define READ_LEAVE(d, r)
#define READ_LOCK(d, r) ck_epoch_begin(&(r)->record, NULL)
#define READ_UNLOCK(d, r) ck_epoch_end(&(r)->record, NULL)
#define READ_SYNCHRONIZE(d, r) ck_epoch_synchronize(&(r)->record)
#define READ_HEAD ck_epoch_entry_t
#define READ_CALL(d, r, head, fn) ck_epoch_call(&(r)->record, head, fn)
#define READ_BARRIER(d, r) ck_epoch_barrier(&(r)->record)
#include "read.h"

int main(int argc, char **argv) { return bench_main(argc, argv, NULL); }
