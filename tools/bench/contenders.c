// SPDX-License-Identifier: MIT
/* The list of contenders, and the names of things. */
#include "bench.h"

const char *const test_names[NR_TESTS] = {
	[STREAM] = "stream", [BATCH] = "batch", [PINGPONG] = "pingpong",
	[SLEEP_PINGPONG] = "sleep_pingpong", [PACED] = "paced", [IDLE] = "idle",
	[FLOOR] = "floor",
};

const char *const family_names[] = {
	[FAMILY_SHMRING] = "shmring", [FAMILY_TEXTBOOK] = "textbook", [FAMILY_BARE] = "bare",
	[FAMILY_RING] = "ring", [FAMILY_IPC] = "ipc", [FAMILY_FLOOR] = "floor",
};

const char *const waiting_names[] = {
	[WAIT_SPIN] = "spin", [WAIT_BLOCK] = "block", [WAIT_ADAPTIVE] = "adaptive",
	[WAIT_BUSY] = "busy", [WAIT_KERNEL] = "kernel",
};

const char *const api_names[] = {
	[API_COPY] = "copy", [API_INPLACE] = "inplace", [API_BATCH] = "batch",
};

const char *const metric_names[NR_METRICS] = {
	[MSGS_S] = "msgs_per_s", [MB_S] = "mb_per_s",
	[RTT_P50] = "rtt_p50_ns", [RTT_P99] = "rtt_p99_ns", [RTT_P999] = "rtt_p999_ns",
	[RTT_MAX] = "rtt_max_ns",
	[ONEWAY_P50] = "oneway_p50_ns", [ONEWAY_P99] = "oneway_p99_ns",
	[ONEWAY_P999] = "oneway_p999_ns",
	[CPU_CORES] = "cpu_cores", [CPU_S] = "cpu_s",
	[SYSCALLS] = "syscalls_per_m", [SWITCHES] = "switches_per_m", [WAKES] = "wakes_per_m",
	[LINE_RTT] = "line_rtt_ns", [MEMCPY] = "memcpy_gb_s", [DROPPED] = "dropped",
};

/* The Makefile finds out which libraries there are. */
#ifdef HAVE_CK
#define CK	{ ck_contenders, NULL }
#else
#define CK	{ NULL, "ck_ring (libck-dev)" }
#endif
#ifdef HAVE_BOOST
#define BOOST	{ boost_contenders, NULL }
#else
#define BOOST	{ NULL, "boost-spsc (g++, libboost-dev)" }
#endif
#ifdef HAVE_DPDK
#define DPDK	{ rte_contenders, NULL }
#else
#define DPDK	{ NULL, "rte_ring (libdpdk-dev)" }
#endif
#ifdef HAVE_QB
#define QB	{ qb_contenders, NULL }
#else
#define QB	{ NULL, "libqb (libqb-dev)" }
#endif

const struct contender_list contender_lists[] = {
	{ shmring_contenders, NULL },
	{ textbook_contenders, NULL },
	{ bare_slots_contenders, NULL },
	{ bare_records_contenders, NULL },
	{ marked_contenders, NULL },
	{ spsc_contenders, NULL },
	{ mcring_contenders, NULL },
	{ rigtorp_contenders, NULL },
	{ fastforward_contenders, NULL },
	{ mengrao_contenders, NULL },
	{ moodycamel_contenders, NULL },
	CK, BOOST, DPDK, QB,
	{ doorbell_contenders, NULL },
	{ semaphore_contenders, NULL },
	{ stream_contenders, NULL },
	{ mq_contenders, NULL },
	{ signal_contenders, NULL },
	{ file_contenders, NULL },
	{ floor_contenders, NULL },
	{ broken_contenders, NULL },
	{ NULL, NULL },
};

void contender_label(const struct contender *c, char label[CONTENDER_LABEL])
{
	snprintf(label, CONTENDER_LABEL, "%s/%s/%s", c->name, waiting_names[c->waiting],
		 api_names[c->api]);
}
