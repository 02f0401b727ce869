// What the C and C++ peers share: the command line, the clock, threads on
// processors, waiting, and the line that says what was measured. The Go side of
// the same is worker/bench.go; the two are kept alike, so that a difference
// between their figures is one between what they measure.
#ifndef BENCH_H
#define BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#define LINE_SIZE 128

static const char *bench_case; // such as Lock/contenders=2
static const char *bench_impl;
static double bench_budget; // ns that one measurement is to take
static cpu_set_t bench_cpus; // those the program may use
static char bench_metrics[1024];

static inline void bench_fail(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fprintf(stderr, "%s/impl=%s: ", bench_case, bench_impl);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	exit(1);
}

// bench_param returns the number that the case gives for a key.
static inline long bench_param(const char *key)
{
	size_t n = strlen(key);
	for (const char *p = bench_case; (p = strchr(p, '/')); ) {
		p++;
		if (strncmp(p, key, n) == 0 && p[n] == '=')
			return atol(p + n + 1);
	}
	bench_fail("the case has no %s", key);
	return 0;
}

static inline double bench_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static inline void bench_pause(unsigned n)
{
	while (n--) {
#if defined(__x86_64__) || defined(__i386__)
		__builtin_ia32_pause();
#elif defined(__aarch64__)
		__asm__ volatile("yield");
#endif
	}
}

// bench_metric adds a figure to the line of the case.
static inline void bench_metric(double value, const char *unit)
{
	size_t n = strlen(bench_metrics);
	snprintf(bench_metrics + n, sizeof bench_metrics - n, "\t%.5g %s", value, unit);
}

static inline void bench_report(long n, double ns_per_op)
{
	printf("Benchmark%s/impl=%s-%d\t%ld\t%.5g ns/op%s\n", bench_case, bench_impl, CPU_COUNT(&bench_cpus), n, ns_per_op, bench_metrics);
}

// bench_measure runs ever more operations until they fill the time, and reports
// the last run. run returns how long it took, in ns.
static inline void bench_measure(double (*run)(long n), long most)
{
	for (long n = 10000;;) {
		bench_metrics[0] = 0;
		double ns = run(n);
		if (ns >= bench_budget || n >= most) {
			bench_report(n, ns / n);
			return;
		}
		double more = 1.2 * bench_budget / (ns > 1 ? ns : 1) * n;
		if (more > 100.0 * n)
			more = 100.0 * n;
		n = more > most ? most : (long)more + 1;
	}
}

// A crowd is threads that begin together.
struct bench_crowd {
	int threads;
	void (*work)(void *arg, int i);
	void *arg;
	int ready, start;
};

struct bench_member {
	struct bench_crowd *crowd;
	int i;
};

// bench_alone says whether each of so many has a processor of its own.
static inline bool bench_alone(int threads) { return threads <= CPU_COUNT(&bench_cpus); }

// bench_pin puts the thread on a processor of its own if there are enough.
static inline void bench_pin(int i, int threads)
{
	cpu_set_t set = bench_cpus;
	if (bench_alone(threads)) {
		CPU_ZERO(&set);
		for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
			if (CPU_ISSET(cpu, &bench_cpus) && i-- == 0)
				CPU_SET(cpu, &set);
	}
	pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

static inline void *bench_join_in(void *arg)
{
	struct bench_member *m = (struct bench_member *)arg;
	struct bench_crowd *c = m->crowd;
	bench_pin(m->i, c->threads);
	__atomic_fetch_add(&c->ready, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&c->start, __ATOMIC_ACQUIRE))
		if (!bench_alone(c->threads))
			sched_yield();
	c->work(c->arg, m->i);
	return NULL;
}

