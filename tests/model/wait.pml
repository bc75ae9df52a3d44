/* SPDX-License-Identifier: MIT */
/*
 * The whole of sleeping and waking, to be searched exhaustively with Spin: the
 * letters are those of the contract in <linux/shmring.h>, the functions those of
 * kmod/wait.c, kmod/fence.c and of the library's fast path.
 *
 * Every process has a store buffer: its stores reach memory in order, and at any
 * later time; its own loads see them at once. Only barriers wait for it: its own, and
 * the one that a sleeper has it execute (J), which may come between any two of its
 * steps. Locks do not, and an unlock is a store like any other. The litmus tests
 * are for machines that reorder loads, too.
 *
 * A lost wake-up, or two sides that wait for each other, is a state from which
 * nothing goes on before all is sent and taken: an invalid end state. A budget
 * bounds deadlines and signals, each of which may also never come, so that none
 * saves a sleeper that should have been woken.
 *
 *   -DPRODUCER=m, -DCONSUMER=m	how each side waits: BLOCK (the ioctl), LEVEL or
 *				EDGE (epoll)
 *   -DCREDIT=n			bytes for which a publisher fences after a (J)
 *   -DALWAYS			(J) cannot be had: always fence
 *   -DGRACE			(J) is a grace period: a side that waits by BLOCK naps until
 *				it is over, one that waits by LEVEL or EDGE is woken then
 *   -DFIRST=n			bytes for which a publisher fences from the start
 *   -DELSEWHERE			the consumer takes one byte, and then waits for something
 *				else that the producer does after its next message
 *   -DQUEUE			a ring with CREATE_F_QUEUE: another consumer comes after one
 *				that was killed, for sides that wait by BLOCK
 *   -DWATCHERS			a program of its own: several sleepers of one side, and
 *				producers that come and go; -DSECOND=m
 *   all others			mutants: see spin.txt
 */
#define BLOCK	0
#define LEVEL	1
#define EDGE	2

#ifndef PRODUCER
#define PRODUCER BLOCK
#endif
#ifndef CONSUMER
#define CONSUMER BLOCK
#endif
#ifndef SECOND
#define SECOND	BLOCK
#endif
#ifndef TOTAL
#define TOTAL	5		/* bytes to send */
#endif
#ifndef BUDGET
#define BUDGET	1		/* deadlines and signals */
#endif
#ifndef CREDIT
#define CREDIT	1
#endif
#ifndef FIRST
#define FIRST	0
#endif
#ifdef WATCHERS
#define CAPACITY TOTAL
#define NR_CPUS	4
#else
#define CAPACITY 3
#define NR_CPUS	2
#endif
#define HALF	2		/* the watermark */
#define NO_WAKE	255
#define FENCE_ALWAYS 255

/*
 * Each process has a CPU and belongs to a side: the consumer to side 0, the producer to side 1;
 * of four processes, the even ones to side 0 and the odd ones to side 1.
 */
#define C	0
#define P	1
#define C2	2
#define P2	3
#define NOWHERE	4
#define SIDE(me)	((me) & 1)
#define PEER(me)	(1 - SIDE(me))

/* Shared words, one of each per side. */
#define POSITION(side)	(side)		/* tail, head */
#define WAKE_AT(side)	(2 + (side))	/* consumer.wake_at, producer.wake_at */
#define LOCK(side)	(4 + (side))	/* side->wait.lock */
#define GONE(side)	(6 + (side))	/* consumer.state, producer.state */
#define NR_WORDS	8

byte mem[NR_WORDS];
chan buffer[NR_CPUS] = [8] of { byte, byte };
byte pending[NR_CPUS * NR_WORDS]; /* how many stores are in the buffer ... */
byte newest[NR_CPUS * NR_WORDS]; /* ... and what the last of them stores */

#define LOAD(me, a)	(pending[(me) * NR_WORDS + (a)] -> \
			 newest[(me) * NR_WORDS + (a)] : mem[a])
#define BARRIER(me)	empty(buffer[me])
#define ARMED(me, side)	(LOAD(me, WAKE_AT(side)) != NO_WAKE)

inline store(me, a, v)
{
	d_step {
		newest[(me) * NR_WORDS + (a)] = v;
		pending[(me) * NR_WORDS + (a)]++;
		buffer[me]!a,v;
	}
}

