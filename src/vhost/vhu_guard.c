/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that a guest shares and then takes away: whoever holds its file may truncate it, and the
 * next access of a worker would end evsd by SIGBUS. The handler puts an empty page there instead:
 * the guest loses its packets, nobody else anything.
 * Threads: vhost adds and removes ranges; the handler runs on whichever thread touched the memory.
 *
 * The handler may take no lock: it reads a table whose entries are valid while size is not 0. An
 * entry is filled address first and emptied size first.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pkt/pkt_key.h"
#include "vhost/vhu_pvt.h"

#define N_RANGES  (PKT_PORT_MAX * VHU_MAX_CONNS * VHU_MEM_REGIONS)
#define HUGE_PAGE ((uintptr_t)2 << 20)

static struct {
	uintptr_t start;
	size_t size; /* 0: free */
	const struct vhu_conn *owner;
} ranges[N_RANGES];

static unsigned n_looked_at; /* ranges behind it were never used [vhost w, any thread r] */
static unsigned first_free;  /* those before it are in use; under the lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t n_faults; /* [any thread w, ctl r] */
static __thread bool is_messenger;

void vhu_guard_thread(bool on)
{
	is_messenger = on;
}

uint64_t vhu_guard_faults(void)
{
	return evs_load_relaxed(&n_faults);
}

bool vhu_guard_add(const struct vhu_conn *owner, void *start, size_t size)
{
	unsigned i;

	pthread_mutex_lock(&lock);
	i = first_free;
	while (i < n_looked_at && ranges[i].size)
		i++;
	first_free = i;
	if (i < N_RANGES) {
		ranges[i].owner = owner;
		evs_store_relaxed(&ranges[i].start, (uintptr_t)start);
		evs_store_release(&ranges[i].size, size);
		evs_store_release(&n_looked_at, EVS_MAX(n_looked_at, i + 1));
	}
	pthread_mutex_unlock(&lock);
	return i < N_RANGES;
}

void vhu_guard_del(const struct vhu_conn *owner)
{
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < n_looked_at; i++) {
		if (ranges[i].owner != owner)
			continue;
		evs_store_release(&ranges[i].size, 0);
		first_free = EVS_MIN(first_free, i);
	}
	pthread_mutex_unlock(&lock);
}

static bool is_guest_memory(uintptr_t addr)
{
	const unsigned n = evs_load_acquire(&n_looked_at);

	for (unsigned i = 0; i < n; i++) {
		size_t size = evs_load_acquire(&ranges[i].size);

		if (size && addr - evs_load_relaxed(&ranges[i].start) < size)
			return true;
	}
	return false;
}

static bool put_page(uintptr_t addr, uintptr_t size)
{
	void *page = (void *)(addr & ~(size - 1));

	return mmap(page, size, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1,
	            0) == page;
}

static void on_sigbus(int signo, siginfo_t *info, void *context)
{
	uintptr_t addr = (uintptr_t)info->si_addr;
	int error = errno;

	(void)context;
	if ((is_messenger || is_guest_memory(addr)) &&
	    (put_page(addr, (uintptr_t)sysconf(_SC_PAGESIZE)) || put_page(addr, HUGE_PAGE))) {
		__atomic_fetch_add(&n_faults, 1, __ATOMIC_RELAXED);
		errno = error;
		return;
	}
	signal(signo, SIG_DFL); /* a fault of ours: it comes again, and ends evsd */
}

void vhu_guard_init(void)
{
	struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_NODEFER};

	sigaction(SIGBUS, &action, NULL);
}
