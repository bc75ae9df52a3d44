/* SPDX-License-Identifier: MIT */
/*
 * A wait set with two endpoints, as "Wait sets" in <linux/shmring.h> describes it: the producers
 * of two lanes, and one process that consumes from both, to be searched exhaustively with Spin.
 * wait.pml has the whole of one ring; here each ring is what the wait set needs of it.
 *
 * A producer takes its role, publishes, and ends its role or is killed at any step; another one
 * may come after it (LIVES). Its store of head reaches memory at any later time: only (I), (J)
 * and the end of the role wait for it, and locks do not. What a store buffer holds shows only in
 * what the consumer loads, so the consumer's load decides how much of it has arrived.
 *
 * The consumer looks at the endpoints whose bit it sees, which may be late, and calls
 * WAITSET_WAIT when there is nothing left. With F_COOL, or a deadline, it returns without having
 * slept for good; whether it may is chosen beforehand, so that this saves no sleeper.
 *
 * When nothing goes on any more, the consumer must have read all messages and have looked at an
 * endpoint after each change of its other role. WAITSET_WAIT must call no endpoint ready for
 * nothing: each change counts once, and after that an endpoint without data is not ready.
 *
 *   -DTOTAL=n, -DSECOND=n	messages of the first lane, and of the second
 *   -DLIVES=n		producers of the first lane, one after the other
 *   -DCREDIT=n		messages for which a publisher fences after a (J)
 *   -DQUEUE_FIRST	WAITSET_WAIT queues before it arms, and sleeps if no wake-up has come since
 *   -DTAKE_FIRST		it looks for a change before it arms, and not after that
 *   -DCLEAR_IN_LOCK	it clears the bit under the endpoint's lock, after it has stored wake_at
 *   -DDISARM_READY	(O) resets wake_at, too
 *   -DGRACE		(J) is a grace period, with one lane: its end makes the endpoint hot
 *   -DPOLL		the consumer sleeps in epoll
 *   all others		mutants: see waitset.txt
 */
#ifndef LANES
#define LANES	2
#endif
#ifndef TOTAL
#define TOTAL	2
#endif
#ifndef LIVES
#define LIVES	1
#endif
#ifndef SECOND
#define SECOND	1
#endif
#define MESSAGES(i)	((i) == 0 -> TOTAL : SECOND)
#ifndef CREDIT
#define CREDIT	1
#endif
#define NO_WAKE	255

/* Of each lane. The words of struct shmring_lane, but for head: stored, and in memory. */
byte stored[LANES], head[LANES], tail[LANES];
byte wake_at[LANES] = NO_WAKE;
byte fence_until[LANES];
byte turns[LANES];		/* how often the producer's role has begun or ended: its state */
bool locked[LANES];		/* side->wait.lock */

/* Of the wait set. */
bool hot[LANES] = true;
bool changed[LANES];		/* the state has changed and WAITSET_WAIT has not said so */
bool queued, woken;		/* its queue, which has a lock of its own */

/* Only for the check. */
bool untold[LANES];		/* what changed[] must be */
bool fresh[LANES];		/* set by another process, and not seen by the consumer yet */
byte seen[LANES];		/* the turns of the state that the consumer has seen */

inline load_head(i, value)
{
	atomic {
		do
		:: head[i] < stored[i] -> head[i]++;
		:: break;
		od;
		value = head[i];
	}
}

inline barrier(i)	{ head[i] = stored[i]; }

inline lock(i)		{ !locked[i] -> locked[i] = true }

inline set_bit(i)
{
	d_step {
		fresh[i] = !hot[i] || fresh[i];
		hot[i] = true;
	}
}

inline wake_set()
{
	if
	:: queued -> woken = true;
	:: else
	fi
}

/* The bit, the wake-up and the end of the lock. */
inline make_hot(i)
{
#ifdef LATE_N
	atomic { wake_set(); }
	set_bit(i);
	locked[i] = false;
#else
#if !defined(NO_N) && !defined(EARLY_N)
	set_bit(i);						/* N */
#endif
	atomic { wake_set(); locked[i] = false; }
#endif
}

/* shmring_wake() */
inline wake(i)
{
#ifdef EARLY_N
	set_bit(i);
#endif
	atomic { lock(i); armed = wake_at[i] != NO_WAKE; wake_at[i] = NO_WAKE; }
	if
	:: armed -> armed = false; make_hot(i);
	:: else -> locked[i] = false;
	fi
}

/* The flag, and what it must be. */
inline set_changed(i)	{ d_step { changed[i] = true; untold[i] = true; } }

