/* SPDX-License-Identifier: MIT */
/*
 * The whole of sleeping and waking, to be searched exhaustively with Spin: the
 * letters are those of the contract in <linux/shmring.h>, the functions those of
 * kmod/wait.c and of the library's fast path.
 *
 * Every process has a store buffer: its stores reach memory in order, and at any
 * later time; its own loads see them at once. Only barriers wait for it. Locks do
 * not, and an unlock is a store like any other. What reorders loads too is the
 * business of the litmus tests.
 *
 * A lost wake-up, or two sides that wait for each other, is a state from which
 * nothing goes on before all is sent and taken: an invalid end state. A budget
 * bounds deadlines and signals, each of which may also never come, so that none
 * saves a sleeper that should have been woken.
 *
 *   -DPRODUCER=m, -DCONSUMER=m	how each side waits: BLOCK (the ioctl), LEVEL or
 *				EDGE (epoll)
 *   -DNO_..., -DLATE_RESET	mutants: see run.sh
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
#ifndef TOTAL
#define TOTAL	5		/* bytes to send */
#endif
#ifndef BUDGET
#define BUDGET	1		/* deadlines and signals */
#endif
#define CAPACITY 3
#define HALF	2		/* the watermark */
#define NO_WAKE	255

/* A side is its waiters: the consumer is on side 0, the producer on side 1. */
#define C	0
#define P	1
#define PEER(me)	(1 - (me))

/* Shared words, one of each per side. */
#define POSITION(side)	(side)		/* tail, head */
#define WAKE_AT(side)	(2 + (side))	/* data_wake_at, space_wake_at */
#define LOCK(side)	(4 + (side))	/* side->wait.lock */
#define GONE(side)	(6 + (side))	/* consumer_state, producer_state */
#define NR_WORDS	8

byte mem[NR_WORDS];
chan buffer[2] = [6] of { byte, byte };
byte pending[2 * NR_WORDS];	/* how many stores are in the buffer ... */
byte newest[2 * NR_WORDS];	/* ... and what the last of them stores */

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

/* The wait queue: who is on it, who sleeps, whose epoll has something to tell. */
bool queued[2], asleep[2], event[2];
bool killed[2], interrupted[2];
byte budget = BUDGET;
bool armed[2];			/* only for the check: since the last WAKE */

#define FREE(me, side)	(mem[LOCK(side)] == 0 && !pending[(me) * NR_WORDS + LOCK(side)])

inline lock(me, side)	{ FREE(me, side) -> mem[LOCK(side)] = 1; }
inline unlock(me, side)	{ store(me, LOCK(side), 0); }

inline wake_queue(side, mode)
{
	d_step {
		if
		:: queued[side] && mode == BLOCK -> queued[side] = false; asleep[side] = false;
		:: queued[side] && mode != BLOCK -> event[side] = true;
		:: else
		fi
	}
}

#define MODE(side)	((side) == C -> CONSUMER : PRODUCER)

/*
 * shmring_wake(): one unlocked look, then reset and wake, under the lock. What is
 * done under a lock is one step: nobody else may do the like, and the stores reach
 * memory in steps of their own.
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
				wake_queue(side, MODE(side));
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
		wake_queue(side, MODE(side));
		unlock(me, side);
	}
}

/* arm(): at position @at */
inline arm(me)
{
	atomic {
		lock(me, me);
		if
		:: at < LOAD(me, WAKE_AT(me)) -> armed[me] = true; store(me, WAKE_AT(me), at);
		:: else
		fi;
		unlock(me, me);
		at = 0;
	}
#ifndef NO_D
	BARRIER(me);	/* D, matches A-C and E-G */
#endif
}

/*
 * A consumer that waits for more than there is, and a producer that waits for
 * space, must not wait for each other: if the producer waits, the consumer makes do
 * with whatever comes, and a producer that begins to wait tells it so. The consumer
 * arms before it looks whether the producer is armed, and the reverse (D).
 */
inline heed_peer(me)
{
#if !defined(NO_KICK)
	if
	:: me == P && ARMED(me, C) -> wake(me, C);
	:: else
	fi;
#endif
#if !defined(NO_YIELD) && !defined(NO_LOWER)
	if
	:: me == C && ARMED(me, P) -> at = mine + 1; arm(me);
	:: else
	fi
#endif
}

/*
 * arm_for(): arm for @bytes. Space that is there from the start is at position 0
 * here, and at a huge one in the kernel: whoever arms looks again.
 */
inline arm_for(me, bytes)
{
	atomic {
		if
		:: me == C -> at = mine + bytes;
		:: me == P && mine + bytes > CAPACITY -> at = mine + bytes - CAPACITY;
		:: else -> at = 0;
		fi
	}
	arm(me);
	heed_peer(me);
}

