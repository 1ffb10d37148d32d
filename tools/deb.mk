# SPDX-License-Identifier: GPL-2.0-or-later
#
# Debian packages of the tree as it lies here, in build/deb: the source package (orig tarball and
# tools/debian) and what dpkg-buildpackage makes of it.  The version is that of ../Makefile; the
# maintainer is who builds, named as for dch.

DEB_REVISION ?= 1
DEBFULLNAME  ?= dm-chunkcache packages
DEBEMAIL     ?= packages@$(or $(shell hostname -d 2>/dev/null),chunkcache.example)
DEB_DIR       = $(abspath $(BUILD))/deb
DEB_TREE      = $(DEB_DIR)/chunkcache-$(VERSION)
DEB_SOURCE   := Kbuild Makefile LICENSE README.md Documentation drivers helper include tests tools
# Two builds of one commit are equal.
DEB_EPOCH     = $(shell git log -1 --format=%ct 2>/dev/null || stat -c %Y Documentation/NEWS)
DEB_TAR       = tar --sort=name --mtime=@$(DEB_EPOCH) --owner=0 --group=0 --numeric-owner --mode=go-w

.PHONY: deb deb-source

## make deb             Debian packages: helper and tools, module by DKMS (DEBFULLNAME=, DEBEMAIL=)
deb: deb-source
	cd $(DEB_TREE) && env -u MAKEFLAGS -u MAKELEVEL SOURCE_DATE_EPOCH=$(DEB_EPOCH) \
		dpkg-buildpackage -us -uc

deb-source:
	tests/setup.sh build deb
	rm -rf $(DEB_TREE)
	mkdir -p $(DEB_TREE)
	$(DEB_TAR) -cJf $(DEB_DIR)/chunkcache_$(VERSION).orig.tar.xz \
		--transform 's|^|chunkcache-$(VERSION)/|' $(DEB_SOURCE)
	tar -C $(DEB_DIR) -xf $(DEB_DIR)/chunkcache_$(VERSION).orig.tar.xz
	cp -a $(DEB_TREE)/tools/debian $(DEB_TREE)/
	mkdir $(DEB_TREE)/debian/source
	echo '3.0 (quilt)' >$(DEB_TREE)/debian/source/format
	sed -i '/^#/d; s|@MAINTAINER@|$(DEBFULLNAME) <$(DEBEMAIL)>|' $(DEB_TREE)/debian/control
	printf 'chunkcache (%s) unstable; urgency=medium\n\n  * See NEWS.\n\n -- %s  %s\n' \
		'$(VERSION)-$(DEB_REVISION)' '$(DEBFULLNAME) <$(DEBEMAIL)>' \
		"$$(date -Rud @$(DEB_EPOCH))" >$(DEB_TREE)/debian/changelog
