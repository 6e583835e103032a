/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that a guest shares and then takes away: whoever holds its file may truncate it, and the
 * next access of a worker would end evsd by SIGBUS. The handler puts empty memory there instead:
 * the guest loses its packets, nobody else anything.
 * Threads: vhost adds and removes ranges; the handler runs on whichever thread touched the memory.
 *
 * All of the range is replaced at once, so it stays one mapping, of which a process may have some
 * 65,000; of huge pages no less can be. Whatever is written there from now on would be memory of
 * evsd's: so the guest has none any more (nothing lies in it that a descriptor could name), and its
 * connection is shut down.
 *
 * The handler may take no lock: it reads a table whose entries are valid while size is not 0. An
 * entry is filled address first and emptied size first, and all in it is the guest's mapping for as
 * long as it is there: it goes before the library unmaps that.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pkt/pkt_key.h"
#include "vhost/vhu_pvt.h"

#define N_RANGES (PKT_PORT_MAX * VHU_MAX_CONNS * VHU_MEM_REGIONS)
#define PAGE_MAX ((uintptr_t)1 << 30)

static struct range {
	uintptr_t start;
	size_t size; /* 0: free */
	struct vhu_conn *owner;
} ranges[N_RANGES];

static unsigned n_looked_at; /* ranges behind it were never used [vhost w, any thread r] */
static unsigned first_free;  /* those before it are in use; under the lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t n_faults; /* [any thread w, ctl r] */
static __thread bool is_messenger;

void vhu_guard_thread(void)
{
	is_messenger = true;
}

uint64_t vhu_guard_faults(void)
{
	return evs_load_relaxed(&n_faults);
}

bool vhu_guard_add(struct vhu_conn *owner, void *start, size_t size)
{
	unsigned i;

	pthread_mutex_lock(&lock);
	i = first_free;
	while (i < n_looked_at && ranges[i].size)
		i++;
	first_free = i;
	if (i < N_RANGES) {
		evs_store_release(&ranges[i].owner, owner);
		evs_store_release(&ranges[i].start, (uintptr_t)start);
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

/* It may be emptied and filled while we read. */
static bool read_range(unsigned i, struct range *range)
{
	range->size = evs_load_acquire(&ranges[i].size);
	range->start = evs_load_acquire(&ranges[i].start);
	range->owner = evs_load_acquire(&ranges[i].owner);
	return range->size && evs_load_relaxed(&ranges[i].size) == range->size;
}

static bool find_range(uintptr_t addr, struct range *range)
{
	const unsigned n = evs_load_acquire(&n_looked_at);

	for (unsigned i = 0; i < n; i++)
		if (read_range(i, range) && addr - range->start < range->size)
			return true;
	return false;
}

static bool put_memory(uintptr_t start, size_t size)
{
	void *memory = (void *)start;

	return mmap(memory, size, PROT_READ | PROT_WRITE,
	            MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == memory;
}

/* A page of whatever size it has there: nothing less is replaced. */
static bool put_page(uintptr_t addr)
{
	uintptr_t size = (uintptr_t)sysconf(_SC_PAGESIZE);

	while (!put_memory(addr & ~(size - 1), size)) {
		if (errno != EINVAL || size >= PAGE_MAX)
			return false;
		size *= 2;
	}
	return true;
}

static void send_away(struct vhu_conn *guest)
{
	evs_store_relaxed(&guest->mem.n, 0);
	evs_store_relaxed(&guest->is_cut, true);
	shutdown(guest->fd, SHUT_RDWR);
}

/* False: it is no guest's memory. */
static bool replace(uintptr_t addr)
{
	struct range range;

	if (!find_range(addr, &range))
		return is_messenger && put_page(addr);
	if (!put_memory(range.start, range.size) && !put_page(addr))
		return false;
	send_away(range.owner);
	return true;
}

static void on_sigbus(int signo, siginfo_t *info, void *context)
{
	int error = errno;

	(void)context;
	if (!replace((uintptr_t)info->si_addr)) {
		signal(signo, SIG_DFL); /* a fault of ours: it comes again, and ends evsd */
		return;
	}
	__atomic_fetch_add(&n_faults, 1, __ATOMIC_RELAXED);
	errno = error;
}

void vhu_guard_init(void)
{
	struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_NODEFER};

	sigaction(SIGBUS, &action, NULL);
}
