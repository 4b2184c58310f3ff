#!/usr/bin/env bash
# The contract of docker-library's postgres: POSTGRES_USER, _PASSWORD, _DB, _HOST_AUTH_METHOD, _INITDB_ARGS,
# each also as NAME_FILE, and /docker-entrypoint-initdb.d/*.{sh,sql,sql.gz,sql.zst}.
set -Eeo pipefail

from_file() { # a value may be given as a file, for secrets
  local name="$1" file="${1}_FILE"
  if [ -n "${!name:-}" ] && [ -n "${!file:-}" ]; then
    echo >&2 "error: both $name and $file are set"
    exit 1
  fi
  if [ -n "${!file:-}" ]; then export "$name"="$(<"${!file}")"; fi
  if [ -z "${!name:-}" ] && [ -n "${2:-}" ]; then export "$name"="$2"; fi
  unset "$file"
}

give_to_postgres() {
  mkdir -p "$PGDATA" /var/run/postgresql
  chmod 00700 "$PGDATA" || :
  chmod 03775 /var/run/postgresql || :
  find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
  find /var/run/postgresql \! -user postgres -exec chown postgres '{}' +
}

check_password() {
  if [ -z "$POSTGRES_PASSWORD" ] && [ "$POSTGRES_HOST_AUTH_METHOD" != 'trust' ]; then
    echo >&2 'Error: Database is uninitialized and superuser password is not specified.'
    echo >&2 '       Give POSTGRES_PASSWORD a value, or POSTGRES_HOST_AUTH_METHOD=trust (not recommended).'
    exit 1
  fi
}

query() { PGHOST= PGHOSTADDR= psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --no-password "$@"; }

run_scripts() {
  local script
  for script; do
    case "$script" in
      *.sh) if [ -x "$script" ]; then "$script"; else . "$script"; fi ;;
      *.sql) query --dbname "$POSTGRES_DB" -f "$script" ;;
      *.sql.gz) gunzip -c "$script" | query --dbname "$POSTGRES_DB" ;;
      *.sql.zst) zstd -dc "$script" | query --dbname "$POSTGRES_DB" ;;
      *) echo "ignoring $script" ;;
    esac
  done
}

first_start() {
  check_password
  eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") '"$POSTGRES_INITDB_ARGS"
  printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
  # On the Unix socket only: nobody can connect before the set-up is done.
  PGUSER="$POSTGRES_USER" pg_ctl -D "$PGDATA" -o "-c listen_addresses='' -p 5432" -w start
  if [ "$POSTGRES_DB" != 'postgres' ]; then
    query --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db" ;'
  fi
  export PGPASSWORD="$POSTGRES_PASSWORD"
  shopt -s nullglob
  run_scripts /docker-entrypoint-initdb.d/*
  shopt -u nullglob
  PGUSER="$POSTGRES_USER" pg_ctl -D "$PGDATA" -m fast -w stop
  unset PGPASSWORD
  echo 'PostgreSQL init process complete; ready for start up.'
}

if [ "${1:0:1}" = '-' ]; then set -- postgres "$@"; fi
if [ "$1" = 'postgres' ]; then
  from_file POSTGRES_PASSWORD
  from_file POSTGRES_USER postgres
  from_file POSTGRES_DB "$POSTGRES_USER"
  from_file POSTGRES_INITDB_ARGS
  from_file POSTGRES_HOST_AUTH_METHOD
  if [ "$(id -u)" = '0' ]; then
    give_to_postgres
    exec gosu postgres "$BASH_SOURCE" "$@"
  fi
  if [ ! -s "$PGDATA/PG_VERSION" ]; then first_start; fi
fi
exec "$@"
