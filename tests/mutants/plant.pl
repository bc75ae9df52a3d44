#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Reads faults.txt.
#
#   plant.pl list FAULTS		a line for each: name, file and tests, with tabs between
#   plant.pl NAME FAULTS		plants it in the file, below the current directory
#
# The old text must be there exactly once, whatever its white space, and must change.
use strict;
use warnings;

my ($what, $faults) = @ARGV;
my (@order, %fault, $name);

open my $in, '<', $faults or die "$faults: $!\n";
while (<$in>) {
	chomp;
	if (/^([-+])\s?(.*)$/ && $name && !exists $fault{$name}{$1}) {
		$fault{$name}{$1} = $2;
	} elsif (/^(\S+) \| (\S+) \| (\S.*)$/) {
		$name = $1;
		die "$faults: two faults called $name\n" if $fault{$name};
		$fault{$name} = { file => $2, tests => $3 };
		push @order, $name;
	} elsif (/^[^#]/) {
		die "$faults: line $.: $_\n";
	}
}

if ($what eq 'list') {
	print join("\t", $_, @{$fault{$_}}{'file', 'tests'}), "\n" for @order;
	exit;
}

# The file of a fault, and its text once the fault is planted.
sub planted {
	my ($name) = @_;
	my $f = $fault{$name} or die "no fault called $name\n";
	my ($old, $new, $file) = @$f{'-', '+', 'file'};
	die "$name is not complete\n" unless defined $old && defined $new;

	open my $source, '<', $file or die "$file: $!\n";
	my $text = do { local $/; <$source> };
	my $pattern = join '\s+', map { quotemeta } split ' ', $old;
	my $count = () = $text =~ /$pattern/g;
	die "stale: \"$old\" is $count times in $file\n" unless $count == 1;
	my $planted = $text =~ s/$pattern/$new/r;
	die "stale: $file stays the same\n" if $planted eq $text;
	return ($file, $planted);
}

if ($what eq 'check') {
	planted($_) for @order;
	exit;
}

my ($file, $text) = planted($what);
open my $out, '>', $file or die "$file: $!\n";
print $out $text;
