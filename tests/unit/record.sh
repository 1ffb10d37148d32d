#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# chunkctl record with recordings out of files: merged into the trace of a file:// store; what is not
# a recording, or of an image that the store lacks, is refused and changes nothing.  TAP on stdout.

. "$(dirname "$0")/chunkctl.inc"

# 32 chunks, the second one a hole
{ random 65536; head -c 65536 /dev/zero; random 1966080; } >image
mkdir s
store="file://$dir/s"
run 0 "import" import image --name a --chunk-size 64K --store "$store"
digest=$(sed 's/sha256://' s/images/a)
trace=s/traces/$digest

# recording TOUCHES [DIGEST] : chunk, ms, chunk, ms...
recording() {
	printf '{"disk":"vm1","store":"main","digest":"%s","state":"on","lost":0,"touches":[%s]}\n' \
		"${2:-$digest}" "$1" >r.json
}

# chunks_of : of the trace, in its order
chunks_of() { tail -c +65 "$trace" | od -An -v -t u4 -w24 | awk '{ printf "%s%s", (NR > 1 ? " " : ""), $1 }'; }

recording '7,0,1,3,3,10,31,20'
run 0 "the first run" record --from r.json --store "$store"
check "what it says" grep -q '^3 chunks in 0.0 s; of 1 runs in the trace 3 chunks will be' out
check "the trace, without holes" [ "$(chunks_of)" = "7 3 31" ]
recording '3,1,9,5,7,8'

refuse 1 "^chunkctl record: -: " record --from - --store "$store"
run 0 "the second run" record --from r.json --store "$store"
check "merged" grep -q 'of 2 runs in the trace 2 chunks will be' out
check "in the order of medians" [ "$(chunks_of)" = "7 3 9 31" ]
recording '3,1,9,5,7,8,20,70000'
run 0 "a part of a run" record --from r.json --for 60 --store "$store"
check "as long as was said" [ "$(chunks_of)" = "3 9 7 31" ]

before=$(sha256sum "$trace")
for bad in '7,0,3' '7,5,3,4' '7,0,7,1' '-1,0' '4294967296,0' '7,-1' '"7",0' '7,0.5' '7,4294967295'; do
	recording "$bad"
	refuse 1 "expected a recording" record --from r.json --store "$store"
done
recording '7,0' 0123
refuse 1 "expected a recording" record --from r.json --store "$store"
recording '7,0' "$(printf '%064d' 0)"
refuse 1 "the recorded image" record --from r.json --store "$store"
recording '1,0,32,5,4000000000,9'
refuse 1 "nothing was read yet" record --from r.json --store "$store"
sed 's/"on"/"none"/' r.json >n.json
refuse 1 "up before its helper started" record --from n.json --store "$store"
echo '{' >r.json
refuse 1 "^chunkctl record: r.json: " record --from r.json --store "$store"
refuse 1 "not-there" record --from not-there --store "$store"
check "nothing was changed" [ "$(sha256sum "$trace")" = "$before" ]

run 0 "verify" verify a --store "$store" --json
check "finds it good" grep -q '"trace":"good"' out

# one that is damaged is made anew
printf X | dd of="$trace" bs=1 seek=70 conv=notrunc 2>dd.log
run 0 "verify with a damaged trace" verify a --store "$store" --json
check "finds it bad" grep -q '"trace":"bad"' out
recording '5,0'
run 0 "over a damaged trace" record --from r.json --store "$store"
check "says so" grep -q "wrong checksum; a new one takes its place" err
check "and starts anew" [ "$(chunks_of)" = 5 ]

# by itself, for a disk whose file has a mistake
etc='mount -t tmpfs none /etc && mkdir -p /etc/chunkcache/disks && cp vm1.conf /etc/chunkcache/disks'
printf '[disk]\npool = p\nrecord = no\n' >vm1.conf
unprivileged "$etc" record vm1 --auto --store "$store"
check "record --auto of a disk that is not to be recorded" [ $? -eq 0 ]
printf '[disk]\npool = p\nrecord = maybe\n' >vm1.conf
unprivileged "$etc" record vm1 --auto --store "$store"
check "of a disk with a mistake in its file" [ $? -eq 1 ]
check "which is named" grep -q '^chunkctl record: .*/vm1.conf:3: ' err

refuse 2 "expected one DISK, got 0" record
refuse 2 "expected no DISK with --from" record vm1 --from r.json
refuse 2 "--for: expected a number from 1 to 600" record vm1 --for 601
refuse 2 "--from: goes neither" record --from r.json --json
end