/* shmring_role_begin() and shmring_role_end() */
inline change_role(i)
{
#ifdef EARLY_CHANGED
	set_changed(i);
#endif
#ifndef LATE_STATE
	turns[i]++;
#endif
	atomic {
		lock(i);
		wake_at[i] = NO_WAKE;
#if !defined(NO_CHANGED) && !defined(EARLY_CHANGED) && !defined(LATE_CHANGED)
		set_changed(i);
#endif
	}
	make_hot(i);
#ifdef LATE_CHANGED
	set_changed(i);
#endif
#ifdef LATE_STATE
	turns[i]++;
#endif
}

/* The end of a role that wakes no process: nothing but the state. */
#ifdef NO_DEATH
#define END_ROLE(i)	turns[i]++
#else
#define END_ROLE(i)	change_role(i)
#endif

/* Processes 0 and 1. */
active [LANES] proctype producer()
{
	byte life;
	bool armed;

	do
	:: life == (_pid == 0 -> LIVES : 1) -> break;
	:: else ->
		change_role(_pid);
		do
		:: atomic { stored[_pid] < MESSAGES(_pid) -> stored[_pid]++; }	/* A */
			if
			:: true
			:: break;	/* killed */
			fi;
#ifndef NO_I
			atomic {
				if
				:: stored[_pid] - 1 < fence_until[_pid] -> /* H */
					barrier(_pid);			/* I */
				:: else
				fi
			}
#endif
			if
			:: stored[_pid] < wake_at[_pid]
			:: stored[_pid] >= wake_at[_pid] -> wake(_pid);	/* C */
			:: break;
			fi
		:: stored[_pid] == MESSAGES(_pid) -> goto stays;
		:: break;
		od;
		barrier(_pid);
		END_ROLE(_pid);
		life++;
	od;
stays:	skip
}

#ifdef GRACE
#define FENCE_ALWAYS	254
#define UNDER_WAY	1
#define PASSED		2

byte confirmed[LANES];		/* fence_confirmed */
byte grace[LANES];		/* the last (J), a grace period of RCU */

/* trust_fences_and_wake(): the publisher has passed a barrier, and later the period is over */
active proctype rcu()
{
end:	do
	:: atomic { grace[0] == UNDER_WAY -> barrier(0); grace[0] = PASSED; }
	:: atomic { grace[0] == PASSED -> grace[0] = 0; confirmed[0] = FENCE_ALWAYS; }
#ifndef NO_WORK_WAKE
		atomic { lock(0); wake_at[0] = NO_WAKE; }
		make_hot(0);
#endif
	od
}

/* fence_peer(), where (J) is a grace period, and shmring_fence_later() */
inline fence_peer(i)
{
	load_head(i, at);
	if
	:: at >= confirmed[i] && fence_until[i] != FENCE_ALWAYS ->
		fence_until[i] = FENCE_ALWAYS;
#ifndef NO_LATER
		grace[i] = UNDER_WAY;
#endif
	:: else
	fi;
	at = 0;
}
#else
/* fence_peer(), where (J) is an interrupt */
inline fence_peer(i)
{
	load_head(i, at);
	if
	:: at >= fence_until[i] ->
		fence_until[i] = at + CREDIT;
#ifndef NO_J
		barrier(i);						/* J */
#endif
	:: else
	fi;
	at = 0;
}
#endif

#ifdef DISARM
/* Another thread, whose WAIT_DATA on the first endpoint ends: shmring_disarm(). */
active proctype waiter()
{
	atomic { !locked[0]; wake_at[0] = NO_WAKE; }
}
#endif

/* A process sees what it has done itself. */
inline set_own_bit(i)	{ d_step { hot[i] = true; fresh[i] = false; } }
inline clear_bit(i)	{ d_step { hot[i] = false; fresh[i] = false; } }

/* set_wake_at(): only ever lower */
inline arm(i)
{
	atomic {
		!locked[i];
		if
		:: tail[i] + 1 < wake_at[i] -> wake_at[i] = tail[i] + 1;
		:: else
		fi;
#ifdef CLEAR_IN_LOCK
		clear_bit(i);
#endif
	}
}

/* WAITSET_WAIT takes the flag, poll leaves it. */
inline take_change(i)
{
	atomic {
		change = changed[i];
		if
		:: polls
		:: else ->
			assert(!change || untold[i]);	/* once for each change */
			untold[i] = false;
#if !defined(KEEP_CHANGED) && !defined(LATE_UNCHANGE)
			changed[i] = false;
#endif
		fi
	}
}

inline look(i)
{
	take_change(i);
	load_head(i, at);
}

#ifdef GONE_IS_READY
#define READY(i)	(change || at != tail[i] || turns[i] % 2 == 0)
#else
#define READY(i)	(change || at != tail[i])
#endif

