#!/bin/sh
# Makes the database on the first start, then runs PostgreSQL. Settings: POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE
# (one of them is required), POSTGRES_USER and POSTGRES_DB (both `voting` by default), PGDATA.
set -eu
user=${POSTGRES_USER:-voting}
database=${POSTGRES_DB:-voting}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
        POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
    fi
    if [ -z "${POSTGRES_PASSWORD:-}" ]; then
        echo "voting-db: no password: set POSTGRES_PASSWORD_FILE (a mounted secret) or POSTGRES_PASSWORD." >&2
        exit 1
    fi
    # Made beside its place and moved there whole, so that a start that was killed begins again.
    rm -rf "$PGDATA.new"
    (umask 077 && printf '%s' "$POSTGRES_PASSWORD" >"$PGDATA.password")
    initdb --pgdata "$PGDATA.new" --username "$user" --pwfile "$PGDATA.password" --auth scram-sha-256 --encoding UTF8 --locale C.UTF-8
    rm -f "$PGDATA.password"
    printf "listen_addresses = '*'\nunix_socket_directories = '/var/run/postgresql'\n" >>"$PGDATA.new/postgresql.conf"
    echo "host all all all scram-sha-256" >>"$PGDATA.new/pg_hba.conf"
    if [ "$database" != postgres ]; then
        # Single-user mode needs neither a socket nor the password.
        name=$(printf '%s' "$database" | sed 's/"/""/g')
        printf 'CREATE DATABASE "%s"\n' "$name" | postgres --single -D "$PGDATA.new" postgres >/dev/null
    fi
    mv "$PGDATA.new" "$PGDATA"
fi
unset POSTGRES_PASSWORD
exec postgres -D "$PGDATA" "$@"
