#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# chunkctl volume create --from: what a clone has it keeps, whatever becomes of the volumes that it was made from, and
# what nobody has goes.  TAP on stdout.

. "$(dirname "$0")/chunkctl.inc"
under=served/bucket
# more than clocks may differ
put_before=100
. "$here/volumes.inc"

objects() { find "served/bucket/volumes/$(cat "served/bucket/volume-names/$1")" -type f | wc -l; }

run 0 "import an image" import image --name i --chunk-size 64K --store "$store"
run 0 "create" volume create v --image i --size 64M --store "$store"
v=$(cat out)
owner v a open write 0 4096 1 commit checkpoint write 10 4 7 commit close
run 0 "a snapshot" snapshot create v one --store "$store"
one=$(content v)
run 0 "a clone" volume create c --from v@one --json --store "$store"
check "what it says" grep -qxE '\{"name":"c","uuid":"[0-9a-f-]{36}","bytes":67108864,"chunk_bytes":65536\}' out
check "it costs a few objects" [ "$(objects c)" -le 5 ]
check "it is what the snapshot is" [ "$(content c)" = "$one" ]
run 0 "and whole" volume verify c --store "$store"
refuse 1 "c: there is a volume of that name" volume create c --from v@one --store "$store"
refuse 1 "there is no snapshot nix" volume create d --from v@nix --store "$store"
refuse 1 "nix: no such volume" volume create d --from nix@one --store "$store"
refuse 2 "expected VOLUME@SNAPSHOT" volume create d --from v --store "$store"
refuse 2 "expected none of these" volume create d --from v@one --size 1G --store "$store"

# each goes its way
owner v a open write 0 8000 3 commit checkpoint close
owner c b open write 1000 100 4 commit zero 50 10 commit checkpoint write 3 3 3 commit close
check "the snapshot is as it was" [ "$(content v@one)" = "$one" ]
c=$(content c)
check "the clone is not" [ "$c" != "$one" ]
run 0 "a clone of the clone, which has" snapshot create c two --store "$store"
run 0 "a snapshot" volume create e --from c@two --store "$store"
owner e a open write 2000 500 5 commit close
e=$(content e)
run 0 "it is whole" volume verify e --store "$store"
owner c b open write 0 4096 6 commit checkpoint close
run 0 "one that is not written to" volume create f --from v@one --store "$store"
run 0 "grows" volume resize f --size 128M --store "$store"
f=$(content f)

# what only gc may decide
run 0 "the snapshots go" snapshot rm v one --store "$store"
run 0 "both" snapshot rm c two --store "$store"
run 0 "and the volume" volume rm v --store "$store"
check "of which most stays" grep -q "v: what its clones do not need is left to" err
run 0 "and the first clone" volume rm c --store "$store"
before=$(du -s served/bucket | cut -f 1)
age 7200
"$ctl" rm i --store "$store" 2>err
run 0 "gc" gc --grace 1h --store "$store"
check "takes what nobody has" [ $((before - $(du -s served/bucket | cut -f 1))) -gt 40000 ]
check "two are left" [ "$(find served/bucket/volume-names -type f | wc -l)" -eq 2 ]
for name in e f; do
	run 0 "$name is whole" volume verify $name --store "$store"
done
check "the clone of the clone is as it was" [ "$(content e)" = "$e" ]
check "the other one, too" [ "$(content f)" = "$f" ]
check "and the image below" [ "$(chunks served/bucket)" -eq 5 ]
owner e a open write 100 4 8 commit checkpoint close
run 0 "it goes on" volume verify e --store "$store"

# one that is being made while all that it is made of goes
e=$(content e)
run 0 "a snapshot" snapshot create e three --store "$store"
run 0 "a clone" volume create g --from e@three --store "$store"
mv served/bucket/volume-names/g saved
run 0 "its snapshot goes" snapshot rm e three --store "$store"
owner e a open zero 0 16384 commit checkpoint close
age 7200
find "served/bucket/volumes/$(cat saved)" -type f -exec touch -d "-2 minutes" {} +
run 0 "gc" gc --grace 1h --store "$store"
mv saved served/bucket/volume-names/g
check "has kept what it needs" [ "$(content g)" = "$e" ]
run 0 "and all of it" volume verify g --store "$store"

# one that is made while gc is at work, which has seen no volume of that name, but not its snapshot either
owner e a open write 0 4096 7 commit checkpoint close
e=$(content e)
run 0 "a snapshot" snapshot create e four --store "$store"
until [[ ${first:-none} < $(cat served/bucket/volume-names/e) ]]; do
	[ -z "${first:-}" ] || "$ctl" volume rm first --store "$store" 2>err
	first=$("$ctl" volume create first --size 1M --store "$store")
done
age 7200

echo "path=volumes/$first/log latency=1500" >rules
: >requests
"${ctl%chunkctl}cc-httpd" --root served --port-file port --log requests --script rules --writable &
httpd=$!
trap 'kill $httpd; rm -rf "$dir"' EXIT
until [ -s port ]; do sleep 0.02; done
cat >s3.conf <<END
[store main]
url = s3://bucket
endpoint = http://127.0.0.1:$(cat port)
style = path
END
export AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b
"$ctl" gc --grace 1h --store main --config s3.conf >gc.out 2>gc.err &
gc=$!
for ((i = 0; i < 500; i++)); do grep -q "prefix=volumes[/%]" requests && break; sleep 0.02; done
run 0 "a clone" volume create h --from e@four --store "$store"
run 0 "its snapshot goes" snapshot rm e four --store "$store"
owner e a open zero 0 16384 commit checkpoint close
check "gc is at work still" kill -0 $gc
wait $gc
ok $? "gc ends well: $(cat gc.err)"
check "it has kept what the clone needs" [ "$(content h)" = "$e" ]
run 0 "and all of it" volume verify h --store "$store"

# nobody has anything any more
for name in e f g h first; do
	run 0 "$name goes" volume rm $name --store "$store"
done
age 7200
run 0 "gc" gc --grace 1h --store "$store"
check "nothing is left" [ "$(find served/bucket/volumes -type f | wc -l)" -eq 0 ]
end