// bench_run_for runs work in so many threads and returns how long they took. If
// over is not null, it is called after so many ns with how many there were, while
// the threads go on, and ends the program.
static inline double bench_run_for(int threads, void (*work)(void *arg, int i), void *arg, double ns, void (*over)(double took))
{
	struct bench_crowd c = { threads, work, arg, 0, 0 };
	pthread_t *t = (pthread_t *)calloc(threads, sizeof *t);
	struct bench_member *m = (struct bench_member *)calloc(threads, sizeof *m);
	for (int i = 0; i < threads; i++) {
		m[i].crowd = &c;
		m[i].i = i;
		if (pthread_create(&t[i], NULL, bench_join_in, &m[i]))
			bench_fail("cannot start thread %d", i);
	}
	while (__atomic_load_n(&c.ready, __ATOMIC_ACQUIRE) < threads)
		sched_yield();
	double start = bench_now();
	__atomic_store_n(&c.start, 1, __ATOMIC_RELEASE);
	if (over) {
		struct timespec wait = { (time_t)(ns / 1e9), (long)(ns - 1e9 * (time_t)(ns / 1e9)) };
		nanosleep(&wait, NULL);
		over(bench_now() - start);
	}
	for (int i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	double took = bench_now() - start;
	free(t);
	free(m);
	return took;
}

static inline double bench_run(int threads, void (*work)(void *arg, int i), void *arg)
{
	return bench_run_for(threads, work, arg, 0, NULL);
}

// What a thread brings that brings nothing.
struct bench_none {
	char none;
};

// A wait paces a loop that finds a ring full or empty: by ever more pauses for
// who has a processor of its own; for others by a few, and then by yielding.
struct wait {
	bool alone;
	unsigned calls;
};

static inline void wait_more(struct wait *w)
{
	if (w->alone) {
		bench_pause(1u << w->calls);
		if (w->calls < 5)
			w->calls++;
	} else if (w->calls < 4) {
		bench_pause(1u << w->calls++);
	} else {
		sched_yield();
	}
}

static inline void wait_reset(struct wait *w) { w->calls = 0; }

// bench_share divides n among so many as evenly as goes.
static inline long bench_share(long n, long among, long i) { return n * (i + 1) / among - n * i / among; }

static int bench_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

// bench_percentiles sorts samples and adds the usual points of them as metrics.
static inline void bench_percentiles(double *ns, long n)
{
	qsort(ns, n, sizeof *ns, bench_compare);
	bench_metric(ns[n / 2], "p50-ns");
	bench_metric(ns[n * 9 / 10], "p90-ns");
	bench_metric(ns[n * 99 / 100], "p99-ns");
	bench_metric(ns[n * 999 / 1000], "p99.9-ns");
	bench_metric(ns[n * 9999 / 10000], "p99.99-ns");
	bench_metric(ns[n - 1], "max-ns");
}

// What a program can measure.
struct bench_entry {
	const char *shape, *impl;
	void (*measure)(void);
};

static struct bench_entry bench_entries[64];
static int bench_entries_n;

static inline void bench_register(const char *shape, const char *impl, void (*measure)(void))
{
	struct bench_entry e = { shape, impl, measure };
	bench_entries[bench_entries_n++] = e;
}

// bench_main lists what there is, or measures a case: IMPL CASE MILLISECONDS.
static inline int bench_main(int argc, char **argv, void (*setup)(void))
{
	if (argc != 4) {
		for (int i = 0; i < bench_entries_n; i++)
			printf("%s %s\n", bench_entries[i].shape, bench_entries[i].impl);
		return 0;
	}
	bench_impl = argv[1];
	bench_case = argv[2];
	bench_budget = 1e6 * atof(argv[3]);
	sched_getaffinity(0, sizeof bench_cpus, &bench_cpus);
	if (setup)
		setup();
	size_t n = strcspn(bench_case, "/");
	for (int i = 0; i < bench_entries_n; i++) {
		struct bench_entry *e = &bench_entries[i];
		if (strcmp(e->impl, bench_impl) == 0 && strlen(e->shape) == n && strncmp(e->shape, bench_case, n) == 0) {
			e->measure();
			return 0;
		}
	}
	bench_fail("not in this program");
	return 1;
}

#endif
