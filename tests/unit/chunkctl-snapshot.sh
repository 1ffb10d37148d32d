#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# chunkctl snapshot, of volumes that nobody has open: what they were stays, whatever is written, and whatever gc
# removes.  TAP on stdout.

. "$(dirname "$0")/chunkctl.inc"
under=s
put_before=5
. "$here/volumes.inc"

run 0 "import an image" import image --name i --chunk-size 64K --store "$store"
run 0 "create" volume create v --image i --size 64M --store "$store"
uuid=$(cat out)
run 0 "no snapshot is listed as nothing" snapshot list v --store "$store"
check "nothing" [ ! -s out ]
run 0 "one of a volume that nobody wrote to" snapshot create v empty --store "$store"
check "says nothing" [ ! -s out ]
cp image expected
truncate -s 64M expected
check "is the image" [ "$(content v@empty)" = "$(sha256sum <expected)" ]
owner v a open write 0 100 1 commit checkpoint write 10 4 7 commit close
one=$(content v)
run 0 "another, as JSON" snapshot create v one --json --store "$store"
check "what it says" grep -qxF '{"volume":"v","snapshot":"one"}' out
owner v a open write 0 4096 2 commit zero 50 10 commit close
two=$(content v)
run 0 "a third" snapshot create v two --store "$store"
run 0 "list" snapshot list v --store "$store"
check "three and a head" [ "$(wc -l <out)" -eq 4 ]
run 0 "list, as JSON" snapshot list v --json --store "$store"
check "with time and root" grep -qE '"name":"two","time":[0-9]+,"root":"sha256:[0-9a-f]{64}"' out
refuse 1 "v: there is a snapshot of that name" snapshot create v one --store "$store"
refuse 2 "expected a name of 1 to 64" snapshot create v a/b --store "$store"
refuse 1 "nix: no such volume" snapshot create nix a --store "$store"
refuse 1 "v@nix: no such snapshot" volume export v@nix file2 --store "$store"
refuse 1 "v: nix: no such snapshot" snapshot rm v nix --store "$store"
refuse 2 "expected VOLUME and NAME" snapshot create v --store "$store"
refuse 2 "'frob': no such command" snapshot frob --store "$store"

# all of the volume is written anew, and discarded
owner v a open write 0 8000 3 commit checkpoint zero 0 16384 commit checkpoint write 5 1 9 commit checkpoint \
	close
now=$(content v)
age 100
run 0 "gc" gc --grace 0s --store "$store"
for snapshot in empty one two; do
	run 0 "$snapshot has all that it needs" volume verify "v@$snapshot" --store "$store"
done
check "one is as it was" [ "$(content v@one)" = "$one" ]
check "two is" [ "$(content v@two)" = "$two" ]
check "empty is" [ "$(content v@empty)" = "$(sha256sum <expected)" ]
check "the volume is as it is now" [ "$(content v)" = "$now" ]
check "they differ" [ "$one" != "$two" ]

# what only a snapshot needs goes with it
before=$(du -s s | cut -f 1)
run 0 "two goes" snapshot rm v two --json --store "$store"
check "what it says" grep -qxF '{"volume":"v","snapshot":"two"}' out
run 0 "gc" gc --grace 0s --store "$store"
check "16 MiB are won" [ $((before - $(du -s s | cut -f 1))) -gt 15000 ]
check "one is as it was" [ "$(content v@one)" = "$one" ]
run 0 "and whole" volume verify v@one --store "$store"
run 0 "a volume that has grown" volume resize v --size 128M --store "$store"
check "its snapshots have not" [ "$(content v@one)" = "$one" ]

# damage
cp "s/volumes/$uuid/snapshots/one" saved
echo "1 nonsense" >"s/volumes/$uuid/snapshots/one"
"$ctl" rm i --store "$store" 2>err
age 7200
run 3 "gc with a snapshot that can't be read" gc --grace 0s --store "$store"
check "says which" grep -q "^chunkctl gc: volume $uuid: snapshot one: .*expected one line" err
check "and removes nothing" [ "$(chunks s)" -eq 5 ]
run 3 "it is listed as damage" snapshot list v --store "$store"
run 0 "it can be deleted" snapshot rm v one --store "$store"
cp saved "s/volumes/$uuid/snapshots/one"
root=s/volumes/$uuid/map/$(sed 's/ /-/; s/ .*//' saved)
cp "$root" saved-root
printf x | dd of="$root" bs=1 seek=40 conv=notrunc status=none
run 3 "gc with a root that is damaged" gc --grace 0s --store "$store"
check "removes nothing" [ "$(chunks s)" -eq 5 ]
run 3 "export tells" volume export v@one file2 --store "$store"
check "and leaves nothing" [ ! -e file2 ]
cp saved-root "$root"

# the volume goes
refuse 1 "v: has 2 snapshots" volume rm v --store "$store"
run 0 "by force" volume rm v --force --store "$store"
check "with all that it was made of" [ "$(find s/volumes -type f | wc -l)" -eq 0 ]
end