/* What the hardware does, sooner or later. */
proctype drain(byte me)
{
	byte a, v;

end:	do
	:: d_step {
		buffer[me]?a,v ->
		mem[a] = v;
		pending[me * NR_WORDS + a]--;
		if
		:: pending[me * NR_WORDS + a] == 0 -> newest[me * NR_WORDS + a] = 0;
		:: else
		fi;
		a = 0; v = 0;
	}
	od
}

/* The wait queue: the processes that are on it, that sleep, and whose epoll has an event. */
bool queued[NR_CPUS], asleep[NR_CPUS], event[NR_CPUS];
bool killed[NR_CPUS], interrupted[NR_CPUS];
byte budget = BUDGET;
bool armed[2];			/* only for the check: since the last WAKE */

#define FREE(me, word)	(mem[word] == 0 && !pending[(me) * NR_WORDS + (word)])

inline take(me, word)	{ FREE(me, word) -> mem[word] = 1; }
inline lock(me, side)	{ take(me, LOCK(side)); }
inline unlock(me, side)	{ store(me, LOCK(side), 0); }

inline wake_one(waiter, mode)
{
	if
	:: queued[waiter] && mode == BLOCK -> queued[waiter] = false; asleep[waiter] = false;
	:: queued[waiter] && mode != BLOCK -> event[waiter] = true;
	:: else
	fi
}

#ifdef WATCHERS
#define ACTIVE(side)	(queued[side] || queued[(side) + 2])
#else
#define ACTIVE(side)	queued[side]
#endif

#define MODE(waiter)	((waiter) == C -> CONSUMER : ((waiter) == P -> PRODUCER : SECOND))

inline wake_queue(side)
{
	d_step {
		wake_one(side, MODE(side));
#ifdef WATCHERS
		wake_one(side + 2, MODE(side + 2));
#endif
	}
}

/*
 * shmring_wake(): one look without the lock, then reset and wake under the lock. What happens
 * under a lock is one step, as no other process may do anything of the kind, and the stores
 * reach memory in steps of their own.
 */
inline wake(me, side)
{
	if
	:: ARMED(me, side) ->
		atomic {
			lock(me, side);
			if
			:: ARMED(me, side) ->
				assert(armed[side]);	/* one WAKE for each arming */
				armed[side] = false;
#if !defined(NO_RESET) && !defined(LATE_RESET)
				store(me, WAKE_AT(side), NO_WAKE);
#endif
				wake_queue(side);
			:: else
			fi;
			unlock(me, side);
		}
#ifdef LATE_RESET
		atomic {
			lock(me, side);
			store(me, WAKE_AT(side), NO_WAKE);
			unlock(me, side);
		}
#endif
	:: else
	fi
}

/* shmring_wake_all(): a role has ended. */
inline wake_all(me, side)
{
	atomic {
		lock(me, side);
		armed[side] = false;
		store(me, WAKE_AT(side), NO_WAKE);
		unlock(me, side);
	}
	atomic {
		lock(me, side);
		wake_queue(side);
		unlock(me, side);
	}
}

#ifdef WATCHERS
byte on = P;			/* which CPU the publisher runs on (side->mm) */
byte nr_j;			/* how often it has been interrupted */
#define STOPPED(publisher)	(BARRIER(P) && BARRIER(P2))
#else
#define STOPPED(publisher)	BARRIER(publisher)
#endif

/*
 * Words that need no store buffer: a process that stores to them has passed a barrier (D) just
 * before, and passes one (J) right after, so a late store is the same as a late step.
 */
byte fence_until[2];		/* consumer.fence_until, producer.fence_until */
byte fence_confirmed[2];		/* of a struct shmring_side, as is the lock */
bool fencing[2];

#ifdef UNCONFIRMED		/* what publishers are asked for, not what they do */
#define KNOWN(side)	fence_until[side]
#else
#define KNOWN(side)	fence_confirmed[side]
#endif

#ifdef GRACE
/*
 * Each side's last grace period of RCU. PASSED: the publisher has passed a barrier since its
 * beginning; the period ends later.
 */
