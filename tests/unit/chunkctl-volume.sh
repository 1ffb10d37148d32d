#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# chunkctl volume, with a store that nobody else uses.  TAP on stdout.

. "$(dirname "$0")/chunkctl.inc"

mkdir s
store=file://$dir/s
random 300000 >image
run 0 "import an image" import image --name i --chunk-size 64K --store "$store"
run 0 "no volume is listed as nothing" volume list --store "$store"
check "nothing" [ ! -s out ]
run 0 "create an empty one" volume create v --size 1G --store "$store"
uuid=$(cat out)
check "its first commit is there" [ -f "s/volumes/$uuid/log/0000000000000001" ]
check "its name" [ "$(cat s/volume-names/v)" = "$uuid" ]
check "the proof leaves nothing" [ "$(find s/volumes -type f | wc -l)" -eq 1 ]
refuse 1 "v: there is a volume of that name" volume create v --size 1G --store "$store"
refuse 2 "how large" volume create w --store "$store"
refuse 2 "--size: expected a multiple of 4096" volume create w --size 1000 --store "$store"
refuse 2 "expected a name of" volume create ../w --size 1G --store "$store"
refuse 2 "--chunk-size: expected a power of two" volume create w --size 1G --chunk-size 3M --store "$store"
refuse 2 "--chunk-size: expected what the image has" volume create w --image i --chunk-size 1M --store "$store"
refuse 2 "--size: expected at least the image's" volume create w --image i --size 64K --store "$store"
refuse 2 "--json: no such option" volume export w file --json --store "$store"
refuse 2 "'frob': no such command" volume frob --store "$store"
run 0 "create one on an image" volume create w --image i --json --store "$store"
check "what it says, as JSON" grep -qxE '\{"name":"w","uuid":"[0-9a-f-]{36}","bytes":303104,"chunk_bytes":65536\}' out
check "the UUID is its own" grep -q "$(cat s/volume-names/w)" out
run 0 "list" volume list --store "$store"
check "both" [ "$(grep -cE '^[vw] ' out)" -eq 2 ]
run 0 "show" volume show w --store "$store"
check "nobody has it open" grep -q "open         no" out
run 0 "show it as JSON" volume show w --json --store "$store"
check "its size" grep -q '"bytes":303104' out
check "its base" grep -q '"base":"sha256:' out
run 0 "by its UUID" volume show "$uuid" --json --store "$store"
check "it is that" grep -q '"bytes":1073741824' out
refuse 1 "nix: no such volume" volume show nix --store "$store"
run 0 "export" volume export w file --store "$store"
cp image expected
truncate -s 303104 expected
check "the image, up to a block" cmp -s file expected
run 0 "the image loses its name" rm i --store "$store"
run 0 "gc" gc --grace 0s --store "$store"
rm -f file
run 0 "export again" volume export w file --store "$store"
check "what is below a volume is in use" cmp -s file expected
refuse 1 "file: File exists" volume export w file --store "$store"
run 0 "verify" volume verify w --store "$store"
run 0 "verify, as JSON" volume verify w --json --store "$store"
check "the counts" grep -qx '{"name":"w","pieces":0,"bad":0,"unknown":0}' out
run 0 "resize" volume resize v --size 2G --store "$store"
check "it says nothing" [ ! -s out ]
run 0 "to what it is, as JSON" volume resize v --size 2G --json --store "$store"
check "its size" grep -qx '{"name":"v","bytes":2147483648}' out
run 0 "show" volume show v --json --store "$store"
check "the new size" grep -q '"bytes":2147483648' out
check "closed again" grep -q '"open":false' out
check "by three objects" [ "$(find "s/volumes/$uuid/log" -type f | wc -l)" -eq 4 ]
refuse 2 "--size: expected a multiple" volume resize v --size 1G --json --store "$store"
check "a refusal prints no JSON" [ ! -s out ]
refuse 2 "expected --as and a name" volume rescue w --store "$store"
refuse 2 "--store: expected the name of a \[store\] section" volume rescue w --as x --store "$store"
refuse 1 "w: no pool of this host" volume discard-local w --force --store "$store"
refuse 2 "--durability: expected local or store" volume up w --pool p --durability high
refuse 2 "no pool, store or feature may be given" volume up w --from-config --pool p
run 0 "rm" volume rm v --json --store "$store"
check "what is gone" grep -qx "{\"name\":\"v\",\"uuid\":\"$uuid\"}" out
check "nothing is left" [ -z "$(find "s/volumes/$uuid" -type f)" ]
refuse 1 "v: no such volume" volume rm v --store "$store"
log=s/volumes/$(cat s/volume-names/w)/log/0000000000000001
printf x | dd of="$log" bs=1 seek=100 conv=notrunc status=none
refuse 3 "damaged" volume show w --store "$store"
refuse 3 "damaged" volume rm w --store "$store"
run 0 "with --force it goes all the same" volume rm w --force --store "$store"
end
