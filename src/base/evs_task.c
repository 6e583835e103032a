/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks over ucontext. Threads: control. Owner: this file, of the stack.
 */
#include "base/evs_task.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "base/evs_clock.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif

#define STACK_SIZE  (1u << 20) /* only what is used is there; the lowest page catches overflow */
#define GUARD_SIZE  4096
#define TURNS_A_S   1000 /* a turn takes so long */
#define LOOKS_A_TSC 16   /* calls of breathe for a look at the clock */

struct waiting {
	struct waiting *next;
	void (*fn)(void *arg);
	void *arg;
};

static struct {
	void (*fn)(void *arg);
	void (*done)(void *arg);
	void *arg;
	uint8_t *stack;
	ucontext_t loop, task;
	uint64_t end_tsc; /* of this turn */
	unsigned n_looks;
	bool is_under_way, is_inside;
	bool is_waking; /* who has waited does what it waited for */
	struct waiting *head, **tail;
} task = {.tail = &task.head};

#ifdef HAS_ASAN
/* The sanitizer knows one stack a thread unless it is told. */
void __sanitizer_start_switch_fiber(void **fake, const void *bottom, size_t size);
void __sanitizer_finish_switch_fiber(void *fake, const void **bottom, size_t *size);
static const void *loop_stack;
static size_t loop_stack_size;
static void *task_fake;

static void switch_to_task(void)
{
	void *fake;

	__sanitizer_start_switch_fiber(&fake, task.stack + GUARD_SIZE, STACK_SIZE);
	swapcontext(&task.loop, &task.task);
	__sanitizer_finish_switch_fiber(fake, NULL, NULL);
}

static void task_entered(void)
{
	__sanitizer_finish_switch_fiber(task_fake, &loop_stack, &loop_stack_size);
	task_fake = NULL; /* the next task begins without one */
}

static void switch_to_loop(void)
{
	__sanitizer_start_switch_fiber(task.is_under_way ? &task_fake : NULL, loop_stack,
	                               loop_stack_size);
	swapcontext(&task.task, &task.loop);
	task_entered();
}
#else
static void switch_to_task(void)
{
	swapcontext(&task.loop, &task.task);
}

static void task_entered(void)
{
}

static void switch_to_loop(void)
{
	swapcontext(&task.task, &task.loop);
}
#endif

static void task_main(void)
{
	task_entered();
	task.fn(task.arg);
	task.is_under_way = false;
	switch_to_loop(); /* for the last time */
}

/* Stays for the next task. */
static bool stack_get(void)
{
	void *stack;

	if (task.stack)
		return true;
	stack = mmap(NULL, GUARD_SIZE + STACK_SIZE, PROT_READ | PROT_WRITE,
	             MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stack == MAP_FAILED)
		return false;
	if (mprotect(stack, GUARD_SIZE, PROT_NONE)) {
		munmap(stack, GUARD_SIZE + STACK_SIZE);
		return false;
	}
	task.stack = stack;
	return true;
}

static void turn(void)
{
	task.end_tsc = evs_clock_tsc() + evs_clock_tsc_hz / TURNS_A_S;
	task.n_looks = 0;
	task.is_inside = true;
	switch_to_task();
	task.is_inside = false;
}

bool evs_task_run(void (*fn)(void *arg), void *arg, void (*done)(void *arg))
{
	assert(!task.is_under_way || task.is_inside);
	if (task.is_inside || !stack_get() || getcontext(&task.task)) {
		fn(arg);
		return true;
	}
	task.fn = fn;
	task.arg = arg;
	task.done = done;
	task.task.uc_stack.ss_sp = task.stack + GUARD_SIZE;
	task.task.uc_stack.ss_size = STACK_SIZE;
	task.task.uc_link = NULL;
	makecontext(&task.task, task_main, 0);
	task.is_under_way = true;
	turn();
	return !task.is_under_way;
}

void evs_task_breathe(void)
{
	if (!task.is_inside || ++task.n_looks % LOOKS_A_TSC || evs_clock_tsc() < task.end_tsc)
		return;
	switch_to_loop();
}

bool evs_task_is_elsewhere(void)
{
	return task.is_under_way && !task.is_inside;
}

bool evs_task_after(void (*fn)(void *arg), void *arg)
{
	struct waiting *w;

	if (!evs_task_is_elsewhere() && (!task.head || task.is_waking || task.is_inside))
		return false;
	w = malloc(sizeof(*w));
	if (!w)
		abort(); /* somebody would wait for ever */
	*w = (struct waiting){.fn = fn, .arg = arg};
	*task.tail = w;
	task.tail = &w->next;
	return true;
}

/* One of them may start the next task: the others go on waiting then. */
static void wake(void)
{
	while (!task.is_under_way && task.head) {
		struct waiting *w = task.head;

		task.head = w->next;
		if (!task.head)
			task.tail = &task.head;
		task.is_waking = true;
		w->fn(w->arg);
		task.is_waking = false;
		free(w);
	}
}

bool evs_task_step(void)
{
	if (!task.is_under_way)
		return false;
	turn();
	if (task.is_under_way)
		return true;
	task.done(task.arg);
	wake();
	return task.is_under_way;
}

void evs_task_finish(void)
{
	while (evs_task_step())
		;
}