#define UNDER_WAY	1
#define PASSED		2
#define OVER		3
byte grace[2];
bool work[2];			/* queued for its end: trust_work */

/* trust_fences_and_wake(): a work item, once the period is over */
inline trust_fences_and_wake(side)
{
	work[side] = false;
	atomic { !fencing[side] -> fencing[side] = true; }
	fence_confirmed[side] = FENCE_ALWAYS;
	fencing[side] = false;
#ifndef NO_WORK_WAKE
	wake_all_at_once(side);
#endif
}

/* shmring_wake_all(), without the buffer: under the lock, late stores are late steps. */
inline wake_all_at_once(side)
{
	atomic {
		mem[LOCK(side)] == 0 ->
		armed[side] = false;
		mem[WAKE_AT(side)] = NO_WAKE;
	}
	atomic { mem[LOCK(side)] == 0 -> wake_queue(side); }
}

proctype rcu(byte side)
{
end:	do
	:: d_step { grace[side] == UNDER_WAY && STOPPED(1 - side) -> grace[side] = PASSED; }
	:: d_step { grace[side] == PASSED -> grace[side] = OVER; }
#ifdef EARLY_WORK
	:: work[side] -> trust_fences_and_wake(side);
#else
	:: work[side] && grace[side] == OVER -> trust_fences_and_wake(side);
#endif
	od
}

inline begin_grace(me)
{
	atomic { BARRIER(me) -> grace[SIDE(me)] = UNDER_WAY; }
}

/* request_fences(), under the lock: an earlier request is not waited for any more. */
inline request_fences(me, much)
{
#ifdef EARLY_GRACE
	begin_grace(me);
#endif
	fence_until[SIDE(me)] = much;
#ifndef EARLY_GRACE
	begin_grace(me);		/* J, matches A-C and E-G */
#endif
#ifdef WATCHERS
	atomic {
		nr_j++;
		/* at most one for each CREDIT that was published, and one that holds for good */
		assert(nr_j <= 1 + mem[POSITION(P)] / CREDIT + (much == FENCE_ALWAYS));
	}
#endif
}

/* trust_fences(): under the lock */
inline trust_fences(me)
{
	if
#ifdef EARLY_TRUST
	:: true -> fence_confirmed[SIDE(me)] = fence_until[SIDE(me)];
#elif !defined(NO_TRUST)
	:: grace[SIDE(me)] == OVER -> fence_confirmed[SIDE(me)] = fence_until[SIDE(me)];
#endif
	:: else
	fi
}

/* shmring_fence_later() */
inline fence_later(me)
{
	atomic { !fencing[SIDE(me)] -> fencing[SIDE(me)] = true; }
	if
	:: fence_until[SIDE(me)] != FENCE_ALWAYS ->
		request_fences(me, FENCE_ALWAYS);
		work[SIDE(me)] = true;
	:: else
	fi;
	fencing[SIDE(me)] = false;
}

/* For a poller, which does not look again before it gets an event. */
inline wake_when_fenced(me)
{
#ifndef NO_LATER
	if
	:: sure
	:: else -> fence_later(me);
	fi;
#endif
	sure = false;
}
#endif

/* J, matches A-C and E-G */
inline interrupt(me)
{
#ifdef WATCHERS
	atomic { BARRIER(me) -> cpu = on; }
	if
	:: cpu == NOWHERE
	:: cpu == P && BARRIER(P)
	:: cpu == P2 && BARRIER(P2)
	fi;
	atomic {
		cpu = 0;
		nr_j++;
#ifndef RESET_AT_ATTACH
		/* at most one for each CREDIT that was published */
		assert(nr_j <= 1 + mem[POSITION(P)] / CREDIT);
#endif
	}
#else
	BARRIER(me) && BARRIER(PEER(me));
#endif
}

/*
 * shmring_fence_peer(), where the position has been loaded. Both words only grow: the process
 * that has the lock has not found the position below fence_confirmed.
 */
