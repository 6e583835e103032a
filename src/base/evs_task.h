/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long work of the control thread, in turns.
 * Threads: control.
 *
 * Problem. To delete a million rules takes half a second, and whoever else has a question to the
 * control thread must not wait for it. The work is loops within loops, over rooms.
 *
 * A task is a function that runs on a stack of its own. Where it calls evs_task_breathe and its
 * turn is over, the event loop goes on, and takes it up again after the others had theirs. Short
 * work ends in its first turn, as if it had been called.
 *
 * Invariants. There is one task at a time. What it changes nobody else changes meanwhile: who wants
 * to asks evs_task_after first, and again where it goes on after a wait of its own, since a task
 * may have begun by then. Where the change is made stands assert(!evs_task_is_elsewhere()). Who
 * waits is served in order, before whoever asks later; so nobody keeps the others away by one task
 * after the other. Who is served has the turn until its function returns, and may ask in it as
 * often as it has something to change: a transaction is not torn apart, and a session changes as
 * much as in any turn. What it puts off to a later turn is behind those who wait. Outside of tasks
 * breathing does nothing, so what breathes may be called from anywhere.
 */
#ifndef EVS_TASK_H
#define EVS_TASK_H

#include "base/evs_base.h"

/* Runs fn(arg); true: it is done. false: it goes on in later turns, and done(arg) is called after
 * them by evs_task_step. Within a task, and without memory for a stack, fn is just called. No task
 * may be under way. */
bool evs_task_run(void (*fn)(void *arg), void *arg, void (*done)(void *arg));

/* Ends the turn of the task that calls it, if it lasts long enough. */
void evs_task_breathe(void);

/* For the others: calls fn(arg) when the task that is under way has ended, in the order of the
 * calls. false: nobody has to be waited for, or it is the caller's own task, or turn: go on. */
bool evs_task_after(void (*fn)(void *arg), void *arg);

/* Whether one is under way, and the caller is not part of it. */
bool evs_task_is_elsewhere(void);

/* The event loop, once a round: a turn of the task. Returns whether there is one still. */
bool evs_task_step(void);
/* All turns that are left, of all tasks: where no event loop runs any more. */
void evs_task_finish(void);

#endif
