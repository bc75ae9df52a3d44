# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# CBMC: no access out of bounds in the library, whatever the other side writes. Sourced
# by run.sh.
# shellcheck disable=SC2154

# Debian 13 has it.
fetch_cbmc() { unpack cbmc trixie cbmc minisat libc6 libstdc++6 libgcc-s1 zlib1g; }

# FILE FUNCTION: the library's calls, each with a harness.
cbmc_right() {
	cat <<-END
		slow recv_message
		slow wait_data
		slow wait_space
		slow drain
		bind bind_producer
		bind bind_consumer
		fast reserve_slots
		fast commit_slots
		fast peek_slots
		fast reserve
		fast discard
		fast stage
		fast publish
		fast commit
		fast peek
		fast advance
		fast release
		fast run_put
		fast run_next
		fast wrong_side
	END
}

# NAME FILE FUNCTION: must be found broken.
cbmc_broken() {
	cat <<-END
		reread-length fast peek
		no-window fast peek
		wrap-off-by-8 fast peek
		wrap-off-by-8 fast reserve
		head-unchecked fast peek
		tail-unchecked fast reserve
		slots-uncounted fast reserve_slots
		slots-uncounted fast peek_slots
		stage-beyond-reserved fast stage
		stage-beyond-reserved fast commit
		step-too-far fast advance
		step-too-far fast release
		stale-peek fast peek
		run-unchecked fast run_put
		run-unchecked fast run_next
		size-unchecked slow recv_message
		misaligned bind bind_consumer
		misaligned bind bind_producer
	END
}

# break_by NAME LIBRARY: one thing wrong in a copy of the library
break_by() {
	local header=$2/include/shmring/fast.h file edit

	file=$header
	case $1 in
	reread-length) edit='s/\*len = (size_t)n;/*len = (size_t)__shmring_read_header(payload);/' ;;
	no-window) edit='s/n <= avail - sizeof(struct shmring_record)/1/' ;;
	wrap-off-by-8) edit='s/r->payload + (position & r->mask)/& + r->capacity + 8/' ;;
	head-unchecked) edit='s/head - old > r->c.tail - r->c.held + r->span - old/0/' ;;
	tail-unchecked) edit='s/tail - old > r->p.head - r->p.staged - old/0/' ;;
	slots-uncounted) edit='s/max > avail || max \* stride > avail/0/' ;;
	stage-beyond-reserved) edit='s/ || next > r->p.end//; s/head != r->p.end || //' ;;
	step-too-far) edit='s/tail = r->c.end;/tail = r->c.end + 8;/' ;;
	stale-peek) edit='/^void __shmring_refuse_data/,/^}/s/r->c.end = r->c.tail;//' ;;
	run-unchecked)
		file=$2/include/shmring/run.h
		edit='s/need <= (uint64_t)(run->end - run->at)/1/; s/n > avail - sizeof(struct shmring_record)/0/' ;;
	size-unchecked) file=$2/copy.c edit='s/len > size/0/' ;;
	misaligned) file=$2/ring.c edit='s/ && !(position & (r->align - 1))//' ;;
	esac
	cp "$file" "$file.right"
	sed -i "$edit" "$file"
	! cmp -s "$file" "$file.right"
}

# cbmc_one right|broken NAME FILE FUNCTION
cbmc_one() {
	local want=$1 name=$2 file=$3 entry=$4 dir=$build/cbmc-$1-$2-$4 start=$SECONDS
	local lib=$here/../../libuser got n
	local checks=(--bounds-check --pointer-check --pointer-overflow-check
		--signed-overflow-check --div-by-zero-check --undefined-shift-check)

	# look.c compares positions by their signed distance.
	[ "$file" = slow ] || checks+=(--conversion-check)
	rm -rf "$dir"
	mkdir -p "$dir"
	if [ "$want" = broken ]; then
		cp -r "$lib" "$dir/libuser"
		lib=$dir/libuser
		break_by "$name" "$lib" || {
			echo "not ok - cbmc: $name changes nothing"
			return
		}
	fi
	# Prefetches touch nothing; theirs would be a loop to unwind.
	timeout "$limit" bash -c 'unpacked cbmc "$@"' - goto-cc -D_GNU_SOURCE \
		-D__SHMRING_PREFETCH=0 -I"$lib/include" -I"$lib" -I"$here/../../kmod/uapi" "$here/cbmc/hostile.c" \
		"$here/cbmc/$file.c" -o "$dir/program" >"$dir/log" 2>&1 &&
		timeout "$limit" bash -c 'unpacked cbmc "$@"' - cbmc --function "$entry" \
			--no-standard-checks "${checks[@]}" --unwind 3 --unwinding-assertions \
			--drop-unused-functions "$dir/program" >>"$dir/log" 2>&1
	n=$(sed -n 's/^\*\* \([0-9]*\) of \([0-9]*\) failed.*/\1 of \2 properties fail/p' "$dir/log")
	case $(grep '^VERIFICATION' "$dir/log") in
	*SUCCESSFUL) got=right ;;
	*FAILED) got=broken ;;
	*) got=unfinished ;;
	esac
	# Not for a loop that was cut, or a function that was not there.
	if [ $got = broken ] && grep -q '\.\(unwind\|no-body\)\..*FAILURE' "$dir/log"; then
		got=unfinished
	fi
	[ "$want" = right ] || entry="$entry, $name,"
	if [ $got = "$want" ]; then
		echo "ok - cbmc: $entry is $want ($n, $((SECONDS - start)) s)"
		rm -rf "$dir"
	else
		echo "not ok - cbmc: $entry is $got ($n; see ${dir#"$here/../../"}/log)"
		grep 'FAILURE$' "$dir/log" | sed 's/^/    /'
	fi
}