/* shmring_ready(): data_ready() and space_ready() */
inline ready(me, bytes)
{
	gone = LOAD(me, GONE(PEER(me)));
	atomic {
		theirs = LOAD(me, POSITION(PEER(me)));
		if
		:: me == C -> ok = gone || theirs - mine >= bytes;
		:: else -> ok = gone || CAPACITY - (mine - theirs) >= bytes;
		fi;
		some = me == C && theirs > mine;
		gone = false; theirs = 0;
	}
#ifndef NO_YIELD
	atomic {
		if
		:: some && !ok -> ok = ARMED(me, P);
		:: else
		fi;
		some = false;
	}
#endif
}

/* disarm() */
inline disarm(me)
{
	atomic {
		lock(me, me);
		if
		:: !queued[me] -> armed[me] = false; store(me, WAKE_AT(me), NO_WAKE);
		:: else
		fi;
		unlock(me, me);
	}
}

/* Whether this wait has a deadline is known before: who has none hopes for none. */
inline choose_deadline()
{
	atomic {
		if
		:: budget > 0 -> budget--; deadline = true;
		:: deadline = false;
		fi
	}
}

/* shmring_wait(): WAIT_DATA, WAIT_SPACE. Whoever comes back looks for himself. */
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
			lock(me, me);
			queued[me] = true; asleep[me] = true;
			unlock(me, me);
		}
		BARRIER(me);
		arm_for(me, mark);
#ifndef NO_RECHECK
		ready(me, mark);
#endif
		if
		:: ok
		:: !ok && (!asleep[me] || interrupted[me])
		:: !ok && deadline -> ok = true;
		fi;
		if
		:: ok || interrupted[me] ->
			atomic {	/* finish_wait() */
				lock(me, me);
				queued[me] = false; asleep[me] = false;
				unlock(me, me);
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
	:: !ok -> arm_for(me, lowat); ready(me, lowat);
	:: ok && mode == EDGE ->
		at = seen + 1;
		arm(me);
#ifndef NO_EDGE_KICK
		heed_peer(me);
#endif
		ready(me, lowat);
	:: else
	fi;
	seen = 0;
}

/*
 * epoll_wait(): sleeps until there is an event, then asks. Level-triggered, what
 * was ready is asked again the next time; edge-triggered, only after an event.
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
		lock(me, me);
		queued[me] = true;
		unlock(me, me);
	}
	poll(me, lowat, mode);
	event[me] = event[me] || ok;
	ok = false;
}

/* shmring_publish() and shmring_release(): (A)-(C), (E)-(G). */
inline publish(me)
{
	store(me, POSITION(me), mine);
#ifndef NO_SC
	BARRIER(me);
#endif
	if
	:: killed[me]
	:: !killed[me] && mine >= LOAD(me, WAKE_AT(PEER(me))) -> wake(me, PEER(me));
	:: else
	fi
}

/* shmring_role_end() */
inline role_end(me)
{
	store(me, GONE(me), true);
#ifndef NO_DEATH
	wake_all(me, PEER(me));
#endif
}

proctype producer()
{
	byte mine, theirs, need, mark, seen, at;
	bool ok, gone, some, deadline;

	if
	:: PRODUCER != BLOCK -> epoll_add(P, HALF, PRODUCER);
	:: else
	fi;
	do
	:: mine == TOTAL || killed[P] || LOAD(P, GONE(C)) -> break;
	:: else ->
		/* one record, of any size that is left */
		if
		:: need = 1;
		:: mine + 2 <= TOTAL -> need = 2;
		fi;
		do
		:: killed[P] || LOAD(P, GONE(C)) -> break;
		:: else ->
			if
			:: CAPACITY - (mine - LOAD(P, POSITION(C))) >= need ->	/* F, matches E */
				mine = mine + need;
				publish(P);
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
		need = 0;
	od;
	role_end(P);
}

proctype consumer()
{
	byte mine, theirs, min, seen, at;
	bool ok, gone, some, deadline;

#if CONSUMER != BLOCK
	if
	:: min = 1;
	:: min = HALF;
	fi;
	epoll_add(C, min, CONSUMER);
#endif
	do
	:: killed[C] -> break;
	:: else ->
#if CONSUMER == BLOCK
		if
		:: min = 1;
		:: min = CAPACITY;
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
				if
				:: theirs == 0 -> break;
				:: theirs > 0 -> mine = mine + theirs;
				:: theirs > 1 -> mine = mine + 1;
				fi;
				gone = false; theirs = 0;
			}
			publish(C);
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

init
{
	atomic {
		mem[WAKE_AT(C)] = NO_WAKE;
		mem[WAKE_AT(P)] = NO_WAKE;
		run drain(C);
		run drain(P);
		run producer();
		run consumer();
		run signals();
	}
}
