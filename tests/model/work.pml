/* SPDX-License-Identifier: MIT */
/*
 * A work queue whose hub and workers are killed at any step, to be searched exhaustively with Spin:
 * libuser/work.c and libuser/redeal.c. waitset.pml has the wake-ups; here each process sees at once
 * what another one has stored. That is right for the redealing: each of its steps is a release
 * store, and what must not be lost is ordered by the order of these.
 *
 * The hub deals each message to a lane that has a worker. A lane with messages whose worker has
 * gone is dealt again: the hub takes the worker's role there, and moves one message after the
 * other; or a worker attaches first, and gets the lane. The end of a process, however it ends,
 * ends its roles. The last hub, and the last worker of each place, are not killed.
 *
 * Each message must be finished, or shown to the program as failed. It may be finished again for
 * each worker that died between finishing and releasing it, and after the death of a hub. Without
 * the death of a hub, the count of deliveries that a worker reads is the number of workers that have
 * gone and left the message in their lane, also if they have not seen it.
 *
 *   -DTOTAL=n	messages
 *   -DHUBS=n	hubs, one after the other
 *   -DLIVES=n	workers of each place, one after the other
 *   -DDEPTH=n	unfinished messages of a worker
 *   -DMAX=n	deliveries, after which a message has failed
 *   all others	mutants: see work.txt
 */
#define LANES	2
#ifndef TOTAL
#define TOTAL	2
#endif
#ifndef HUBS
#define HUBS	2
#endif
#ifndef LIVES
#define LIVES	2
#endif
#ifndef DEPTH
#define DEPTH	1
#endif
#ifndef MAX
#define MAX	9
#endif
#define PLACES	2
#define SIZE	4		/* of a lane; more than ever lies there, which publish() asserts */

#define NONE	0
#define WORKER	1
#define HUB	2

/* Of each lane: its messages from tail to head, each with its deal; and the consumer's role. */
byte used[LANES];
byte message[LANES * SIZE];
byte given[LANES * SIZE];	/* shmring_deal.before */
byte dealt_in[LANES * SIZE];	/* shmring_deal.epoch */
byte tail[LANES];
byte role[LANES];
byte epoch[LANES];

byte dealt;			/* new messages, by all hubs together */
byte hub_deaths;

/* Only for the check. */
byte finished[TOTAL], failed[TOTAL], excused[TOTAL], left_in_lane[TOTAL];

#define AT(i, k)	((i) * SIZE + (k))
#define ONCE(m)		(finished[m] + failed[m] <= 1 + excused[m] + hub_deaths)

/* The deal, and then the head, (A). */
inline publish(i, m, count)
{
	d_step {
		assert(used[i] < SIZE);
		message[AT(i, used[i])] = m;
		dealt_in[AT(i, used[i])] = epoch[i];
#ifdef LATE_DEAL
		given[AT(i, used[i])] = 0;
#else
		given[AT(i, used[i])] = count;
#endif
		used[i]++;
		if
		:: role[i] != WORKER -> left_in_lane[m]++;	/* it has just gone, and counts */
		:: else
		fi
	}
#ifdef LATE_DEAL
	if
	:: used[i] -> given[AT(i, used[i] - 1)] = count;
	:: else
	fi
#endif
}

/* Of the message at position @at, unless the tail is beyond it already. (E) */
inline release(i, at)
{
	d_step {
		if
		:: used[i] && tail[i] == at ->
			k = 0;
			do
			:: k + 1 < used[i] ->
				message[AT(i, k)] = message[AT(i, k + 1)];
				given[AT(i, k)] = given[AT(i, k + 1)];
				dealt_in[AT(i, k)] = dealt_in[AT(i, k + 1)];
				k++;
			:: else -> break;
			od;
			message[AT(i, k)] = 0;
			given[AT(i, k)] = 0;
			dealt_in[AT(i, k)] = 0;
			k = 0;
			used[i]--;
			tail[i]++;
		:: else
		fi
	}
}

