// What every C program has: pthread's locks and malloc.
#include "bench.h"

#define LOCK_ID mutex
#define LOCK_NAME "pthread.mutex"
#define LOCK pthread_mutex_t
#define LOCK_INIT(l) pthread_mutex_init(l, NULL)
#define LOCK_ACQUIRE(l, n) pthread_mutex_lock(l)
#define LOCK_RELEASE(l, n) pthread_mutex_unlock(l)
#include "lock.h"

#define LOCK_ID spin
#define LOCK_NAME "pthread.spinlock"
#define LOCK pthread_spinlock_t
#define LOCK_INIT(l) pthread_spin_init(l, PTHREAD_PROCESS_PRIVATE)
#define LOCK_ACQUIRE(l, n) pthread_spin_lock(l)
#define LOCK_RELEASE(l, n) pthread_spin_unlock(l)
#include "lock.h"

#define READ_ID rwlock
#define READ_NAME "pthread.rwlock"
#define READ_DOMAIN pthread_rwlock_t
#define READ_INIT(d) pthread_rwlock_init(d, NULL)
#define READ_LOCK(d, r) pthread_rwlock_rdlock(d)
#define READ_UNLOCK(d, r) pthread_rwlock_unlock(d)
#include "read.h"

static unsigned malloc_n(void **objects, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		objects[i] = malloc(2048);
	return n;
}

static void free_n(void **objects, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		free(objects[i]);
}

#define POOL_ID heap
#define POOL_NAME "libc.malloc"
#define POOL void *
#define POOL_NEW(objects, size) NULL
#define POOL_GET_N(p, c, os, n) malloc_n(os, n)
#define POOL_PUT_N(p, c, os, n) free_n(os, n)
#include "pool.h"

int main(int argc, char **argv) { return bench_main(argc, argv, NULL); }
