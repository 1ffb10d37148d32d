#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The replacement policy keeps what is asked of it on generated traces.

here=$(dirname "$0")
exec "$here/../bench/compare-policies" --check
