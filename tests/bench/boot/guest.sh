#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# In a guest of `record`, when it is up.  "@start", then what the serial number of its board names, then
# "@done STATUS"; then some work, to know how fast the guest is, and "@worked".

database() {
	sleep 3		# the host is to see that it starts
	mount /dev/vdb /data && pg_ctlcluster 15 main start && su postgres -c 'psql -q bench' <<-END
	select count(*) from pgbench_branches;
	select count(*) from pgbench_tellers;
	select count(*) from pgbench_accounts;
	select sum(abalance) from pgbench_accounts where aid between 200001 and 260000;
	$(keys)
	END
}

# Rows by their keys: 8 that are the same each time, and 2 that are not.
keys() {
	awk 'BEGIN {
		srand(1)
		for (i = 0; i < 10; i++) {
			if (i == 8)
				srand()
			printf "select abalance from pgbench_accounts where aid = %d;\n", 1 + rand() * 1600000
		}
	}'
}

# What `record` does on the host as well, to know how much slower the guest is.
work() {
	i=0
	while [ $i -lt 1000000 ]; do
		i=$((i + 1))
	done
}

echo
echo "@start"
case $(cat /sys/class/dmi/id/product_serial) in
boot)     : ;;
install)  DEBIAN_FRONTEND=noninteractive apt-get -y -q --no-download --no-install-recommends install git nginx-light ;;
database) database ;;
*)        false ;;
esac
status=$?
echo
echo "@done $status"
work
echo "@worked"
