#!/bin/sh
set -e

# `docker run redis --appendonly yes` or `docker run redis /etc/redis.conf` runs redis-server.
if [ "${1#-}" != "$1" ] || [ "${1%.conf}" != "$1" ]; then
  set -- redis-server "$@"
fi

if [ "$1" = 'redis-server' ] && [ "$(id -u)" = '0' ]; then
  find . \! -user redis -exec chown redis '{}' +
  exec gosu redis "$0" "$@"
fi

# Docker's redis is compiled with protected mode off by default; Debian's needs to be told.
if [ "$1" = 'redis-server' ] && [ $# -eq 1 ]; then
  set -- "$@" --protected-mode no
fi

umask 0077
exec "$@"
