// SPDX-License-Identifier: GPL-2.0-or-later
/* A line an interval; see stat-every.h. */
#include "stat-every.h"

#include <stdio.h>
#include <time.h>

#include "say.h"
#include "top-sample.h"

static void every_head(const struct ctl_ui *ui)
{
	printf("%s%-8s %6s %6s %6s %6s %7s %6s %6s  %7s %6s %7s %6s %9s%s\n", ctl_color(ui, CTL_DIM), "TIME",
	       "READ/s", "MiB/s", "HITS", "MISS/s", "WAIT", "GET/s", "MiB/s", "WRITE/s", "MiB/s", "FLUSH/s",
	       "STORE", "DIRTY", ctl_color(ui, CTL_PLAIN));
}

static const char *mib_text(double bytes_per_second, char buf[CTL_CELL])
{
	return ctl_rate_text(bytes_per_second / (1 << 20), buf);
}

/* A wait that goes on says more than those that are over. */
static void wait_text(const struct ctl_top_disk *d, char buf[CTL_CELL])
{
	double us = d->oldest_ms * 1000.0 > d->wait_us ? d->oldest_ms * 1000.0 : d->wait_us;

	if (us > 0)
		ctl_time_text(us, buf);
	else
		snprintf(buf, CTL_CELL, "-");
}

static void print_reads(const struct ctl_top_total *t, const struct ctl_ui *ui)
{
	char reads[CTL_CELL], bytes[CTL_CELL], missed[CTL_CELL], wait[CTL_CELL], gets[CTL_CELL], got[CTL_CELL];
	double all = t->disks.reads_rate + t->volumes.reads_rate;
	double misses = t->disks.misses_rate + t->volumes.misses_rate;
	double share = all > 0 ? 1 - misses / all : -1;
	char percent[16] = "-";

	if (share >= 0)
		snprintf(percent, sizeof(percent), share == 1 ? "100%%" : "%.1f%%", share * 100);
	wait_text(&t->disks, wait);
	printf("%6s %6s %s%6s%s %6s %7s %6s %6s", ctl_rate_text(all, reads),
	       mib_text(t->disks.bytes_rate + t->volumes.read_rate, bytes), ctl_color(ui, ctl_hit_color(share)),
	       percent, ctl_color(ui, CTL_PLAIN), ctl_rate_text(misses, missed), wait,
	       ctl_rate_text(t->disks.gets_rate, gets), mib_text(t->disks.got_rate, got));
}

static void print_writes(const struct ctl_top_volume *v)
{
	char writes[CTL_CELL], bytes[CTL_CELL], flushes[CTL_CELL], stored[CTL_CELL], dirty[CTL_SIZE_TEXT];

	printf("  %7s %6s %7s %6s %9s", ctl_rate_text(v->writes_rate, writes), mib_text(v->bytes_rate, bytes),
	       ctl_rate_text(v->flushes_rate, flushes), mib_text(v->stored_rate, stored),
	       ctl_size_text(v->dirty_bytes, dirty));
}

static int print_interval(const struct ctl_top_total *t, const struct ctl_ui *ui)
{
	time_t now = time(NULL);
	char clock[16];
	struct tm tm;

	localtime_r(&now, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	printf("%-8s ", clock);
	print_reads(t, ui);
	if (t->nr_volumes)
		print_writes(&t->volumes);
	putchar('\n');
	return CTL_OK;
}

static json_t *disks_object(const struct ctl_top_disk *d, size_t nr)
{
	return json_pack("{s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:I}", "count", (int)nr,
			 "reads_per_s", d->reads_rate, "read_bytes_per_s", d->bytes_rate,
			 "misses_per_s", d->misses_rate, "gets_per_s", d->gets_rate,
			 "fetched_bytes_per_s", d->got_rate, "wait_us", d->wait_us,
			 "waiting", (json_int_t)d->waiting, "oldest_wait_ms", (json_int_t)d->oldest_ms);
}

static json_t *volumes_object(const struct ctl_top_volume *v, size_t nr)
{
	return json_pack("{s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:I}", "count", (int)nr,
			 "reads_per_s", v->reads_rate, "read_bytes_per_s", v->read_rate,
			 "misses_per_s", v->misses_rate, "writes_per_s", v->writes_rate,
			 "written_bytes_per_s", v->bytes_rate, "flushes_per_s", v->flushes_rate,
			 "stored_bytes_per_s", v->stored_rate, "dirty_bytes", (json_int_t)v->dirty_bytes,
			 "oldest_ms", (json_int_t)v->oldest_ms);
}

static int print_interval_json(const struct ctl_top_total *t, double seconds)
{
	return ctl_print_json(json_pack("{s:i, s:I, s:f, s:o, s:o}", "v", 1, "time", (json_int_t)time(NULL),
					"seconds", seconds, "disks", disks_object(&t->disks, t->nr_disks),
					"volumes", volumes_object(&t->volumes, t->nr_volumes)));
}

/* One interval: waits, looks, prints; s->name must be there at each look. */
static int one_line(const struct ctl_stat_every *s, const struct ctl_ui *ui, struct ctl_top_sample *before,
		    unsigned int line)
{
	struct timespec ts = { s->interval_ms / 1000, s->interval_ms % 1000 * 1000000L };
	unsigned int per_head = ui->rows > 2 ? ui->rows - 1 : 1;
	struct ctl_top_sample now;
	struct ctl_top_total t;
	double seconds;
	int r;

	nanosleep(&ts, NULL);
	r = ctl_top_look(before, &now);
	if (r)
		return r;
	seconds = (now.at_ns - before->at_ns) / 1e9;
	ctl_top_free(before);
	*before = now;
	t = ctl_top_sum(before, s->name);
	if (s->name && !ctl_top_has(before, s->name)) {
		ctl_err("%s: is gone", s->name);
		return CTL_FAILED;
	}
	if (!s->json && (ui->terminal ? !(line % per_head) : !line))
		every_head(ui);
	r = s->json ? print_interval_json(&t, seconds) : print_interval(&t, ui);
	return r ? r : ctl_finish(CTL_OK);
}

int ctl_stat_every(const struct ctl_stat_every *s, const struct ctl_ui *ui)
{
	struct ctl_top_sample sample;
	unsigned int line = 0;
	int r = ctl_top_look(NULL, &sample);

	if (r)
		return r;
	if (s->name && !ctl_top_has(&sample, s->name)) {
		ctl_err("%s: no such pool, disk or volume", s->name);
		r = CTL_FAILED;
	}
	while (!r && (!line || line != s->lines))
		r = one_line(s, ui, &sample, line++);
	ctl_top_free(&sample);
	return r;
}