inline judge(i)
{
#ifdef DISARM_READY
	if
	:: READY(i) -> atomic { !locked[i]; wake_at[i] = NO_WAKE; }
	:: else
	fi;
#endif
	atomic {
		if
		:: READY(i) ->
			assert(change || at != tail[i]);
#ifdef FIRST_ONLY
			if
			:: !ready -> set_own_bit(i);
			:: else
			fi;
#elif !defined(NO_O)
			set_own_bit(i);					/* O */
#endif
			ready = true;
		:: else
		fi;
#ifdef LATE_UNCHANGE
		changed[i] = false;
#endif
		change = false; at = 0;
	}
}

/* The steps for one hot endpoint. */
inline arm_and_look(i)
{
#if defined(NO_D)
	look(i);
	clear_bit(i);
	arm(i);
#elif defined(LATE_CLEAR)
	arm(i);
	fence_peer(i);
	look(i);
	clear_bit(i);
#elif defined(CLEAR_AFTER_ARM)
	arm(i);
	clear_bit(i);
	fence_peer(i);						/* D */
	look(i);
#elif defined(NO_LOOK)
	clear_bit(i);
	arm(i);
	fence_peer(i);
	take_change(i);
	at = tail[i];
#else
#ifdef TAKE_FIRST
	clear_bit(i);
	take_change(i);
	arm(i);
	fence_peer(i);						/* D */
	load_head(i, at);
#elif defined(TAKE_BEFORE_CLEAR)
	take_change(i);
	clear_bit(i);
	arm(i);
	fence_peer(i);
	load_head(i, at);
#else
#ifndef CLEAR_IN_LOCK
	clear_bit(i);
#endif
	arm(i);
	fence_peer(i);						/* D */
	look(i);
#endif
#endif
	judge(i);
}

inline for_each_hot(i)
{
	i = 0;
	do
	:: i == LANES -> i = 0; break;
	:: else ->
		if
		:: hot[i] -> arm_and_look(i);
		:: !hot[i] || fresh[i]
		fi;
		i++;
	od
}

#if LANES == 1
#define ANY_HOT	hot[0]
#define ALL_FRESH	(!hot[0] || fresh[0])
#else
#define ANY_HOT	(hot[0] || hot[1])
#define ALL_FRESH	((!hot[0] || fresh[0]) && (!hot[1] || fresh[1]))
#endif

#ifdef POLL_TAKES
#define POLLS	false
#else
#define POLLS	true
#endif

/*
 * WAITSET_WAIT. With POLL the consumer does not sleep there, but calls it with F_COOL, and then
 * sleeps in epoll, which polls when it is woken and once more before it returns.
 */
inline waitset_wait()
{
#ifdef POLL
	stays = false;
	for_each_hot(i);
	if
	:: ready -> goto done;
	:: else -> polls = POLLS; stays = true;
	fi;
#else
	if
	:: stays = true;
	:: stays = false;
	fi;
#endif
	do
	:: true ->
#ifdef QUEUE_FIRST
		/* A full barrier: the bits from before are seen. */
		atomic { queued = true; woken = false; fresh[0] = false; fresh[LANES - 1] = false; }
#endif
		for_each_hot(i);
#ifdef POLL
		if
		:: ready -> ready = false; for_each_hot(i);
		:: else
		fi;
#endif
		if
		:: ready || !stays -> break;
		:: else
		fi;
#ifdef EARLY_CHECK
		if
		:: ANY_HOT -> goto again;
		:: else
		fi;
#endif
#ifndef QUEUE_FIRST
		atomic { queued = true; woken = false; }
#endif
		if
#if !defined(SLEEP_HOT) && !defined(EARLY_CHECK) && !defined(QUEUE_FIRST)
		/* It never goes round for nothing. */
		:: ANY_HOT -> assert(ALL_FRESH);
		:: !ANY_HOT ->
#else
		:: true ->
#endif
end_sleep:		woken;
		fi;
again:		atomic { queued = false; woken = false; }
	od;
done:	atomic { queued = false; woken = false; ready = false; stays = false; polls = false; }
}

active proctype consumer()
{
	byte i, at;
	bool found, ready, change, stays, polls;

	do
	:: true ->
		do
		:: i == LANES -> i = 0; break;
		:: else ->
			if
			:: hot[i] ->
				atomic {
					fresh[i] = false;
					seen[i] = turns[i];
					load_head(i, at);		/* B */
					if
					:: at != tail[i] -> tail[i]++; found = true;
					:: else
					fi;
					at = 0;
				}
			:: !hot[i] || fresh[i]
			fi;
			i++;
#ifdef WAIT_EARLY
		:: found -> i = 0; found = false; break;
#endif
		od;
		if
		:: found -> found = false;
		:: else -> waitset_wait();
		fi
	od
}

active proctype check()
{
	byte i;

	timeout ->
	do
	:: i == LANES -> break;
	:: else ->
		assert(tail[i] == stored[i]);
		assert(seen[i] == turns[i]);
		i++;
	od
}
