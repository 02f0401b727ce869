// liburcu: three of its flavours, and its hash table.
#define _LGPL_SOURCE // readers are inlined
#include "bench.h"

#include <urcu/urcu-mb.h>
#include <urcu/urcu-memb.h>
#include <urcu/urcu-qsbr.h>

#include <urcu/rculfhash.h>

// The headers declare this much for the first flavour that is included.
void urcu_memb_call_rcu(struct rcu_head *, void (*)(struct rcu_head *));
void urcu_memb_barrier(void);
void urcu_qsbr_call_rcu(struct rcu_head *, void (*)(struct rcu_head *));
void urcu_qsbr_barrier(void);
extern const struct rcu_flavor_struct urcu_memb_flavor;

// A reader pays a store to its own word; who waits makes up for the fence with
// sys_membarrier.
#define READ_ID memb
#define READ_NAME "urcu.memb"
#define READ_DOMAIN int
#define READ_ENTER(d, r) urcu_memb_register_thread()
#define READ_LEAVE(d, r) urcu_memb_unregister_thread()
#define READ_LOCK(d, r) urcu_memb_read_lock()
#define READ_UNLOCK(d, r) urcu_memb_read_unlock()
#define READ_SYNCHRONIZE(d, r) urcu_memb_synchronize_rcu()
#define READ_HEAD struct rcu_head
#define READ_CALL(d, r, head, fn) urcu_memb_call_rcu(head, fn)
#define READ_BARRIER(d, r) urcu_memb_barrier()
#include "read.h"

// A reader pays the fence.
#define READ_ID mb
#define READ_NAME "urcu.mb"
#define READ_DOMAIN int
#define READ_ENTER(d, r) urcu_mb_register_thread()
#define READ_LEAVE(d, r) urcu_mb_unregister_thread()
#define READ_LOCK(d, r) urcu_mb_read_lock()
#define READ_UNLOCK(d, r) urcu_mb_read_unlock()
#define READ_SYNCHRONIZE(d, r) urcu_mb_synchronize_rcu()
#define READ_HEAD struct rcu_head
#define READ_CALL(d, r, head, fn) urcu_mb_call_rcu(head, fn)
#define READ_BARRIER(d, r) urcu_mb_barrier()
#include "read.h"

// A reader says now and then that it holds nothing: here after each section.
#define READ_ID qsbr
#define READ_NAME "urcu.qsbr"
#define READ_DOMAIN int
#define READ_ENTER(d, r) urcu_qsbr_register_thread()
#define READ_LEAVE(d, r) urcu_qsbr_unregister_thread()
#define READ_LOCK(d, r) urcu_qsbr_read_lock()
#define READ_UNLOCK(d, r) (urcu_qsbr_read_unlock(), urcu_qsbr_quiescent_state())
#define READ_SYNCHRONIZE(d, r) urcu_qsbr_synchronize_rcu()
#define READ_HEAD struct rcu_head
#define READ_CALL(d, r, head, fn) urcu_qsbr_call_rcu(head, fn)
#define READ_BARRIER(d, r) urcu_qsbr_barrier()
#include "read.h"

struct entry {
	struct cds_lfht_node node;
	uint64_t key, value;
};

static struct cds_lfht *table;

static inline unsigned long hash(uint64_t key) { return (key * 0x9e3779b97f4a7c15u) >> 32; }

static int match(struct cds_lfht_node *node, const void *key)
{
	return caa_container_of(node, struct entry, node)->key == *(const uint64_t *)key;
}

static void map_new(uint64_t entries)
{
	table = cds_lfht_new_flavor(entries, entries, 0, 0, &urcu_memb_flavor, NULL);
	struct entry *all = calloc(entries, sizeof *all);
	urcu_memb_register_thread();
	urcu_memb_read_lock();
	for (uint64_t key = 0; key < entries; key++) {
		all[key].key = key;
		all[key].value = key + 1;
		cds_lfht_node_init(&all[key].node);
		cds_lfht_add(table, hash(key), &all[key].node);
	}
	urcu_memb_read_unlock();
	urcu_memb_unregister_thread();
}

static inline bool map_get(uint64_t key, uint64_t *value)
{
	struct cds_lfht_iter iter;
	urcu_memb_read_lock();
	cds_lfht_lookup(table, hash(key), match, &key, &iter);
	struct cds_lfht_node *node = cds_lfht_iter_get_node(&iter);
	if (node)
		*value = caa_container_of(node, struct entry, node)->value;
	urcu_memb_read_unlock();
	return node != NULL;
}

#define MAP_ID lfht
#define MAP_NAME "urcu.rculfhash-memb"
#define MAP_NEW(entries) map_new(entries)
#define MAP_ENTER() urcu_memb_register_thread()
#define MAP_LEAVE() urcu_memb_unregister_thread()
#define MAP_GET(key, value) map_get(key, value)
#include "map.h"

int main(int argc, char **argv) { return bench_main(argc, argv, NULL); }
