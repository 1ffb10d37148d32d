# SPDX-License-Identifier: GPL-2.0-or-later
#
# What nbdkit's log filter writes, as a trace: one line for each read, in the order in which they began,
#
#	FIRST COUNT THINK [BACK...]
#
# in units of 4 KiB; THINK is the time in 0.1 ms since the last of those that had ended by then; each BACK says
# that the read so many lines before this one was under way still, so that this one did not wait for it.

function hex(s,	i, n) {
	n = 0
	for (i = 3; i <= length(s); i++)
		n = n * 16 + index("123456789abcdef", substr(s, i, 1))
	return n
}

# 2026-01-02 03:04:05.678901; no run takes a day
function microseconds(time,	t, us) {
	split(time, t, /[:.]/)
	us = ((t[1] * 60 + t[2]) * 60 + t[3]) * 1000000 + t[4]
	if (us < start)
		us += 86400000000
	return us
}

function value(name,	i) {
	for (i = 3; i <= NF; i++)
		if (index($i, name "=") == 1)
			return substr($i, length(name) + 2)
	return ""
}

/ Read id=/ && !/\.\.\.Read/ {
	now = microseconds($2)
	if (!n++)
		start = last = now
	from = int(hex(value("offset")) / 4096)
	to = int((hex(value("offset")) + hex(value("count")) + 4095) / 4096)
	# Of two threads the one that took its time first may log last.
	printf "%d %d %d", from, to - from, (now > last ? int((now - last) / 100 + 0.5) : 0)
	for (id in under_way)
		printf " %d", n - under_way[id]
	printf "\n"
	under_way[value("connection") ":" value("id")] = n
}

/\.\.\.Read id=/ {
	delete under_way[value("connection") ":" value("id")]
	last = microseconds($2)
}