inline fence_peer(me)
{
	atomic {
		until = (where >= KNOWN(SIDE(me)) -> where + CREDIT : 0);
#ifdef GRACE
		sure = until == 0;
#endif
#if !defined(NO_RELOAD)
		where = 0;
#endif
	}
	if
	:: until != 0 ->
#ifndef NO_FENCE_LOCK
		atomic { !fencing[SIDE(me)] -> fencing[SIDE(me)] = true; }
#endif
		if
		:: until - CREDIT < KNOWN(SIDE(me))
		:: else ->
#ifdef GRACE
			if
#ifdef NEW_GRACE
			:: true -> request_fences(me, until);
#else
			:: until - CREDIT >= fence_until[SIDE(me)] -> request_fences(me, until);
			:: else
#endif
			fi;
			atomic {
				trust_fences(me);
				/* a nap must be one for a grace period, which ends */
				assert(until - CREDIT < fence_confirmed[SIDE(me)] ||
				       grace[SIDE(me)] != OVER);
			}
#else
#ifdef LATE_FENCE_UNTIL
			interrupt(me);
#endif
#ifndef NO_FENCE_UNTIL
			fence_until[SIDE(me)] = until;
#endif
#if !defined(NO_J) && !defined(EARLY_J) && !defined(LATE_FENCE_UNTIL)
			interrupt(me);
#endif
			fence_confirmed[SIDE(me)] = until;
#endif
		fi;
#ifdef GRACE
		atomic {
			sure = until - CREDIT < KNOWN(SIDE(me));
			fencing[SIDE(me)] = false; until = 0;
		}
#else
		atomic { fencing[SIDE(me)] = false; until = 0; }
#endif
	:: else
	fi
}

/* set_wake_at(): at position @at */
inline set_wake_at(me)
{
#ifdef EARLY_J
	interrupt(me);
#endif
#ifdef EARLY_LOAD
	where = LOAD(me, POSITION(PEER(me)));
#endif
	atomic {
#ifdef NO_D
		lock(me, SIDE(me));
		if
		:: at < LOAD(me, WAKE_AT(SIDE(me))) ->
			armed[SIDE(me)] = true;
			store(me, WAKE_AT(SIDE(me)), at);
		:: else
		fi;
		unlock(me, SIDE(me));
#else
		/* Without the buffer: as (D) is to come, late stores are late steps. */
		BARRIER(me) && FREE(me, LOCK(SIDE(me))) ->
		if
		:: at < mem[WAKE_AT(SIDE(me))] ->
			armed[SIDE(me)] = true;
			mem[WAKE_AT(SIDE(me))] = at;
		:: else
		fi;
#endif
		at = 0;
	}
#if defined(NO_D)
	where = LOAD(me, POSITION(PEER(me)));
#elif !defined(EARLY_LOAD)
	atomic {
		BARRIER(me);				/* D, matches I */
		where = LOAD(me, POSITION(PEER(me)));
	}
#endif
	fence_peer(me);
}

/*
 * arm_for_position(), the rest: a consumer that waits for more than there is, and a producer
 * that waits for space, must not wait for each other. If the producer waits, any data is enough
 * for the consumer. A producer that begins to wait wakes it for that, unless the next byte
 * does. Both arm before they look at the other side (D).
 */
inline heed_peer(me)
{
#ifndef NO_KICK
	if
	:: SIDE(me) == P && ARMED(me, C) ->
		if
		:: mine > LOAD(me, POSITION(C)) -> wake(me, C);
		:: else ->
			if
			:: LOAD(me, WAKE_AT(C)) > mine + 1 -> wake(me, C);
			:: else
			fi
		fi
	:: else
	fi;
#endif
#if !defined(NO_LOWER) && !defined(WATCHERS)
	if
	:: me == C && ARMED(me, P) -> at = mine + 1; set_wake_at(me);
	:: else
	fi
#endif
}

/*
 * arm_for_bytes(): arm for @bytes. Space that is there from the start is at position 0 here,
 * and at a huge one in the kernel: the armed process looks again in any case.
 */
inline arm_for_bytes(me, bytes)
{
	atomic {
		if
		:: SIDE(me) == C -> at = mine + bytes;
		:: SIDE(me) == P && mine + bytes > CAPACITY -> at = mine + bytes - CAPACITY;
		:: else -> at = 0;
		fi
	}
	set_wake_at(me);
	heed_peer(me);
}

