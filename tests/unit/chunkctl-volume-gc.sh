#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# chunkctl gc and volumes: what is of no use goes, what anybody may need stays.  TAP on stdout.

. "$(dirname "$0")/chunkctl.inc"
under=s
put_before=5
. "$here/volumes.inc"

objects() { find "s/volumes/$(cat "s/volume-names/$1")/$2" -type f | wc -l; }
bytes() { find "s/volumes/$(cat "s/volume-names/$1")" -type f -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }'; }

run 0 "import an image" import image --name i --chunk-size 64K --store "$store"
run 0 "create" volume create v --image i --size 64M --store "$store"
owner v a open write 0 4096 1 commit write 0 100 2 commit checkpoint zero 200 100 commit write 9000 5 3 commit checkpoint \
	close
before=$(content v)
run 0 "show" volume show v --store "$store"
check "says what of it is live" grep -q "  store .* MiB in .* objects, 15.6 MiB of it live" out
maps=$(objects v map)
age 10
run 0 "gc" gc --grace 0s --store "$store" --json
check "one volume" grep -q '"volumes":1,' out
check "the content is as it was" [ "$(content v)" = "$before" ]
run 0 "and all that it is made of" volume verify v --store "$store"
check "the image's chunks too" [ "$(chunks s)" -eq 5 ]
check "the log has begun anew" [ "$(cat "s/volumes/$(cat s/volume-names/v)"/floors/*1)" = 8 ]
check "the last checkpoint's root and pages are left" [ "$(objects v map)" -eq 4 ]
check "of those of two" [ "$maps" -eq 8 ]
run 0 "gc again" gc --grace 0s --store "$store" --json
check "finds nothing" [ "$(jsonfield volume_objects garbage)" -eq 0 ]
check "and makes no other floor" [ "$(objects v floors)" -eq 1 ]

# all of it is discarded
owner v a open zero 0 16384 commit checkpoint close
age 10
run 0 "gc that would only say it" gc --grace 0s --dry-run --list --store "$store"
check "names packs" grep -q '/packs/' out
check "and changes nothing" [ "$(objects v packs)" -eq 2 ]
run 0 "gc with a grace time" gc --grace 1h --store "$store"
check "spares what is young" [ "$(objects v packs)" -eq 2 ]
run 0 "gc" gc --grace 0s --store "$store"
check "nothing is left of it" [ "$(objects v packs)" -eq 0 ]
check "but a few bytes" [ "$(bytes v)" -lt 8000 ]
run 0 "show says so" volume show v --json --store "$store"
check "what it costs" [ "$(field store_bytes)" -eq "$(bytes v)" ]
check "and that none of it is live" [ "$(field live_bytes)" -eq 0 ]
check "it is zeros" [ "$(content v)" = "$(head -c 64M /dev/zero | sha256sum)" ]

# what was put for a commit that is not there yet, however long ago
uuid=$(cat s/volume-names/v)
owner v a open write 0 4 5 commit
random 100 >"s/volumes/$uuid/packs/9-$(printf 'a%.0s' {1..64})"
random 100 >"s/volumes/$uuid/snapshots-of-a-later-version"
find s -type f ! -path '*/packs/*' -exec touch -d "-2 days" {} +
touch -d "-1 days" "s/volumes/$uuid/packs"/*
run 0 "gc" gc --grace 1h --store "$store"
check "a pack that was put after the last commit stays" [ "$(objects v packs)" -eq 1 ]
check "and a name that is not known" [ -e "s/volumes/$uuid/snapshots-of-a-later-version" ]
age 100000
owner v a open commit
run 0 "gc" gc --grace 1h --store "$store"
check "until there is another commit" [ "$(objects v packs)" -eq 0 ]

# a take-over
owner v a open write 100 2000 6 commit checkpoint write 200 3000 7 commit
before=$(content v)
owner v b open zero 0 16384 commit checkpoint close
age 100
run 0 "gc" gc --grace 0s --store "$store"
check "what the one before may need is there" [ "$(bytes v)" -gt 10000000 ]
after=$(content v)
floor=$(find "s/volumes/$uuid/floors" -type f | sort | tail -n 1)
check "and where it begins" [ "$(wc -l <"$floor")" -eq 2 ]
run 0 "gc" gc --grace 0s --forks 10s --store "$store"
check "but not for ever" [ "$(bytes v)" -lt 60000 ]
check "the other one's is untouched" [ "$(content v)" = "$after" ]
check "it was another" [ "$before" != "$after" ]
refuse 2 "--forks: expected a time" gc --forks 3 --store "$store"

# without a name
run 0 "create another" volume create w --size 64M --store "$store"
owner w a open write 0 4096 1 commit
w=$(cat s/volume-names/w)
rm s/volume-names/w
find "s/volumes/$w" -type f ! -name 0000000000000003 -exec touch -d "-2 days" {} +
run 0 "gc" gc --grace 1h --store "$store"
check "a volume that is being made stays" [ "$(find "s/volumes/$w" -type f | wc -l)" -eq 5 ]
rm "s/volumes/$w/log/0000000000000001"
run 0 "one that is being removed does not stop it" gc --grace 1h --store "$store"
age 7200
run 0 "gc" gc --grace 1h --store "$store"
check "what is left of it goes in the end" [ "$(find "s/volumes/$w" -type f | wc -l)" -eq 0 ]
check "the other one is whole" [ "$(content v)" = "$after" ]

# the same bytes again, while gc may be about to delete those of before
owner v a open write 0 4096 1 commit write 5000 14 9 commit write 0 4096 1 commit checkpoint
after=$(content v)
check "no two commits have a pack in common" [ "$(objects v packs)" -eq 4 ]
age 100
run 0 "gc when a checkpoint is the last" gc --grace 0s --forks 10s --store "$store"
check "it is as it was" [ "$(content v)" = "$after" ]

# damage
log=$(find "s/volumes/$uuid/log" -type f | sort | tail -n 1)
cp "$log" saved
printf x | dd of="$log" bs=1 seek=100 conv=notrunc status=none
"$ctl" rm i --store "$store" 2>err
age 7200
run 3 "gc with a damaged volume" gc --grace 0s --store "$store"
check "removes nothing" [ "$(chunks s)" -eq 5 ]
check "and says so" grep -q "^chunkctl gc: volume $uuid: .*damaged" err
cp saved "$log"
echo x >"s/volumes/$uuid/floors/000000000000000$(objects v floors)"
run 3 "gc with a damaged floor" gc --grace 0s --store "$store"
check "removes nothing" [ "$(chunks s)" -eq 5 ]
end
