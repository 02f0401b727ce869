// The measurements of a ring of 64-bit words. Include it once for each ring,
// with these defined; it undefines them.
//
//	RING_ID               a name for its functions
//	RING_NAME             its name in the figures
//	RING                  the type of a pointer to it
//	RING_NEW(capacity)    makes one
//	RING_FREE(r)
//	RING_PUSH(r, v)       true if there was room
//	RING_POP(r, v)        v is a pointer; true if there was a word
//	RING_PUSH_N(r, vs, n) how many there was room for (optional)
//	RING_POP_N(r, vs, n)  how many there were (optional)
//	RING_MPMC             if it is for any number of threads
//
// Every word is summed, and the sum is checked.
#include "bench.h"

#define FN(name) CAT(RING_ID, _##name)

typedef RING FN(ring);

struct FN(job) {
	FN(ring) r, back;
	long n, batch;
	int producers, consumers;
	uint64_t sums[256];
	double *samples;
};

static inline unsigned FN(push_n)(FN(ring) r, uint64_t *vs, unsigned n)
{
#ifdef RING_PUSH_N
	return RING_PUSH_N(r, vs, n);
#else
	for (unsigned i = 0; i < n; i++)
		if (!RING_PUSH(r, vs[i]))
			return i;
	return n;
#endif
}

static inline unsigned FN(pop_n)(FN(ring) r, uint64_t *vs, unsigned n)
{
#ifdef RING_POP_N
	return RING_POP_N(r, vs, n);
#else
	for (unsigned i = 0; i < n; i++)
		if (!RING_POP(r, &vs[i]))
			return i;
	return n;
#endif
}

// produce pushes 1 to n.
static void FN(produce)(FN(ring) r, struct wait w, uint64_t n, unsigned batch)
{
	if (batch == 1) {
		for (uint64_t v = 1; v <= n; v++) {
			while (!RING_PUSH(r, v))
				wait_more(&w);
			wait_reset(&w);
		}
		return;
	}
	uint64_t vs[256];
	for (uint64_t v = 1; v <= n;) {
		unsigned fill = n - (v - 1) < batch ? n - (v - 1) : batch;
		for (unsigned i = 0; i < fill; i++)
			vs[i] = v++;
		for (unsigned done = 0; done < fill;) {
			unsigned pushed = FN(push_n)(r, vs + done, fill - done);
			done += pushed;
			if (pushed)
				wait_reset(&w);
			else
				wait_more(&w);
		}
	}
}

// consume pops n words and returns their sum.
static uint64_t FN(consume)(FN(ring) r, struct wait w, uint64_t n, unsigned batch)
{
	uint64_t sum = 0, v = 0;
	if (batch == 1) {
		while (n--) {
			while (!RING_POP(r, &v))
				wait_more(&w);
			wait_reset(&w);
			sum += v;
		}
		return sum;
	}
	uint64_t vs[256];
	while (n > 0) {
		unsigned popped = FN(pop_n)(r, vs, n < batch ? n : batch);
		if (popped)
			wait_reset(&w);
		else
			wait_more(&w);
		for (unsigned i = 0; i < popped; i++)
			sum += vs[i];
		n -= popped;
	}
	return sum;
}

static void FN(transfer_side)(void *arg, int i)
{
	struct FN(job) *j = (struct FN(job) *)arg;
	struct wait w = { bench_alone(j->producers + j->consumers), 0 };
	if (i < j->producers)
		FN(produce)(j->r, w, bench_share(j->n, j->producers, i), j->batch);
	else
		j->sums[i - j->producers] = FN(consume)(j->r, w, bench_share(j->n, j->consumers, i - j->producers), j->batch);
}

static double FN(transfer_n)(long n)
{
	struct FN(job) j = {};
	j.r = RING_NEW(bench_param("cap"));
	j.n = n;
	j.batch = bench_param("batch");
	j.producers = bench_param("producers");
	j.consumers = bench_param("consumers");
	double ns = bench_run(j.producers + j.consumers, FN(transfer_side), &j);
	uint64_t want = 0, got = 0;
	for (int i = 0; i < j.producers; i++) {
		uint64_t k = bench_share(n, j.producers, i);
		want += k * (k + 1) / 2;
	}
	for (int i = 0; i < j.consumers; i++)
		got += j.sums[i];
	if (got != want)
		bench_fail("%ld words of sum %lu came out with sum %lu", n, want, got);
	RING_FREE(j.r);
	return ns;
}

// A round trip is timed one by one.
static void FN(round_trip_side)(void *arg, int i)
{
	struct FN(job) *j = (struct FN(job) *)arg;
	struct wait w = { true, 0 };
	uint64_t v = 0;
	double last = bench_now();
	for (long k = 0; k < j->n; k++) {
		if (i == 0) {
			while (!RING_PUSH(j->r, (uint64_t)k))
				wait_more(&w);
			while (!RING_POP(j->back, &v))
				;
			if (v != (uint64_t)k + 1)
				bench_fail("%ld came back as %lu", k, v);
			double now = bench_now();
			j->samples[k] = now - last;
			last = now;
		} else {
			while (!RING_POP(j->r, &v))
				;
			while (!RING_PUSH(j->back, v + 1))
				wait_more(&w);
		}
	}
}

static double FN(round_trip_n)(long n)
{
	struct FN(job) j = {};
	j.r = RING_NEW(bench_param("cap"));
	j.back = RING_NEW(bench_param("cap"));
	j.n = n;
	j.samples = (double *)calloc(n, sizeof *j.samples);
	double ns = bench_run(2, FN(round_trip_side), &j);
	bench_percentiles(j.samples, n);
	free(j.samples);
	RING_FREE(j.r);
	RING_FREE(j.back);
	return ns;
}

static void FN(transfer)(void) { bench_measure(FN(transfer_n), 1000000000); }
static void FN(round_trip)(void) { bench_measure(FN(round_trip_n), 10000000); }

__attribute__((constructor)) static void FN(register)(void)
{
#ifdef RING_MPMC
	bench_register("MPMC", RING_NAME, FN(transfer));
#else
	bench_register("SPSC", RING_NAME, FN(transfer));
#endif
	bench_register("RoundTrip", RING_NAME, FN(round_trip));
}

#undef FN
#undef RING_ID
#undef RING_NAME
#undef RING
#undef RING_NEW
#undef RING_FREE
#undef RING_PUSH
#undef RING_POP
#undef RING_PUSH_N
#undef RING_POP_N
#undef RING_MPMC