/* shmring_ready(): is_data_ready() and is_space_ready() */
inline look(me, bytes, stale)
{
	gone = LOAD(me, GONE(PEER(me)));
	atomic {
		theirs = (stale -> where : LOAD(me, POSITION(PEER(me))));
		if
		:: SIDE(me) == C -> ok = gone || theirs - mine >= bytes;
		:: else -> ok = gone || CAPACITY - (mine - theirs) >= bytes;
		fi;
		some = SIDE(me) == C && theirs > mine;
		gone = false; theirs = 0;
	}
#if !defined(NO_YIELD) && !defined(WATCHERS)
	atomic {
		if
		:: some && !ok -> ok = ARMED(me, P);
		:: else
		fi;
		some = false;
	}
#endif
}

inline ready(me, bytes)
{
	look(me, bytes, false);
}

/* The look after arming. */
inline ready_now(me, bytes)
{
#ifdef NO_RELOAD
	look(me, bytes, true);
	where = 0;
#else
	ready(me, bytes);
#endif
}

/* disarm() */
inline disarm(me)
{
	atomic {
		lock(me, SIDE(me));
		if
		:: !ACTIVE(SIDE(me)) ->
			armed[SIDE(me)] = false;
			store(me, WAKE_AT(SIDE(me)), NO_WAKE);
		:: else
		fi;
		unlock(me, SIDE(me));
	}
}

/* A wait chooses beforehand whether it has a deadline: one without must not count on it. */
inline choose_deadline()
{
	atomic {
		if
		:: budget > 0 -> budget--; deadline = true;
		:: deadline = false;
		fi
	}
}

/*
 * shmring_wait(): WAIT_DATA, WAIT_SPACE. The caller looks again when it has returned. A sleep
 * is for @mark, which the caller gives; its patience may end at any time, and does.
 */
inline wait(me, bytes, mark)
{
	choose_deadline();
	ready(me, bytes);
	do
	:: ok -> break;
	:: else ->
#ifdef NO_RECHECK
		ready(me, mark);
#endif
		atomic {	/* prepare_to_wait() */
			lock(me, SIDE(me));
			queued[me] = true; asleep[me] = true;
			unlock(me, SIDE(me));
		}
		arm_for_bytes(me, mark);
#ifndef NO_RECHECK
		ready_now(me, mark);
#endif
		if
		:: ok
		:: !ok && (!asleep[me] || interrupted[me]) -> ready(me, mark);
		:: !ok && deadline -> ok = true;
#ifndef NO_PATIENCE
		:: !ok && mark > bytes -> mark = bytes; ready(me, mark);
#endif
#if defined(GRACE) && !defined(NO_NAP)
		:: !ok && !sure -> ready(me, mark);	/* a nap is over */
#endif
		fi;
#ifdef GRACE
		sure = false;
#endif
		if
		:: ok || interrupted[me] ->
			atomic {	/* finish_wait() */
				lock(me, SIDE(me));
				queued[me] = false; asleep[me] = false;
				unlock(me, SIDE(me));
			}
			disarm(me);
			break
		:: else
		fi
	od;
	atomic { ok = false; deadline = false; interrupted[me] = killed[me]; }
}

/* shmring_poll() */
inline poll(me, lowat, mode)
{
	seen = LOAD(me, POSITION(PEER(me)));
	ready(me, lowat);
	if
	:: !ok ->
		arm_for_bytes(me, lowat);
#ifdef GRACE
		wake_when_fenced(me);
#endif
		ready_now(me, lowat);
	:: ok && mode == EDGE ->
		at = seen + 1;
		set_wake_at(me);
#ifndef NO_EDGE_KICK
		heed_peer(me);
#endif
#ifdef GRACE
		wake_when_fenced(me);
#endif
		ready_now(me, lowat);
	:: else
	fi;
	seen = 0;
}

/*
 * epoll_wait(): sleeps until there is an event, then polls. Level-triggered, what was ready is
 * polled again the next time; edge-triggered, only after an event.
 */
inline epoll(me, lowat, mode)
{
	choose_deadline();
	do
	:: ok -> break;
	:: !ok ->
		if
		:: atomic { event[me] -> event[me] = false; }
		:: interrupted[me] -> break;
		:: deadline -> break;
		fi;
		poll(me, lowat, mode);
		if
		:: ok && mode == LEVEL -> event[me] = true;
		:: else
		fi
	od;
	atomic { ok = false; deadline = false; interrupted[me] = killed[me]; }
}

