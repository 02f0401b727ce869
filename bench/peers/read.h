// The measurements of who reads and of who waits for readers. Include it once
// for each lock or flavour of RCU, with these defined; it undefines them.
//
//	READ_ID             a name for its functions
//	READ_NAME           its name in the figures
//	READ_DOMAIN         its type; there is one, zeroed
//	READ_READER         the type of what each thread brings (optional)
//	READ_INIT(d)        makes it anew, before each run (optional)
//	READ_ENTER(d, r)    a thread begins to be a reader (optional)
//	READ_LEAVE(d, r)    and ends (optional)
//	READ_LOCK(d, r)     a section begins
//	READ_UNLOCK(d, r)   and ends
//	READ_SYNCHRONIZE(d, r)      waits until all have ended (optional)
//	READ_HEAD                   what READ_CALL wants of memory (optional)
//	READ_CALL(d, r, head, fn)   has fn called when all have ended
//	READ_BARRIER(d, r)          waits until all fn have been called
//
// A section follows a pointer and adds what is there. The sum is checked.
#include "bench.h"

#define FN(name) CAT(READ_ID, _##name)

#ifndef READ_READER
#define READ_READER struct bench_none
#endif
#ifndef READ_INIT
#define READ_INIT(d)
#endif
#ifndef READ_ENTER
#define READ_ENTER(d, r)
#define READ_LEAVE(d, r)
#endif

struct FN(job) {
	READ_DOMAIN domain __attribute__((aligned(LINE_SIZE)));
	unsigned long *newest __attribute__((aligned(LINE_SIZE)));
	long n;
	int readers;
	double *samples, budget;
	int stop __attribute__((aligned(LINE_SIZE)));
	int began __attribute__((aligned(LINE_SIZE))); // readers that have had a section
	unsigned long total __attribute__((aligned(LINE_SIZE)));
	READ_READER reader[128] __attribute__((aligned(LINE_SIZE)));
};
static struct FN(job) FN(the_job);
static unsigned long FN(one)[LINE_SIZE];

static inline void FN(init)(void)
{
	struct FN(job) *j = &FN(the_job);
	READ_INIT(&j->domain);
	FN(one)[0] = 1;
	j->newest = FN(one);
	j->readers = bench_param("readers");
}

static inline unsigned long FN(section)(struct FN(job) *j, READ_READER *r)
{
	(void)r;
	READ_LOCK(&j->domain, r);
	unsigned long v = *__atomic_load_n(&j->newest, __ATOMIC_ACQUIRE);
	READ_UNLOCK(&j->domain, r);
	return v;
}

static void FN(read_side)(void *arg, int i)
{
	(void)arg;
	struct FN(job) *j = &FN(the_job);
	READ_READER *r = &j->reader[i];
	unsigned long sum = 0;
	READ_ENTER(&j->domain, r);
	for (long k = bench_share(j->n, j->readers, i); k > 0; k--)
		sum += FN(section)(j, r);
	READ_LEAVE(&j->domain, r);
	__atomic_fetch_add(&j->total, sum, __ATOMIC_RELAXED);
}

static double FN(read_n)(long n)
{
	struct FN(job) *j = &FN(the_job);
	FN(init)();
	j->n = n;
	j->total = 0;
	double ns = bench_run(j->readers, FN(read_side), NULL);
	if (j->total != (unsigned long)n)
		bench_fail("%ld sections added up to %lu", n, j->total);
	return ns;
}

static void FN(read)(void) { bench_measure(FN(read_n), 1000000000); }

#ifdef READ_SYNCHRONIZE
enum { FN(most_samples) = 1 << 20 };

// The last thread waits for the others' sections, again and again.
static void FN(synchronize_side)(void *arg, int i)
{
	(void)arg;
	struct FN(job) *j = &FN(the_job);
	READ_READER *r = &j->reader[i];
	unsigned long sum = 0;
	READ_ENTER(&j->domain, r);
	if (i < j->readers) {
		while (!__atomic_load_n(&j->stop, __ATOMIC_RELAXED)) {
			sum += FN(section)(j, r);
			if (sum == 1)
				__atomic_fetch_add(&j->began, 1, __ATOMIC_RELAXED);
		}
	} else {
		while (__atomic_load_n(&j->began, __ATOMIC_RELAXED) < j->readers)
			sched_yield();
		double begin = bench_now(), now = begin;
		while (now < begin + bench_budget && j->n < FN(most_samples)) {
			double before = bench_now();
			READ_SYNCHRONIZE(&j->domain, r);
			now = bench_now();
			j->samples[j->n++] = now - before;
		}
		__atomic_store_n(&j->stop, 1, __ATOMIC_RELAXED);
	}
	READ_LEAVE(&j->domain, r);
	__atomic_fetch_add(&j->total, sum, __ATOMIC_RELAXED);
}

static void FN(synchronize)(void)
{
	struct FN(job) *j = &FN(the_job);
	FN(init)();
	j->samples = (double *)calloc(FN(most_samples), sizeof *j->samples);
	bench_run(j->readers + 1, FN(synchronize_side), NULL);
	double sum = 0;
	for (long k = 0; k < j->n; k++)
		sum += j->samples[k];
	bench_percentiles(j->samples, j->n);
	bench_report(j->n, sum / j->n);
}

__attribute__((constructor)) static void FN(register_synchronize)(void) { bench_register("Synchronize", READ_NAME, FN(synchronize)); }
#endif

#ifdef READ_CALL
static unsigned long FN(called);

static void FN(callback)(READ_HEAD *head)
{
	(void)head;
	__atomic_fetch_add(&FN(called), 1, __ATOMIC_RELAXED);
}

static void FN(call_side)(void *arg, int i)
{
	struct FN(job) *j = &FN(the_job);
	READ_HEAD *heads = (READ_HEAD *)arg;
	READ_READER *r = &j->reader[i];
	(void)r;
	READ_ENTER(&j->domain, r);
	for (long k = 0; k < j->n; k++)
		READ_CALL(&j->domain, r, &heads[k], FN(callback));
	READ_BARRIER(&j->domain, r);
	READ_LEAVE(&j->domain, r);
}

static double FN(call_n)(long n)
{
	struct FN(job) *j = &FN(the_job);
	READ_HEAD *heads = (READ_HEAD *)calloc(n, sizeof *heads);
	memset(heads, 1, n * sizeof *heads); // the pages are there before the clock runs
	FN(init)();
	j->n = n;
	FN(called) = 0;
	double ns = bench_run(1, FN(call_side), heads);
	if (FN(called) != (unsigned long)n)
		bench_fail("%ld callbacks, of which %lu were called", n, FN(called));
	free(heads);
	return ns;
}

static void FN(call)(void) { bench_measure(FN(call_n), 8000000); }

__attribute__((constructor)) static void FN(register_call)(void) { bench_register("Call", READ_NAME, FN(call)); }
#endif

__attribute__((constructor)) static void FN(register)(void) { bench_register("Read", READ_NAME, FN(read)); }

#undef FN
#undef READ_ID
#undef READ_NAME
#undef READ_DOMAIN
#undef READ_READER
#undef READ_INIT
#undef READ_ENTER
#undef READ_LEAVE
#undef READ_LOCK
#undef READ_UNLOCK
#undef READ_SYNCHRONIZE
#undef READ_HEAD
#undef READ_CALL
#undef READ_BARRIER
