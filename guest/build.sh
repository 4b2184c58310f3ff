#!/bin/sh
# Builds the guest's init and the host's TSC meter: build.sh OUT_DIR. Needs musl-gcc and nothing else;
# kernel headers are not used, so that the result does not depend on the machine it is built on.
set -eu
cd "$(dirname "$0")"
flags='-std=gnu17 -D_GNU_SOURCE -static -Os -s -Wall -Wextra -Werror -fdata-sections -ffunction-sections -Wl,--gc-sections'
mkdir -p "$1"
# shellcheck disable=SC2086
musl-gcc $flags -o "$1/init" init/*.c
# shellcheck disable=SC2086
musl-gcc $flags -o "$1/tsc" tsc.c