/* EPOLL_CTL_ADD */
inline epoll_add(me, lowat, mode)
{
	atomic {
		lock(me, SIDE(me));
		queued[me] = true;
		unlock(me, SIDE(me));
	}
	poll(me, lowat, mode);
	event[me] = event[me] || ok;
	ok = false;
}

#ifdef NEW_FENCE_UNTIL		/* compare where it goes to, not where it comes from */
#define FROM	mine
#else
#define FROM	old
#endif

/* shmring_publish() and shmring_release(), from position @old */
inline publish(me)
{
#ifdef EARLY_H
	bool due;

	due = FROM < fence_until[PEER(me)];
#endif
	store(me, POSITION(SIDE(me)), mine);			/* A, E */
#ifndef NO_I
	if
#ifdef EARLY_H
	:: due -> BARRIER(me); due = false;
#else
	:: !killed[me] && FROM < fence_until[PEER(me)] ->	/* H */
		BARRIER(me);					/* I, matches D */
#endif
	:: else
	fi;
#endif
	if
	:: !killed[me] && mine >= LOAD(me, WAKE_AT(PEER(me))) -> /* C, G */
		wake(me, PEER(me));
	:: else
	fi
}

/* shmring_role_end(); with QUEUE, a consumer is none, and not gone */
inline role_end(me)
{
#ifdef QUEUE
	if
	:: SIDE(me) == P -> store(me, GONE(P), true); wake_all(me, C);
#ifdef NO_LEAVE
	:: else
#else
	:: else -> wake_all(me, P);
#endif
	fi
#else
	store(me, GONE(SIDE(me)), true);
#ifndef NO_DEATH
	wake_all(me, PEER(me));
#endif
#endif
}

#ifndef WATCHERS
byte sent;			/* for ELSEWHERE */

proctype producer()
{
	byte mine, old, theirs, need, mark, seen, at, where, until;
	bool ok, gone, some, deadline;
#ifdef GRACE
	bool sure;
#endif

#if PRODUCER != BLOCK
	epoll_add(P, HALF, PRODUCER);
#endif
	do
	:: mine == TOTAL || killed[P] || LOAD(P, GONE(C)) -> break;
	:: else ->
		/* one record, of any size that is left */
		if
		:: need = 1;
#ifndef ELSEWHERE
		:: mine + 2 <= TOTAL -> need = 2;
#endif
		fi;
		do
		:: killed[P] || LOAD(P, GONE(C)) -> break;
		:: else ->
			if
			:: CAPACITY - (mine - LOAD(P, POSITION(C))) >= need ->	/* F, matches E */
				atomic { old = mine; mine = mine + need; }
				publish(P);
#ifdef ELSEWHERE
				sent = mine;
#endif
				break;
			:: else ->
#if PRODUCER == BLOCK
				if
				:: need > HALF -> mark = need;
				:: else -> mark = HALF;
				fi;
				wait(P, need, mark);
				mark = 0;
#else
				epoll(P, HALF, PRODUCER);
#endif
			fi
		od;
		atomic { need = 0; old = 0; }
	od;
	role_end(P);
}

proctype consumer()
{
	byte mine, old, theirs, min, seen, at, where, until;
	bool ok, gone, some, deadline;
#ifdef GRACE
	bool sure;
#endif

#if CONSUMER != BLOCK
	if
	:: min = 1;
	:: min = HALF;
	fi;
	epoll_add(C, min, CONSUMER);
#endif
	do
#ifdef QUEUE
	:: killed[C] -> role_end(C); atomic { BARRIER(C) -> killed[C] = false; }
#else
	:: killed[C] -> break;
#endif
	:: else ->
#if CONSUMER == BLOCK
		if
		:: min = 1;
#ifndef ELSEWHERE
		:: min = CAPACITY;
#endif
		fi;
		wait(C, min, min);
		min = 0;
#else
		epoll(C, min, CONSUMER);
#endif
		do
		:: gone = LOAD(C, GONE(P));
			atomic {
				theirs = LOAD(C, POSITION(P)) - mine;	/* B, matches A */
				old = mine;
				if
				:: theirs == 0 -> break;
#ifdef ELSEWHERE
				:: theirs > 0 -> mine = mine + 1;
#else
				:: theirs > 0 -> mine = mine + theirs;
				:: theirs > 1 -> mine = mine + 1;
#endif
				fi;
				gone = false; theirs = 0;
			}
			publish(C);
			old = 0;
#ifdef ELSEWHERE
			sent >= (mine + CAPACITY < TOTAL -> mine + CAPACITY : TOTAL);
#endif
#if CONSUMER != EDGE
			break;	/* else until there is nothing left */
#endif
		od;
		if
		:: gone -> break;
		:: else
		fi
	od;
	gone = false;
	role_end(C);
}

