# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Suites of Debian's archive beside those that the host's apt knows, from the mirror that it knows:
# each with sources, lists and state of its own in the cache, so that nothing of the host's changes.
# Sourced by bash after lib.sh.

# Lists that are older are fetched again.
ARCHIVE_MINUTES=1440

# The mirror of the host's own sources, as the lists say that were fetched from it.
archive_mirror() {
	apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
		sed -n 's/^Debian|Debian|//p' | head -1
}

# archive_apt SUITE COMMAND [ARGS] : apt-get or apt-cache for that suite; without one, for the host's own
archive_apt() {
	local dir=$CACHE/apt/$1 command=$2 options=()

	[ -z "$1" ] || options=(-o Dir::Etc::SourceList="$dir/sources" -o Dir::Etc::SourceParts=/dev/null
		-o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
		-o Dir::State::Lists="$dir/lists" -o Dir::State::status=/dev/null -o Dir::Cache="$dir"
		-o APT::Default-Release=)
	shift 2
	"$command" -o APT::Sandbox::User=root "${options[@]}" "$@"
}

# archive_lists SUITE : makes them ready; old ones are better than none
archive_lists() {
	local dir=$CACHE/apt/$1 keyring=/usr/share/keyrings/debian-archive-keyring.gpg mirror signed=''

	[ -n "$1" ] || return 0
	[ -z "$(find "$dir/fetched" -mmin "-$ARCHIVE_MINUTES" 2>/dev/null)" ] || return 0
	mirror=$(archive_mirror)
	[ -n "$mirror" ] || { say "apt knows no Debian archive: does apt-get update help?"; return 1; }
	[ ! -e "$keyring" ] || signed="[signed-by=$keyring] "
	mkdir -p "$dir/lists/partial" "$dir/archives/partial"
	echo "deb $signed$mirror $1 main" >"$dir/sources"
	if archive_apt "$1" apt-get -qq --error-on=any update >&2; then
		touch "$dir/fetched"
	else
		say "cannot fetch the package lists of $1"
		[ -e "$dir/fetched" ]
	fi
}

# archive_field SUITE PACKAGE FIELD : of the candidate
archive_field() {
	archive_apt "$1" apt-cache show --no-all-versions "$2" 2>/dev/null |
		sed -n "s/^$3: //p" | head -1
}

# archive_download SUITE PACKAGE[=VERSION]... : the .deb files, into the current directory
archive_download() {
	local suite=$1

	shift
	archive_apt "$suite" apt-get -qq download "$@"
}