/* shmring_work_find(); @l: LANES if no worker can be given a message */
inline find(l)
{
	if
	:: role[0] == WORKER && used[0] < DEPTH -> l = 0;
	:: role[1] == WORKER && used[1] < DEPTH -> l = 1;
	:: !(role[0] == WORKER && used[0] < DEPTH) && !(role[1] == WORKER && used[1] < DEPTH) ->
		l = LANES;
	fi
}

#define CAN_DEAL	((role[0] == WORKER && used[0] < DEPTH) || \
			 (role[1] == WORKER && used[1] < DEPTH))

#ifdef TAKE_LIVE
#define IS_ORPHAN(i)	(used[i] && role[i] != HUB)
#elif defined(NO_FIND)
#define IS_ORPHAN(i)	(used[i] && role[i] == NONE && mine[i])
#else
#define IS_ORPHAN(i)	(used[i] && role[i] == NONE)
#endif

/* given(): as if the next epoch was the first one */
#define GIVEN(i, k)	(given[AT(i, k)] + epoch[i] - dealt_in[AT(i, k)])

#define IS_EXHAUSTED(i)	(used[i] && GIVEN(i, 0) + 1 >= MAX)

#define MAY_DIE		if :: true :: life + 1 < HUBS -> goto dead; fi

/* Each is two stores. A hub that is killed between them has counted too much. */
inline count_without_hub(i)
{
#ifdef COUNT_HUB
	skip
#else
	j = 0;
	do
	:: j < used[i] ->
		given[AT(i, j)] = GIVEN(i, j);
		MAY_DIE;
		d_step { dealt_in[AT(i, j)] = epoch[i] + 1; j++; }
	:: else -> j = 0; break;
	od
#endif
}

/* The hub has been killed: its roles end. */
#ifdef KEEP_ROLE
#define END_ROLE(i)
#else
#define END_ROLE(i)	if :: role[i] == HUB -> role[i] = NONE; :: else fi;
#endif

/* shmring_send() to the worker's lane, then shmring_release() in the old one. */
inline move(from, to)
{
#ifdef STALE_FRONT
	m = front; at = front_at;
#else
	m = message[AT(from, 0)]; at = tail[from];
#endif
#ifdef COUNT_HUB
	count = GIVEN(from, 0);
#else
	count = given[AT(from, 0)];
#endif
#ifdef NO_COUNT
	count = 0;
#endif
#ifdef RELEASE_FIRST
	release(from, at);
	MAY_DIE;
	publish(to, m, count);
#else
	publish(to, m, count);
	MAY_DIE;
#ifdef GIVE_BACK_EARLY
	if :: role[from] == HUB -> role[from] = NONE; :: else fi;
	MAY_DIE;
#endif
#ifndef NO_RELEASE
	release(from, at);
#endif
#endif
	d_step { mine[to] = true; m = 0; at = 0; count = 0; }
	MAY_DIE
}

/* shmring_work_failed(), and the next call */
inline show_failed(from)
{
	m = message[AT(from, 0)]; at = tail[from];
#ifdef RELEASE_FAILED_FIRST
	release(from, at);
	MAY_DIE;
	failed[m]++;
#else
	d_step { failed[m]++; assert(ONCE(m)); }
	MAY_DIE;
	release(from, at);
#endif
	d_step { m = 0; at = 0; }
	MAY_DIE
}