/* A signal, at any time or never; a fatal one ends a role. */
proctype signals()
{
	byte to;
	bool fatal;

	if
	:: atomic {
		budget > 0 -> budget--;
		if :: to = C; :: to = P; fi;
		if :: fatal = true; :: fatal = false; fi;
		killed[to] = fatal; interrupted[to] = true;
	}
	:: skip
	fi
}

#else
/*
 * Two processes that wait on the consumer's side, each for other bytes, and take nothing. The
 * first must see all that is sent, while the second may wait for more than that, so that a WAKE
 * for one of them does not help the other.
 */
bool seen_all;

proctype watcher(byte me)
{
	byte mine, got, theirs, want, seen, at, where, until, cpu;
	bool ok, gone, some, deadline;
#ifdef GRACE
	bool sure;
#endif

	if
	:: MODE(me) == EDGE -> epoll_add(me, 1, EDGE);
	:: else
	fi;
	do
	:: got == TOTAL -> break;
	:: else ->
		if
		:: MODE(me) == EDGE -> epoll(me, 1, EDGE);
		:: else ->
			atomic {
#if defined(REATTACH) || defined(GRACE)	/* enough to be searched as it is */
				want = (me == C -> got + 1 : TOTAL + 1);
#else
				want = got + 1;
				do
				:: want < TOTAL + (me == C2) -> want++;
				:: break;
				od
#endif
			}
			wait(me, want, want);
			want = 0;
		fi;
		got = LOAD(me, POSITION(P));
	od;
	seen_all = seen_all || me == C;
}

/* What comes after a producer's end goes on elsewhere. */
proctype publisher(byte me)
{
	byte mine, old;

	do
	:: mine == TOTAL -> seen_all; role_end(me); break;
	:: mine < TOTAL ->
		atomic {
			old = mine;
			if
			:: mine = mine + 1;
#ifndef REATTACH
			:: mine + 2 <= TOTAL -> mine = mine + 2;
#endif
			fi
		}
		publish(me);
#ifdef REATTACH
	:: me == P ->
		BARRIER(me);
		on = NOWHERE;
		role_end(me);
		BARRIER(me);
		me = P2;
#ifdef RESET_AT_ATTACH
		atomic { fence_until[C] = mine; fence_confirmed[C] = mine; }
#endif
		store(me, GONE(P), false);
		BARRIER(me);
		on = me;
#endif
	od
}
#endif

init
{
	atomic {
		mem[WAKE_AT(C)] = NO_WAKE;
		mem[WAKE_AT(P)] = NO_WAKE;
#ifdef GRACE
		fence_until[C] = FIRST; fence_confirmed[C] = FIRST;
		fence_until[P] = FIRST; fence_confirmed[P] = FIRST;
#endif
#if defined(ALWAYS) || defined(ALWAYS_C)
		fence_until[C] = FENCE_ALWAYS; fence_confirmed[C] = FENCE_ALWAYS;
#endif
#if defined(ALWAYS) || defined(ALWAYS_P)
		fence_until[P] = FENCE_ALWAYS; fence_confirmed[P] = FENCE_ALWAYS;
#endif
		run drain(C);
		run drain(P);
#ifdef GRACE
		run rcu(C);
#ifndef WATCHERS
		run rcu(P);
#endif
#endif
#ifdef WATCHERS
		run drain(C2);
		run drain(P2);
		run watcher(C);
		run watcher(C2);
		run publisher(P);
#else
		run producer();
		run consumer();
		run signals();
#endif
	}
}
