// The measurements of a lock whose section is one addition. Include it once for
// each lock, with these defined; it undefines them.
//
//	LOCK_ID             a name for its functions
//	LOCK_NAME           its name in the figures
//	LOCK                its type
//	LOCK_NODE           the type of what each thread brings (optional)
//	LOCK_INIT(l)        l is a pointer to it (optional: zero or constructed will do)
//	LOCK_ACQUIRE(l, n)  n is a pointer to the thread's node
//	LOCK_RELEASE(l, n)
//
// One thread is measured by a number of sections. More of them contend for a
// second, whose sections are counted for each; the sum is checked. When the second
// is over the program ends, since those that stand in line for a lock which spins
// can take ten more to get through it.
#include "bench.h"

#define FN(name) CAT(LOCK_ID, _##name)

#ifndef LOCK_NODE
#define LOCK_NODE struct bench_none
#endif
#ifndef LOCK_INIT
#define LOCK_INIT(l)
#endif

struct FN(job) {
	LOCK lock __attribute__((aligned(LINE_SIZE)));
	unsigned long sum __attribute__((aligned(LINE_SIZE)));
	long n __attribute__((aligned(LINE_SIZE)));
	struct {
		unsigned long n __attribute__((aligned(LINE_SIZE)));
	} sections[256];
};
static struct FN(job) FN(the_job);

static void FN(alone)(void *arg, int i)
{
	(void)arg, (void)i;
	struct FN(job) *j = &FN(the_job);
	__attribute__((aligned(LINE_SIZE))) LOCK_NODE node = {};
	(void)node;
	for (long k = 0; k < j->n; k++) {
		LOCK_ACQUIRE(&j->lock, &node);
		*(volatile unsigned long *)&j->sum = j->sum + 1;
		LOCK_RELEASE(&j->lock, &node);
	}
}

static double FN(alone_n)(long n)
{
	struct FN(job) *j = &FN(the_job);
	LOCK_INIT(&j->lock);
	j->n = n;
	j->sum = 0;
	double ns = bench_run(1, FN(alone), NULL);
	if (j->sum != (unsigned long)n)
		bench_fail("%ld sections added up to %lu", n, j->sum);
	return ns;
}

static void FN(contender)(void *arg, int i)
{
	(void)arg;
	struct FN(job) *j = &FN(the_job);
	__attribute__((aligned(LINE_SIZE))) LOCK_NODE node = {};
	(void)node;
	for (unsigned long n = 1;; n++) {
		LOCK_ACQUIRE(&j->lock, &node);
		*(volatile unsigned long *)&j->sum = j->sum + 1;
		LOCK_RELEASE(&j->lock, &node);
		__atomic_store_n(&j->sections[i].n, n, __ATOMIC_RELAXED);
	}
}

// over reports while the contenders go on, so the sums may differ a little: by
// one for each that is between its section and counting it, and by what is done
// while they are being added.
static void FN(over)(double ns)
{
	struct FN(job) *j = &FN(the_job);
	unsigned long before = __atomic_load_n(&j->sum, __ATOMIC_SEQ_CST), sum = 0, least = ~0ul, most = 0;
	for (long i = 0; i < j->n; i++) {
		unsigned long s = __atomic_load_n(&j->sections[i].n, __ATOMIC_SEQ_CST);
		sum += s;
		least = s < least ? s : least;
		most = s > most ? s : most;
	}
	unsigned long after = __atomic_load_n(&j->sum, __ATOMIC_SEQ_CST);
	if (sum + j->n < before || sum > after + j->n)
		bench_fail("%lu sections added up to %lu to %lu", sum, before, after);
	bench_metric((double)most / (least ? least : 1), "max/min");
	bench_report(sum, ns / sum);
	fflush(stdout);
	_exit(0);
}

static void FN(measure)(void)
{
	struct FN(job) *j = &FN(the_job);
	int contenders = bench_param("contenders");
	if (contenders == 1) {
		bench_measure(FN(alone_n), 1000000000);
		return;
	}
	LOCK_INIT(&j->lock);
	j->n = contenders;
	bench_run_for(contenders, FN(contender), NULL, 1e9, FN(over));
}

__attribute__((constructor)) static void FN(register)(void) { bench_register("Lock", LOCK_NAME, FN(measure)); }

#undef FN
#undef LOCK_ID
#undef LOCK_NAME
#undef LOCK
#undef LOCK_NODE
#undef LOCK_INIT
#undef LOCK_ACQUIRE
#undef LOCK_RELEASE
