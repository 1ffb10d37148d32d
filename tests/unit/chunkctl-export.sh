#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# chunkctl export: what is left when it is cut off, how it goes on, several chunks at once, onto devices.
# TAP on stdout.

. "$(dirname "$0")/chunkctl.inc"

random 1048576 >a
random 1048576 >other
truncate -s 3M image
dd if=a of=image bs=1M conv=notrunc status=none
dd if=a of=image bs=1M seek=8 conv=notrunc status=none
random 1024 >>image
exporter='' httpd='' loops=()
cleanup()
{
	kill $exporter $httpd
	[ ${#loops[@]} -eq 0 ] || losetup -d "${loops[@]}"
	rm -rf "$dir"
} 2>/dev/null
trap cleanup EXIT
mkdir f
formats=file://$dir/f
run 0 "an image" import image --name file --chunk-size 64K --store "$formats"
run 0 "another one" import other --name other --chunk-size 64K --store "$formats"

# ---- cut off ----
tail -c 1024 image >last
truncate -s 64K last
last=$(sha256sum <last | cut -c1-64)
part=out.img.$(cut -c8-23 f/images/file).partial
serve()
{
	rm -f port
	echo "$1" >rules
	: >requests
	"$(dirname "$ctl")/cc-httpd" --root f --port-file port --log requests --script rules &
	httpd=$!
	until [ -s port ]; do sleep 0.02; done
	http=http://127.0.0.1:$(cat port)
}
serve_no_more()
{
	kill $httpd
	wait $httpd 2>/dev/null
	httpd=
}
# All but the last chunk, for which the store is silent; of a part only the first half is there
export_most()
{
	[ ! -e "$part" ] || truncate -s 4M "$part"
	: >requests
	env --default-signal=INT "$ctl" export file out.img --jobs 3 --store "$http" >out 2>err &
	exporter=$!
	until cmp -sn 9437184 image "$part" 2>/dev/null; do sleep 0.02; done
}
gets() { grep -c "GET /chunks/" requests; }

serve "path=$last latency=100000"
for signal in INT TERM HUP; do
	export_most
	kill -$signal $exporter
	wait $exporter 2>/dev/null
	check "SIG$signal ends an export by that signal" [ $? -eq $((128 + $(kill -l $signal))) ]
	check "nothing has the name" [ ! -e out.img ]
	check "and it is said where the part is" grep -q "$part has what was written; the same" err
done
check "the last went on where the one before it was" [ "$(gets)" -le 18 ]
export_most
run 1 "another export to the file meanwhile" export file out.img --store "$formats"
check "is refused" grep -q "$part: another export writes it" err
kill $exporter
wait $exporter 2>/dev/null
serve_no_more
check "a part is as sparse as the image" [ "$(du -k "$part" | cut -f1)" -le 3000 ]
before=$(sha256sum <"$part")
run 0 "an export of another image to the file" export other out.img --store "$formats"
check "is that one" cmp out.img other
check "and leaves the part alone" [ "$(sha256sum <"$part")" = "$before" ]
rm out.img

# ---- resumed ----
# What is there is not asked for again, what is damaged is, and what is no hole any more becomes one
printf X | dd of="$part" bs=1 seek=70000 conv=notrunc status=none
random 65536 | dd of="$part" bs=1M seek=5 conv=notrunc status=none
truncate -s +1M "$part"
serve ""
run 0 "the next export goes on" export file out.img --store "$http"
check "with the two chunks that it lacks" [ "$(gets)" -eq 2 ]
check "to the right bytes" cmp out.img image
check "holes are holes" [ "$(du -k out.img | cut -f1)" -le 2200 ]
check "the part is no more" [ ! -e "$part" ]
refuse 1 "out.img: File exists" export file out.img --force --store "$http"
rm out.img
ln -s gone out.img
refuse 1 "out.img: File exists" export file out.img --store "$http"
rm out.img
for hostile in "ln -s image" "mkfifo" "ln image"; do
	# shellcheck disable=SC2086
	$hostile "$part"
	before=$(sha256sum image)
	run 1 "a part that is none of ours ($hostile)" export file out.img --store "$http"
	check "is left alone" [ "$(sha256sum image)" = "$before" -a ! -e out.img ]
	rm "$part"
done
serve_no_more
serve "path=$last latency=3000"
"$ctl" export file out.img --store "$http" >out 2>err &
exporter=$!
until cmp -sn 9437184 image "$part" 2>/dev/null; do sleep 0.02; done
echo mine >out.img
wait $exporter
check "a file that came meanwhile" [ $? -eq 1 ]
check "is not replaced" [ "$(cat out.img)" = mine ]
check "but refused" grep -q "out.img: File exists" err
rm out.img "$part"
serve_no_more

# ---- failed, and how many at once ----
serve "path=/chunks/ status=404"
run 3 "an export that fails at once" export file out.img --store "$http"
check "says so once" [ "$(wc -l <err)" -eq 1 ]
check "and leaves nothing" [ -z "$(ls out.img* 2>/dev/null)" ]
serve_no_more
(ulimit -f 1024; trap '' XFSZ; exec "$ctl" export file out.img --store "$formats") >out 2>err
check "a file system that can't have the file" [ $? -eq 1 ]
check "is named" grep -qE "out.img.*: File too large" err
check "and nothing is left" [ -z "$(ls out.img* 2>/dev/null)" ]
mkdir full
unprivileged "mount -t tmpfs -o size=1M none full" export file full/out.img --store "$formats"
check "one that becomes full" [ $? -eq 1 ]
check "is named, once" grep -qE "full/out.img: No space left on device" err
check "and where the part is" [ "$(wc -l <err)" -eq 2 -a "$(grep -c "full/$part has what was written" err)" -eq 1 ]
for jobs in 1 256; do
	run 0 "with --jobs $jobs" export file out.img --jobs $jobs --store "$formats"
	check "the same bytes" cmp out.img image
	rm out.img
done
refuse 2 "--jobs: expected a number from 1 to 256, got '257'" export file out.img --jobs 257 --store "$http"

# ---- devices ----
truncate -s 12M disk
truncate -s 4M small
if device=$(losetup -f --show disk 2>/dev/null); then
	small=$(losetup -f --show small)
	loops+=("$device" "$small")
	ln -s "$device" link
	refuse 1 "$small: has 4194304 bytes, the image has" export file "$small" --store "$formats"
	run 0 "export onto a device" export file link --store "$formats"
	check "the image" cmp -n "$(stat -c %s image)" disk image
	check "which is as sparse" [ "$(du -k disk | cut -f1)" -le 2200 ]
	random 12582912 >"$device"
	before=$(sha256sum <"$device")
	refuse 1 "$device: its first MiB is not all zeros; --force overwrites it" \
		export file "$device" --store "$formats"
	check "and has changed nothing" [ "$(sha256sum <"$device")" = "$before" ]
	run 0 "export over something else" export file "$device" --force --store "$formats"
	check "the image" cmp -n "$(stat -c %s image)" "$device" image
	check "nothing behind it" [ "$(tail -c 1M "$device" | tr -d '\0' | wc -c)" -gt 1000000 ]
else
	echo "# no loop device here: exports onto devices are not tested"
fi

end
