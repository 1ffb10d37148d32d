# SPDX-License-Identifier: GPL-2.0-or-later
#
# awk -f bound.awk LEARNT JUDGED [AWAY]: how little can a guest wait whose reads nobody knew before?
# At each first read of a chunk of 1 MiB in the trace JUDGED, chunks are fetched up to AWAY (2) from it:
#
#  told	those that will be read, and no others
#  learnt	those of the kinds that pay in the trace LEARNT; a kind is how far away, how many around were read, and
#		in what row the read stands, and those that save most waits for their GETs are taken until GETs are
#		1.15 times the chunks that LEARNT touches.  With JUDGED as LEARNT that is wisdom after the event
#  bounded	the same, but 2 chunks and an eighth of those that were read may be unread at any time
#
# Prints waits over those without anything fetched ahead, and GETs over chunks touched.  A GET takes as long as in
# `run`; reads come one after the other, each after its think time.

BEGIN {
	UNITS = 256
	GET = 0.030 + 1048576 / 85e6
	THINK = 0.0001
	MOST = 1.15
	if (ARGC < 3) {
		print "usage: awk -f bound.awk LEARNT JUDGED [AWAY]" >"/dev/stderr"
		exit 2
	}
	away = ARGC > 3 ? ARGV[3] + 0 : 2
	load("learnt", ARGV[1])
	load("judged", ARGV[2])
	learn("learnt")
	report("told", "judged", "told", 0)
	report("learnt", "judged", "learnt", 0)
	report("bounded", "judged", "learnt", 1)
	exit 0
}

# load NAME FILE : its first touches of chunks, with the think time before each, and the places beside them
function load(name, file,	line, part, slow, think, c, last)
{
	while ((getline line <file) > 0) {
		if (line ~ /^#/) {
			if (match(line, /slowdown=[0-9.]+/))
				slow = substr(line, RSTART + 9, RLENGTH - 9)
			continue
		}
		split(line, part, " ")
		think += part[3] * THINK / slow
		last = int((part[1] + part[2] - 1) / UNITS)
		for (c = int(part[1] / UNITS); c <= last; c++) {
			if ((name, c) in order)
				continue
			order[name, c] = ++touches[name]
			touch(name, c, think, c * UNITS >= part[1])
			think = 0
		}
	}
	close(file)
}

function touch(name, c, think, from_start,	n, d, place)
{
	n = touches[name]
	chunk[name, n] = c
	pause[name, n] = think
	row[name, c] = from_start && (name, c - 1) in order ? row[name, c - 1] + 1 : 1
	for (d = -away; d <= away; d++) {
		place = c + d
		if (place < 0 || (name, place) in order)
			continue
		beside[name, n, d] = kind(name, place, d, row[name, c])
		kinds[name, beside[name, n, d]]
	}
}

function kind(name, place, d, run,	i, near)
{
	for (i = place - 4; i <= place + 4; i++)
		near += (name, i) in order
	return d " " (near < 4 ? near : 4) " " (d < 0 ? 0 : run < 3 ? run : 3)
}

# Is a place beside touch n of name fetched?
function wanted(name, n, d, how)
{
	if (how == "told")
		return (name, chunk[name, n] + d) in order
	return beside[name, n, d] in fetched
}

# run NAME HOW BOUNDED : sets waits and gets
function run(name, how, bounded,	n, c, d, now, ready, unread)
{
	waits = gets = 0
	for (n = 1; n <= touches[name]; n++) {
		c = chunk[name, n]
		now += pause[name, n]
		if (c in ready) {
			unread--
		} else {
			ready[c] = now + GET
			gets++
		}
		for (d = -away; d <= away; d++) {
			if (!((name, n, d) in beside) || c + d in ready || !wanted(name, n, d, how) ||
			    (bounded && unread >= 2 + n / 8))
				continue
			ready[c + d] = now + GET
			gets++
			unread++
		}
		if (ready[c] > now) {
			waits += ready[c] - now
			now = ready[c]
		}
	}
	waits /= GET * touches[name]
	gets /= touches[name]
}

# learn NAME : adds to fetched what is best of it, as long as it may be
function learn(name,	key, part, best, worth, most, saved, spent)
{
	do {
		run(name, "learnt", 0)
		saved = waits
		spent = gets
		best = ""
		most = 0
		for (key in kinds) {
			split(key, part, SUBSEP)
			if (part[1] != name || part[2] in fetched)
				continue
			fetched[part[2]]
			run(name, "learnt", 0)
			delete fetched[part[2]]
			worth = (saved - waits) / (gets - spent > 0.0001 ? gets - spent : 0.0001)
			if (gets > MOST || worth <= most)
				continue
			most = worth
			best = part[2]
		}
		if (best != "")
			fetched[best]
	} while (best != "")
}

function report(title, name, how, bounded)
{
	run(name, how, bounded)
	printf "%s %.3f %.3f\n", title, waits, gets
}
