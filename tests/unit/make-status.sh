#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Who runs `make TARGET` learns by its exit status whether that passed: each target of `make help` and of
# the README, in a copy of the tree, once as it should be and once for each way to fail.  Recipes and the scripts
# that they run are the real ones; what is slow at their ends (compiler, VMs, measurements, single
# checks) are stubs that end with the status they are told.  Of demo, check-install, check-model and check-s3 only
# the recipe is real.

set -u
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
tree=$dir/tree bin=$dir/bin
nr=0 failed=0

# target | VARIABLE=VALUE that makes it fail, each by itself; - : nothing can
targets=(
	"all|CC_STATUS=1 KBUILD_STATUS=1"
	"user|CC_STATUS=1"
	"module|KBUILD_STATUS=1"
	"help|-"
	"install|CC_STATUS=1 DESTDIR=/dev/null"
	"install-module|KBUILD_STATUS=1"
	"uninstall|DESTDIR=$dir/odd"
	"deb|SETUP_STATUS=1 DEB_STATUS=1"
	"setup|SETUP_STATUS=1"
	"check|SETUP_STATUS=1 UNIT_STATUS=1 VM_STATUS=1 SELFTEST_STATUS=1"
	"check-unit|CC_STATUS=1 UNIT_STATUS=1"
	"check-vm|VM_STATUS=1 VM_STATUS=124 SELFTEST_STATUS=1 KBUILD_STATUS=1"
	"check-vm-newest|VM_STATUS=1 KBUILD_STATUS=1"
	"check-vm-6.1|VM_STATUS=1 KBUILD_STATUS=1"
	"check-uml|VM_STATUS=1 SELFTEST_STATUS=1 PART_STATUS=1"
	"check-debug|VM_STATUS=1 SELFTEST_STATUS=1"
	"check-kcsan|VM_STATUS=1 SELFTEST_STATUS=1"
	"check-crash|SETUP_STATUS=1 VM_STATUS=1 PART_STATUS=1"
	"check-mutants|SETUP_STATUS=1 JUDGE_STATUS=1"
	"check-model|SETUP_STATUS=1 PART_STATUS=1"
	"check-s3|SETUP_STATUS=1 PART_STATUS=1"
	"check-install|SETUP_STATUS=1 PART_STATUS=1"
	"lint|SETUP_STATUS=1 LINT_STATUS=1"
	"fuzz|SETUP_STATUS=1 CC_STATUS=1 UNIT_STATUS=1"
	"demo|SETUP_STATUS=1 PART_STATUS=1"
	"bench|SETUP_STATUS=1 CC_STATUS=1 VM_STATUS=1 POLICY_STATUS=1 REPORT_STATUS=1"
	"bench-fetch|SETUP_STATUS=1 CC_STATUS=1 FIGURE=2 MEASURE_STATUS=1"
	"bench-boot|SETUP_STATUS=1 CC_STATUS=1 FIGURE=2 MEASURE_STATUS=1"
	"bench-volume|SETUP_STATUS=1 CC_STATUS=1 KBUILD_STATUS=1 FIGURE=2 MEASURE_STATUS=1"
)

ok() {
	nr=$((nr + 1))
	if [ "$1" = 0 ]; then
		echo "ok $nr - $2"
	else
		echo "not ok $nr - $2"
		failed=1
	fi
}

# stub FILE LINE... : a script
stub() {
	local file=$1

	shift
	mkdir -p "${file%/*}"
	printf '%s\n' '#!/bin/sh' "$@" >"$file"
	chmod 755 "$file"
}

# before FILE PATTERN LINE... : those come before the first line that starts so, which must be there
before() {
	local file=$1 pattern=$2 line

	shift 2
	line=$(grep -n -m 1 -- "^$pattern" "$file" | cut -d : -f 1)
	[ -n "$line" ] || { echo "Bail out! $file: no line starts with $pattern"; exit 1; }
	sed -i "$((line - 1))r /dev/stdin" "$file" < <(printf '%s\n' "$@")
}

# ---- the copy ----

copy_tree() {
	local f

	mkdir -p "$tree" "$dir/odd/usr/local/sbin/chunkctl"
	cp -a Makefile Kbuild LICENSE README.md Documentation drivers helper include tests tools "$tree"
	# few of each: one end is like the other
	find "$tree/tests/unit" -type f ! -name test-policy.c -delete
	find "$tree/tests/tools" -maxdepth 1 -name '*.c' ! -name 'cc-[hikmqr]*' ! -name cc-page.c ! -name 'cc-vol*.c' -delete
	stub "$tree/tests/unit/stub.sh" "exit \${UNIT_STATUS:-0}"
	find "$tree/tests/fuzz" -name 'fuzz-*.c' ! -name fuzz-zstd.c -delete
	find "$tree/tests/mutants" -name '*.patch' ! -name '0[12]-*' -delete
	find "$tree/tests/blackbox" -name '[0-9]*.sh' -delete
	for f in 001 191 231 232; do
		stub "$tree/tests/blackbox/$f-a.sh" "# kernels: 6.12 6.1 newest uml debug kcsan"
	done
	echo 1 >"$tree/tests/vm/cases"
}

