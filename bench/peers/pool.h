// The measurement of a pool: a batch is got and put back, and an operation is
// one object got and put. Include it once for each pool, with these defined; it
// undefines them.
//
//	POOL_ID                   a name for its functions
//	POOL_NAME                 its name in the figures
//	POOL                      the type of a pointer to it
//	POOL_NEW(objects, size)   makes one
//	POOL_CACHE                the type of what each thread has (optional)
//	POOL_ENTER(p, c)          a thread begins (optional)
//	POOL_LEAVE(p, c)          and ends (optional)
//	POOL_GET_N(p, c, os, n)   how many objects there were
//	POOL_PUT_N(p, c, os, n)
//
// The objects are counted.
#include "bench.h"

#define FN(name) CAT(POOL_ID, _##name)

#ifndef POOL_CACHE
#define POOL_CACHE struct bench_none
#endif
#ifndef POOL_ENTER
#define POOL_ENTER(p, c)
#define POOL_LEAVE(p, c)
#endif

struct FN(job) {
	POOL pool;
	long n, batch;
	int threads;
	unsigned long moved __attribute__((aligned(LINE_SIZE)));
};
static struct FN(job) FN(the_job);

static void FN(side)(void *arg, int i)
{
	(void)arg;
	struct FN(job) *j = &FN(the_job);
	POOL_CACHE cache;
	(void)cache;
	void *objects[256];
	unsigned long moved = 0;
	POOL_ENTER(j->pool, &cache);
	for (long left = bench_share(j->n, j->threads, i); left > 0;) {
		unsigned n = POOL_GET_N(j->pool, &cache, objects, left < j->batch ? left : j->batch);
		if (n == 0)
			bench_fail("the pool is empty");
		POOL_PUT_N(j->pool, &cache, objects, n);
		moved += n;
		left -= n;
	}
	POOL_LEAVE(j->pool, &cache);
	__atomic_fetch_add(&j->moved, moved, __ATOMIC_RELAXED);
}

static double FN(n)(long n)
{
	struct FN(job) *j = &FN(the_job);
	j->n = n;
	j->moved = 0;
	double ns = bench_run(j->threads, FN(side), NULL);
	if (j->moved != (unsigned long)n)
		bench_fail("%lu of %ld objects moved", j->moved, n);
	return ns;
}

static void FN(measure)(void)
{
	struct FN(job) *j = &FN(the_job);
	j->batch = bench_param("batch");
	j->threads = bench_param("goroutines");
	j->pool = POOL_NEW(4096, 2048);
	bench_measure(FN(n), 1000000000);
}

__attribute__((constructor)) static void FN(register)(void) { bench_register("Pool", POOL_NAME, FN(measure)); }

#undef FN
#undef POOL_ID
#undef POOL_NAME
#undef POOL
#undef POOL_NEW
#undef POOL_CACHE
#undef POOL_ENTER
#undef POOL_LEAVE
#undef POOL_GET_N
#undef POOL_PUT_N