/* redeal_lane() */
inline redeal(from)
{
	if
	:: IS_EXHAUSTED(from)
	:: else -> find(to);
	fi;
#ifdef STALE_FRONT
	front = message[AT(from, 0)]; front_at = tail[from];
#endif
	MAY_DIE;
	/* take_over(): another worker may have been first. */
#ifdef TAKE_LIVE
	taken = true;
#elif defined(NO_TAKE)
	taken = role[from] == NONE;
#else
	atomic {
		taken = role[from] == NONE;
		if
		:: taken -> role[from] = HUB; epoch[from]++;
		:: else
		fi
	}
#endif
	if
	:: taken ->
		MAY_DIE;
#if !defined(NO_TAKE) && !defined(TAKE_LIVE)
		count_without_hub(from);
#endif
		do
		:: used[from] ->
			if
			:: given[AT(from, 0)] >= MAX -> show_failed(from);
			:: else ->
				find(to);
				if
				:: to == LANES || to == from -> break;
				:: else -> move(from, to);
				fi
			fi;
#if defined(NO_TAKE) || defined(TAKE_LIVE) || defined(NO_RELEASE) || defined(GIVE_BACK_EARLY)
			break
#endif
		:: else -> break;
		od;
		skip;
		d_step {
			END_ROLE(from)
			to = 0;
			taken = false;
		}
	:: else
	fi
}

active proctype hub()
{
	byte life, to, m, at, count, j, k;
#ifdef STALE_FRONT
	byte front, front_at;
#endif
	bool taken, mine[LANES];

again:	do
	:: IS_ORPHAN(0) && (CAN_DEAL || IS_EXHAUSTED(0)) -> redeal(0);
	:: IS_ORPHAN(1) && (CAN_DEAL || IS_EXHAUSTED(1)) -> redeal(1);
	:: !IS_ORPHAN(0) && !IS_ORPHAN(1) && dealt < TOTAL && CAN_DEAL ->
		find(to);
		if
		:: to == LANES
		:: else ->
			atomic { m = dealt; dealt++; publish(to, m, 0); mine[to] = true; m = 0; }
		fi;
		to = 0;
		MAY_DIE;
#ifdef NO_FIND
	:: dealt == TOTAL && !(used[0] && mine[0]) && !(used[1] && mine[1]) -> break;
#else
	:: dealt == TOTAL && !used[0] && !used[1] -> break;
#endif
	:: life + 1 < HUBS -> goto dead;
	od;
	for (j : 0 .. TOTAL - 1) {
		assert(finished[j] || failed[j]);
	}
	goto end_hub;
dead:	skip;
	d_step {
		END_ROLE(0)
		END_ROLE(1)
		hub_deaths++;
		life++;
		to = 0; m = 0; at = 0; count = 0; j = 0; k = 0;
#ifdef STALE_FRONT
		front = 0; front_at = 0;
#endif
		taken = false; mine[0] = false; mine[1] = false;
	}
	goto again;
end_hub: skip
}

/* ATTACH: a lane with messages first. */
inline attach()
{
	atomic {
		if
		:: role[0] == NONE && (used[0] || role[1] != NONE || !used[1]) -> me = 0;
		:: role[1] == NONE && (used[1] || role[0] != NONE || !used[0]) -> me = 1;
		fi;
		role[me] = WORKER;
		epoch[me]++;
#ifdef DROP_OLD
		do
		:: used[me] -> release(me, tail[me]);
		:: else -> break;
		od;
#endif
	}
}

#define MAY_GO		if :: true :: life + 1 < LIVES -> goto gone; fi

active [PLACES] proctype worker()
{
	byte life, me, m, k;

again:
end_no_lane:
	attach();
end_no_work:
	do
	:: used[me] ->
		d_step {
			m = message[AT(me, 0)];
			assert(hub_deaths || GIVEN(me, 0) == left_in_lane[m]);
		}
		MAY_GO;
		d_step { finished[m]++; assert(ONCE(m)); }
		if
		:: true
		:: life + 1 < LIVES -> d_step { excused[m]++; } goto gone;
		fi;
		release(me, tail[me]);
		m = 0;
	:: life + 1 < LIVES -> goto gone;
	od;
gone:	skip;
	d_step {
		role[me] = NONE;
		for (k : 0 .. used[me] - 1) {
			left_in_lane[message[AT(me, k)]]++;
		}
		k = 0;
		life++;
		me = 0;
		m = 0;
	}
	goto again
}