stub_tools() {
	stub "$bin/cc" "[ \"\${CC_STATUS:-0}\" = 0 ] || exit 1" \
		"while [ \$# -gt 0 ]; do [ \"\$1\" != -o ] || out=\$2; shift; done" \
		"{ echo '#!/bin/sh'; echo 'exit \${UNIT_STATUS:-0}'; } >\"\$out\"; chmod 755 \"\$out\""
	# a fuzzer has to have had inputs
	sed "s/echo 'exit/echo '[ \$# = 0 ] || echo stat::number_of_executed_units: 1; exit/" "$bin/cc" >"$bin/clang"
	chmod 755 "$bin/clang"
	stub "$bin/ar" ": >\"\$2\""
	stub "$bin/pkg-config" :
	stub "$bin/dpkg-buildpackage" "exit \${DEB_STATUS:-0}"
	mkdir -p "$dir/kdir"
	printf '%s\n' modules: $'\t@test "$${KBUILD_STATUS:-0}" = 0' \
		$'\t@mkdir -p $(M) && touch $(M)/dm-chunkcache.ko' modules_install: >"$dir/kdir/Makefile"
}

stub_ends() {
	local f kernel="echo K_NAME=x K_LABEL=\$1 K_ARCH=x86 K_RELEASE=6 K_IMAGE=x K_ROOT=x K_KDIR=$dir/kdir K_KARGS="

	stub "$tree/tests/setup.sh" "exit \${SETUP_STATUS:-0}"
	stub "$tree/tests/vm/vm" "exit \${VM_STATUS:-0}"
	stub "$tree/tests/vm/kernel" "$kernel"
	stub "$tree/tests/vm/selftest" "exit \${SELFTEST_STATUS:-0}"
	stub "$tree/tests/vm/detect/run" "exit \${SELFTEST_STATUS:-0}"
	stub "$tree/tests/bench/report" "exit \${REPORT_STATUS:-0}"
	stub "$tree/tests/bench/compare-policies" "exit \${POLICY_STATUS:-0}"
	for f in demo install kill model s3; do
		stub "$tree/tests/$f/run" "exit \${PART_STATUS:-0}"
	done
	before "$tree/tests/lint/run" 'wanted=()' 'checks() { echo stub; }' \
		"check_stub() { return \${LINT_STATUS:-0}; }"
	before "$tree/tests/mutants/run" 'jobs=2' "judge() { said=; return \${JUDGE_STATUS:-0}; }"
	for f in boot fetch volume; do
		before "$tree/tests/bench/$f/run" "\[ \$# -gt 0 \] || set --" "set -- stub" \
			"measure_stub() { figure stub \${FIGURE:-1} '<= 1'; return \${MEASURE_STATUS:-0}; }"
	done
}

# ---- what is run ----

# run TARGET [VARIABLE=VALUE] : sets $status; what cannot be built is built from nothing
run() {
	local variables=("DESTDIR=$dir/dest")

	case ${2:-} in
	DESTDIR=*) variables=("$2") ;;
	CC_STATUS=* | KBUILD_STATUS=*) mv "$tree/build" "$dir/built" ;;
	esac
	(cd "$tree" && env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u BUILD -u SANITIZE -u CHUNKCACHE_BUILD \
		CHUNKCACHE_CACHE="$dir/cache" PATH="$bin:$PATH" ${2:+"$2"} \
		make CC=cc KVER=stub KDIR="$dir/kdir" QUICK_6_1=1 QUICK_NEWEST=1 "${variables[@]}" "$1") >"$dir/out" 2>&1 </dev/null
	status=$?
	[ ! -e "$dir/built" ] || { rm -rf "$tree/build" && mv "$dir/built" "$tree/build"; }
}

check_target() {
	local target=$1 ways=$2 way

	run "$target"
	ok $status "make $target passes: status $status"
	[ $status = 0 ] || tail -n 5 "$dir/out" | sed 's/^/# /'
	[ "$ways" != - ] || return 0
	for way in $ways; do
		run "$target" "$way"
		ok $((status == 0)) "make $target fails with $way: status $status"
	done
}

# The names are those of `make help` and README, and none is forgotten.
check_names() {
	local name

	# shellcheck disable=SC2013 # words
	for name in $({ sed -n 's/^## make  *\([a-z][-a-z0-9.]*\)  .*/\1/p' Makefile tests/tests.mk tools/deb.mk
			grep -ohE '(^|[` &])make [a-z][-a-z0-9.]*' README.md | sed 's/.*make //'; } | sort -u); do
		printf '%s\n' "${targets[@]}" | grep -q "^$name|"
		ok $? "make $name is looked at"
	done
}

copy_tree
stub_tools
stub_ends
check_names
for line in "${targets[@]}"; do
	[ $# -gt 0 ] && [ "${line%%|*}" != "$1" ] && continue
	check_target "${line%%|*}" "${line#*|}"
done
echo "1..$nr"
exit $failed
