#!/bin/sh
set -e
# `docker run image app.js` or `docker run image --version` runs node; a command is run as it is.
if [ "${1#-}" != "${1}" ] || [ -z "$(command -v "${1}")" ] || { [ -f "${1}" ] && ! [ -x "${1}" ]; }; then
  set -- node "$@"
fi
exec "$@"
