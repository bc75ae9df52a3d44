#!/bin/sh
# SPDX-License-Identifier: MIT
# The command shmring, verb by verb: its output, on which descriptor, and its exit status.
#
#   run.sh SHMRING BACKEND...	(kmod: the module is loaded)
# shellcheck disable=SC1091,SC2154 # what lib.sh sets
set -u
. "$(dirname "$0")/../lib.sh"
[ $# -ge 2 ] || usage
shmring=$1
shift
scratch
dir=$tmp
ring=/tool.$$
head -c 3000000 /dev/urandom >"$dir/in"

# run STATUS ARGUMENT...: must end with STATUS, and print to standard error if that is not 0
run() {
	want=$1
	shift
	timeout 60 "$shmring" "$@" >"$dir/out" 2>"$dir/err"
	status=$?
	[ $status -eq "$want" ] && { [ "$want" -eq 0 ] || [ -s "$dir/err" ]; } && return
	echo "    $*: exit status $status, not $want"
	indent <"$dir/err"
	return 1
}

says() { # says TEXT: the last run has printed it on standard output
	grep -q -- "$1" "$dir/out" || { echo "    no '$1'" && return 1; }
}

complains() { # complains TEXT: the last run has printed it on standard error, and nothing elsewhere
	[ ! -s "$dir/out" ] || return 1
	grep -q -- "$1" "$dir/err" || { echo "    no '$1'" && return 1; }
}

column() { # column TITLE: the ring's cell in that column of the last list
	awk -v title="$1" -v name="${ring#/}" '
		NR == 1 { for (i = 1; i <= NF; i++) if ($i == title) column = i }
		$1 == name { print $column }' "$dir/out"
}

# until_listed TITLE VALUE: soon, the column says so
until_listed() {
	for _ in $(seq 100); do
		run 0 list && [ "$(column "$1")" = "$2" ] && return
		sleep 0.1
	done
	echo "    $1 is not $2"
	return 1
}

lists_it() { run 0 list && says "^${ring#/} "; }

helps() {
	run 0 --help && says "^Usage: shmring VERB" && run 0 --version && says "^shmring [0-9]" &&
		for verb in send recv list info create chmod chown unlink; do
			run 0 $verb --help && says "^Usage: shmring $verb" || return 1
		done
}

refuses_bad_command_lines() {
	run 2 && complains "^Usage" && run 2 sned && complains "no verb 'sned'" &&
		run 2 send && complains "NAME is missing" &&
		run 2 info $ring $ring && complains "too many arguments" &&
		run 2 recv --slot 8 $ring && complains "slot" &&
		run 2 send --capacity -1 $ring && complains "bad value '-1'" &&
		run 2 send --capacity 4X $ring && complains "bad value '4X'" &&
		run 2 send --mode 888 $ring && complains "bad value '888'" &&
		run 2 send --wait-policy never $ring && complains "bad value 'never'" &&
		run 2 send --backend pigeons $ring && complains "bad value 'pigeons'"
}

makes_and_removes_a_ring() {
	run 0 create --capacity 64K --slot 64 $ring && lists_it &&
		run 0 info $ring && says "^backend *$backend" && says "^capacity *65536 bytes" &&
		says "^messages *of 64 bytes" && says "^producer *none yet" &&
		run 1 create $ring && complains "name is taken" &&
		run 0 unlink $ring && run 0 list && ! grep -q "^${ring#/} " "$dir/out" &&
		run 1 unlink $ring $ring && [ "$(grep -c 'no such ring' "$dir/err")" -eq 2 ] &&
		run 1 info $ring && complains "no such ring" &&
		run 1 send $ring </dev/null && complains "no such ring" &&
		run 1 create --capacity 2G $ring && complains "above 1 GiB"
}

receiver_first() { # receiver_first OPTION...: the output is the input
	timeout 60 "$shmring" recv --wait "$@" $ring >"$dir/copy" &
	run 0 send --create "$@" $ring <"$dir/in" && wait $! && cmp "$dir/in" "$dir/copy"
}

sender_first() {
	timeout 60 "$shmring" send --create "$@" $ring <"$dir/in" &
	timeout 60 "$shmring" recv --wait "$@" $ring >"$dir/copy" && wait $! && cmp "$dir/in" "$dir/copy"
}

stream() { receiver_first "$@" && sender_first "$@"; }

# The last slot of a stream is to be as long as the others.
streams_in_slots() {
	run 0 create --slot 1000 $ring && receiver_first && run 0 unlink $ring &&
		run 0 create --slot 1000 $ring && head -c 1500 "$dir/in" >"$dir/short" &&
		run 1 send $ring <"$dir/short" && complains "message does not fit" &&
		run 0 recv $ring && cmp -n 1000 "$dir/in" "$dir/out" && run 0 unlink $ring
}

streams_in_slots_with_marks() {
	run 0 create --slot 1000 --marks $ring && run 0 info $ring && says "^marks *in each slot" &&
		says "^messages *of 1000 bytes, up to 64" &&
		run 0 list && [ "$(column flags)" = persist,marks ] && receiver_first &&
		run 0 unlink $ring && run 1 create --marks $ring && complains "EINVAL" &&
		run 2 send --marks $ring && complains "marks"
}

# A pipe gives the bytes that are there: less than a slot, at first.
fills_a_slot_from_a_pipe() {
	run 0 create --slot 1000 $ring &&
		{ head -c 300 "$dir/in" && sleep 0.3 && head -c 1000 "$dir/in" | tail -c 700; } |
		run 0 send $ring && run 0 recv $ring && cmp -n 1000 "$dir/in" "$dir/out" &&
		run 0 unlink $ring
}

# was_cut_short STATUS: of timeout. The one of coreutils ends with 124; the one of busybox
# becomes the command, which ends by SIGTERM.
was_cut_short() { [ "$1" -eq 124 ] || [ "$1" -eq 143 ]; }

# Three of 20 bytes, packed: a fourth waits until one is taken.
holds_exactly_so_many() {
	head -c 60 "$dir/in" >"$dir/short"
	run 0 create --slot 20 --align 4 --slots 3 $ring &&
		run 0 info $ring && says "of 20 bytes, up to 3" && says "^align *4 bytes" &&
		run 0 send $ring <"$dir/short" && run 0 info $ring && says "^used *60 bytes" &&
		{ head -c 20 "$dir/in" | timeout 1 "$shmring" send $ring; was_cut_short $?; } &&
		run 0 recv $ring && cmp "$dir/short" "$dir/out" && run 0 unlink $ring &&
		run 1 create --slot 20 --slots 4000 --capacity 64K $ring &&
		complains "--slots 4000 is above 2730: a slot takes 24 of 65536 bytes" &&
		run 1 create --slots 4000 $ring && complains "--slots 4000 needs --slot" &&
		run 1 create --slot 70000 $ring && complains "--slot 70000 is above the capacity" &&
		run 1 create --align 12 $ring && complains "--align 12 is not a power of two" &&
		run 1 create --align 4 $ring && complains "--align 4 is below 8"
}

counts_what_it_moved() {
	printf 12345678 | run 0 send --create --persist --verbose $ring && complains "8 bytes" &&
		run 0 info $ring && says "^producer *gone" &&
		run 0 list && [ "$(column producers)" = 0 ] && [ "$(column mode)" = 0600 ] &&
		run 0 recv --verbose $ring && says "^12345678$" && grep -q "8 bytes" "$dir/err" &&
		run 0 unlink $ring
}

keeps_a_ring_for_its_receiver() {
	printf 12345678 >"$dir/short"
	timeout 60 "$shmring" send --create $ring <"$dir/short" &
	until "$shmring" info $ring >"$dir/out" 2>&1 && says "^used *[1-9]" >"$dir/err"; do
		kill -0 $! || return 1
		sleep 0.05
	done
	sleep 0.1
	run 0 recv $ring && cmp "$dir/short" "$dir/out" && wait $!
}

hears_of_a_receiver_that_is_gone() {
	timeout 60 "$shmring" recv --wait $ring | head -c 1 >"$dir/copy" &
	run 3 send --create --capacity 64K $ring </dev/zero && complains "the consumer has gone"
}

changes_who_may_use_it() {
	run 0 create $ring && run 0 chmod 640 $ring && run 0 list && [ "$(column mode)" = 0640 ] &&
		run 0 chmod 0 $ring && run 0 chown "$(id -u):$(id -g)" $ring &&
		run 0 chown ":$(id -g)" $ring && run 0 chown "$(id -u)" $ring &&
		run 0 list && [ "$(column mode)" = 0000 ] && [ "$(column owner)" = "$(id -u)" ] &&
		[ "$(column group)" = "$(id -g)" ] &&
		run 1 chmod 600 $ring-no $ring && complains "no such ring" &&
		run 0 list && [ "$(column mode)" = 0600 ] || return 1
	for bad in 700 888 x ''; do
		run 2 chmod "$bad" $ring && complains "bad value '$bad'" || return 1
	done
	for bad in root 1: 4294967295 -1 : 1:2:3 ''; do
		run 2 chown -- "$bad" $ring && complains "bad value '$bad'" || return 1
	done
	run 2 chmod 600 && complains "NAME is missing" && run 0 unlink $ring
}

# A sender whose receiver has gone goes on, and the next receiver gets its data.
queues_between_receivers() {
	run 0 create --queue $ring && run 0 list && [ "$(column flags)" = persist,queue ] &&
		run 0 info $ring && says "^queues" && says "^consumer *none," || return 1
	for _ in 1 2 3; do
		printf 12345678 | run 0 send $ring && run 0 recv $ring && says "^12345678$" || return 1
	done
	run 0 unlink $ring
}

# All that was sent has been taken, by a receiver that does not wait for the end.
waits_for_no_second_receiver() {
	mkfifo "$dir/fifo" && exec 3<>"$dir/fifo" || return 1
	timeout 20 "$shmring" send --create --queue $ring <"$dir/fifo" 3<&- &
	sender=$!
	"$shmring" recv --wait $ring >"$dir/copy" 3<&- &
	receiver=$!
	printf 12345678 >&3
	for _ in $(seq 100); do
		[ ! -s "$dir/copy" ] || break
		sleep 0.1
	done
	until_listed used 0 && kill $receiver && until_listed consumers 0
	exec 3<&-
	rm "$dir/fifo"
	wait $sender
}

# dd sets the flag of the open file, which the next program has, too.
takes_input_that_comes_late() {
	(sleep 0.3 && cat "$dir/in") | { dd iflag=nonblock count=0 status=none &&
		timeout 60 "$shmring" send --create --persist --capacity 8M $ring; } &&
		run 0 recv $ring && cmp "$dir/in" "$dir/out" && run 0 unlink $ring
}

waits_for_output_that_is_full() {
	run 0 create --capacity 8M $ring && run 0 send $ring <"$dir/in" &&
		{ dd oflag=nonblock count=0 status=none </dev/null &&
			timeout 60 "$shmring" recv $ring; } | (sleep 0.3 && cat) >"$dir/copy" &&
		cmp "$dir/in" "$dir/copy" && run 0 unlink $ring
}

lists_sides_apart() {
	mkfifo "$dir/fifo" && exec 3<>"$dir/fifo" || return 1
	timeout 60 "$shmring" send --create $ring <"$dir/fifo" 3<&- &
	until_listed producers 1 && [ "$(column consumers)" = 0 ] &&
		[ "$(column capacity)" = 65536 ] && [ "$(column used)" = 0 ] || return 1
	exec 3<&-
	rm "$dir/fifo"
	run 0 recv $ring && wait $! || return 1
	timeout 60 "$shmring" recv --create $ring >"$dir/copy" &
	until_listed consumers 1 && [ "$(column producers)" = 0 ] &&
		run 0 send $ring <"$dir/err" && wait $!
}

# Both find no ring and make one: the second to do so attaches.
makes_one_ring_of_two() {
	printf 12345678 >"$dir/short"
	for _ in $(seq 40); do
		timeout 60 "$shmring" recv --create $ring >"$dir/copy" &
		run 0 send --create $ring <"$dir/short" && wait $! &&
			cmp "$dir/short" "$dir/copy" || return 1
	done
}

says_which_backend_and_why() {
	run 0 create $ring && run 0 info $ring && says "^backend *$backend (SHMRING_BACKEND asks" &&
		run 0 list && [ "$(column backend)" = "$backend" ] &&
		run 0 send --verbose $ring </dev/null && grep -q "($backend: SHMRING_" "$dir/err" &&
		run 0 unlink $ring
}

# Where one backend is chosen, list shows a ring of the other, and its name is not made again.
has_one_ring_of_a_name() {
	SHMRING_BACKEND=memfd run 0 create $ring && (
		unset SHMRING_BACKEND
		lists_it && [ "$(column backend)" = memfd ] &&
			run 1 create $ring && complains "name is taken" &&
			{ [ ! -e /dev/shmring ] ||
				{ run 1 send --create $ring </dev/null && complains "name is taken"; }; }
	) && SHMRING_BACKEND=memfd run 0 unlink $ring
}

ends_with_an_error_if_its_output_does() {
	timeout 60 "$shmring" --help >/dev/full 2>"$dir/err"
	[ $? -eq 1 ] && grep -q "standard output" "$dir/err"
}

makes_and_lists() { run 0 create $ring && lists_it && run 0 unlink $ring; }

# An empty variable, or "auto", chooses no backend, for the library and for the command.
list_looks_where_create_makes() {
	makes_and_lists && (unset SHMRING_BACKEND && makes_and_lists) &&
		(SHMRING_BACKEND='' && makes_and_lists) && (SHMRING_BACKEND=auto && makes_and_lists)
}

# lines_of LETTER NUMBER
lines_of() { seq "$2" | sed "s/^/$1/"; }

# got_lines_of LETTER NUMBER FILE: of all its lines, those of one sender are whole and in order
got_lines_of() { lines_of "$1" "$2" >"$dir/want" && grep "^$1" "$3" | cmp "$dir/want" -; }

# Until both have filled their lanes: a page of 64 KiB holds 4,096 short lines.
fan_in_senders() {
	lines_of a 5000 | timeout 60 "$shmring" send --lines $ring &
	lines_of b 5000 | timeout 60 "$shmring" send --lines $ring &
	until_listed producers 2
}

collects_from_many_senders() {
	run 0 create --fan-in 2 --capacity 4K $ring && fan_in_senders && [ "$(column lanes)" = 2 ] &&
		run 0 info $ring && says "^topology *fan-in, 2 lanes" &&
		says "^capacity *[0-9]* bytes, each lane" && says "^producers *2 attached" &&
		says "^consumer *none yet" && says "^lane 0 *attached (pid [0-9]*), [0-9]* bytes used" &&
		says "^lane 1 *attached (pid" &&
		run 1 send $ring <"$dir/err" && complains "no lane is free: each of the 2 has a sender" &&
		run 0 recv --verbose $ring && wait && grep -q "from 2 lanes ($backend" "$dir/err" &&
		mv "$dir/out" "$dir/copy" && [ "$(wc -l <"$dir/copy")" -eq 10000 ] &&
		got_lines_of a 5000 "$dir/copy" && got_lines_of b 5000 "$dir/copy" &&
		run 0 info $ring && says "^producers *0 attached" && says "^consumer *gone" &&
		says "^used *0 bytes" && ! grep -q "^lane" "$dir/out" && run 0 unlink $ring
}

# A lane is not free while it holds what a sender has left.
keeps_what_senders_have_left() {
	run 0 create --fan-in 2 $ring || return 1
	for letter in a b; do
		lines_of $letter 1000 | run 0 send $ring || return 1
	done
	run 0 list && [ "$(column producers)" = 0 ] && run 0 info $ring &&
		says "^lane 1 *gone, [1-9][0-9]* bytes used" &&
		run 1 send $ring <"$dir/err" && complains "no lane is free" &&
		run 0 recv $ring && mv "$dir/out" "$dir/copy" && got_lines_of a 1000 "$dir/copy" &&
		got_lines_of b 1000 "$dir/copy" && run 0 unlink $ring
}

has_one_receiver_of_all_lanes() {
	run 0 create --fan-in 3 $ring || return 1
	timeout 60 "$shmring" recv $ring >"$dir/copy" &
	until_listed consumers 3 && run 1 recv $ring && complains "the role is taken" &&
		printf 12345678 | run 0 send $ring && wait $! && grep -q "^12345678$" "$dir/copy" &&
		run 3 send $ring <"$dir/in" && complains "the consumer has gone" && run 0 unlink $ring
}

# Each line goes to one of the receivers, the line too that a killed one had.
deals_lines_to_receivers() {
	run 0 create --work 2 $ring && run 0 info $ring && says "^topology *work, 2 lanes" || return 1
	timeout 60 "$shmring" recv $ring >"$dir/copy.1" &
	timeout 60 "$shmring" recv $ring >"$dir/copy.2" &
	until_listed consumers 2 && lines_of a 1000 | run 0 send --verbose $ring && wait &&
		cat "$dir/copy.1" "$dir/copy.2" | sort >"$dir/copy" && lines_of a 1000 | sort |
		cmp - "$dir/copy" && run 0 unlink $ring
}

refuses_wrong_lanes() {
	for bad in 0 257 4G; do
		run 1 create --fan-in $bad $ring && complains "--fan-in [0-9]* is not from 1 to 256" &&
			run 1 create --work $bad $ring && complains "--work [0-9]* is not from 1 to 256" ||
			return 1
	done
	for bad in x -1 ''; do
		run 2 create --fan-in "$bad" $ring && complains "bad value '$bad'" || return 1
	done
	run 2 send --fan-in 2 $ring && complains "fan-in" &&
		run 2 recv --fan-in 2 $ring && complains "fan-in" &&
		run 1 create --fan-in 2 --slots 5 $ring && complains "--slots 5 needs --slot" &&
		run 1 info $ring && complains "no such ring" &&
		run 0 create --fan-in 256 --capacity 4K $ring && run 1 create --fan-in 2 $ring &&
		complains "name is taken" && run 0 unlink $ring
}

# A last line without an end, and one that no message holds, are sent all the same.
sends_whole_lines() {
	{ printf 'one\n\ntwo\n' && head -c 5000 /dev/zero | tr '\0' x && printf '\nthe end'; } >"$dir/lines"
	run 0 create --capacity 4K --queue $ring || return 1
	timeout 60 "$shmring" recv $ring >"$dir/copy" &
	run 0 send --lines $ring <"$dir/lines" && wait $! && cmp "$dir/lines" "$dir/copy" &&
		run 0 unlink $ring && run 0 create --slot 8 $ring &&
		run 1 send --lines $ring </dev/null && complains "lines needs a ring without slots" &&
		run 0 unlink $ring
}

verify() { # verify NAME COMMAND...: removes a ring that a failure has left
	check "$@"
	"$shmring" unlink $ring 2>/dev/null
}

for backend; do
	echo "--- Linux $(uname -r), backend $backend"
	SHMRING_BACKEND=$backend
	export SHMRING_BACKEND
	verify "every verb has help" helps
	verify "a bad command line is refused, and nothing done" refuses_bad_command_lines
	verify "a ring is made, listed, shown and removed" makes_and_removes_a_ring
	verify "a stream arrives" stream
	verify "a stream arrives through a small ring, with the sides asleep" stream -C 4K -P block
	verify "a stream in slots arrives" streams_in_slots
	verify "a stream in slots with marks arrives" streams_in_slots_with_marks
	verify "a slot is filled from a pipe, however it comes" fills_a_slot_from_a_pipe
	verify "a ring holds exactly so many messages" holds_exactly_so_many
	verify "what was moved is counted" counts_what_it_moved
	verify "a short message waits for its receiver" keeps_a_ring_for_its_receiver
	verify "a receiver that leaves is an error of its own" hears_of_a_receiver_that_is_gone
	verify "the mode and the owner of a ring are changed" changes_who_may_use_it
	verify "a ring queues between two receivers" queues_between_receivers
	verify "a sender whose data are taken waits for no second receiver" waits_for_no_second_receiver
	verify "output that cannot be written is an error" ends_with_an_error_if_its_output_does
	verify "list looks where create makes" list_looks_where_create_makes
	if dd iflag=nonblock count=0 status=none </dev/null 2>/dev/null; then
		verify "non-blocking input that comes late is sent" takes_input_that_comes_late
		verify "non-blocking output that is full is waited for" waits_for_output_that_is_full
	else
		skip "non-blocking input and output" "this dd cannot make them so"
	fi
	verify "a producer and a consumer are listed each as what it is" lists_sides_apart
	verify "of two that make a ring at once one attaches" makes_one_ring_of_two
	verify "one receiver collects from many senders" collects_from_many_senders
	verify "a lane keeps what its sender has left" keeps_what_senders_have_left
	verify "all lanes have one receiver" has_one_receiver_of_all_lanes
	verify "a work queue deals lines to its receivers" deals_lines_to_receivers
	verify "a wrong number of lanes is refused" refuses_wrong_lanes
	verify "messages end with lines" sends_whole_lines
	verify "the backend is named, and why it is that one" says_which_backend_and_why
	verify "a name is one ring's, on either backend" has_one_ring_of_a_name
done
verdict
