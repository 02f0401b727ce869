// The measurement of a hash table that is only read: keys in no order, all
// there, each with its key plus one as value. Include it once for each table,
// with these defined; it undefines them.
//
//	MAP_ID               a name for its functions
//	MAP_NAME             its name in the figures
//	MAP_NEW(entries)     makes the only one
//	MAP_ENTER()          a thread begins
//	MAP_LEAVE()          and ends
//	MAP_GET(key, value)  true if it is there; value is a pointer
//
// What is found is summed, and the sum is checked.
#include "bench.h"

#define FN(name) CAT(MAP_ID, _##name)

struct FN(job) {
	long n;
	int readers;
	uint64_t entries, wrong __attribute__((aligned(LINE_SIZE)));
};
static struct FN(job) FN(the_job);

static void FN(side)(void *arg, int i)
{
	(void)arg;
	struct FN(job) *j = &FN(the_job);
	uint64_t sum = 0, want = 0, value = 0, x = i + 1;
	MAP_ENTER();
	for (long k = bench_share(j->n, j->readers, i); k > 0; k--) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17; // xorshift64
		uint64_t key = x & (j->entries - 1);
		if (MAP_GET(key, &value))
			sum += value;
		want += key + 1;
	}
	MAP_LEAVE();
	__atomic_fetch_add(&j->wrong, sum - want, __ATOMIC_RELAXED);
}

static double FN(n)(long n)
{
	struct FN(job) *j = &FN(the_job);
	j->n = n;
	double ns = bench_run(j->readers, FN(side), NULL);
	if (j->wrong != 0)
		bench_fail("the sum of the values found is off by %lu", j->wrong);
	return ns;
}

static void FN(measure)(void)
{
	struct FN(job) *j = &FN(the_job);
	j->entries = bench_param("entries");
	j->readers = bench_param("readers");
	MAP_NEW(j->entries);
	bench_measure(FN(n), 1000000000);
}

__attribute__((constructor)) static void FN(register)(void) { bench_register("Lookup", MAP_NAME, FN(measure)); }

#undef FN
#undef MAP_ID
#undef MAP_NAME
#undef MAP_NEW
#undef MAP_ENTER
#undef MAP_LEAVE
#undef MAP_GET
