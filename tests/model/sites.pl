#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Does the code have the accesses and barriers of the models, in the same order?
# x86, where all other tests run, does not show a weaker one. sites.txt lists them by
# function; this compares it with the source, and each lettered site with the same letter in
# the litmus tests.
use strict;
use warnings;
use FindBin '$Bin';

chdir "$Bin/../.." or die;
my ($passed, $failed, %class) = (0, 0);

sub verdict {
	my ($name, @why) = @_;

	print @why ? 'not ' : '', "ok - sites: $name\n", map { "    $_\n" } @why;
	@why ? $failed++ : $passed++;
}

# What an access orders, in any of the languages.
sub class_of {
	local $_ = shift;

	return 'full' if /smp_mb\(|__shmring_fence\(|fence\(memory_order_seq_cst\)/;
	return 'full' if /\b(start_poll_)?synchronize_rcu\(/; # by its end
	return 'release' if /smp_store_release|memory_order_release|__ATOMIC_RELEASE/;
	return 'acquire' if /smp_load_acquire|memory_order_acquire|__ATOMIC_ACQUIRE/;
	return 'relaxed' if /_ONCE\(|memory_order_relaxed|__ATOMIC_RELAXED/;
	return 'none';
}

sub slurp {
	open my $in, '<', $_[0] or die "$_[0]: $!\n";
	local $/;
	return <$in>;
}

# The body of a function that begins and ends in the first column.
sub body {
	my ($file, $function) = @_;
	my ($head, $in, $body) = ('', 0, '');

	for (split /\n/, slurp($file)) {
		return $body if $in && /^\}/;
		$body .= "$_\n" if $in;
		$head = '' if /^\S/ && $_ ne '{';
		$head .= $_;
		$in ||= /^\{/ && $head =~ /\b\Q$function\E\(/;
	}
	return undef;
}

# Each once, and one after the other; white space does not count.
sub compare {
	my ($text, @sites) = @_;
	my ($last, @why) = 0;

	for (@sites) {
		my $pattern = join '\s*', map { quotemeta } /\w+|[^\w\s]/g;
		my $count = () = $text =~ /$pattern/g;

		push @why, "$count times: $_" if $count != 1;
		next if $count != 1;
		$text =~ /$pattern/;
		push @why, "too early: $_" if $-[0] < $last;
		$last = $-[0];
	}
	return @why;
}

my ($name, @sites, $text);
sub flush_function {
	verdict($name, defined $text ? compare($text, @sites) : 'no such function') if $name;
}
for (split /\n/, slurp("$Bin/sites.txt")) {
	next if /^(#|$)/;
	if (/^(\S+): (\w+)$/) {
		flush_function();
		($name, @sites) = ("$1: $2");
		$text = body($1, $2);
	} elsif (/^([A-M ]*)\t(.*)$/) {
		push @sites, $2;
		$class{$_}{class_of($2)} .= " $name" for split ' ', $1;
	} else {
		die "sites.txt: $_\n";
	}
}
flush_function();

for my $file (glob "$Bin/lkmm/*-fixed.litmus $Bin/c11/*-fixed.litmus") {
	my $test = slurp($file);

	while ($test =~ m,^(.*)// ([A-M])$,mg) {
		$class{$2}{class_of($1)} .= ' ' . substr $file, length "$Bin/";
	}
}
for my $letter ('A' .. 'M') {
	my $is = $class{$letter};
	my @why = map { "$_:" . $is->{$_} } sort keys %$is;

	verdict("$letter is everywhere the same", keys %$is == 1 ? () : @why ? @why : 'nowhere');
}
print "$passed passed, $failed failed\n";
exit($failed > 0);
