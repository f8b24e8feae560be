#!/bin/bash
# Starts the names and the Docker of a runner, and ends when one of them ends. Its folder is /etc/s3c-runner.
set -euo pipefail
etc=/etc/s3c-runner
. /s3c-control-groups.sh

# Addresses for documentation (RFC 5737). They are not of the loopback network, so that containers reach them as well.
ip addr add "$(cat $etc/resolver)/32" dev lo
ip addr add "$(cat $etc/services)/32" dev lo

dnsmasq --keep-in-foreground --conf-file=$etc/dnsmasq.conf >/var/log/dnsmasq.log 2>&1 &
dockerd >/var/log/dockerd.log 2>&1 &
trap 'exit 0' TERM INT
wait -n || true
tail -n 20 /var/log/dnsmasq.log /var/log/dockerd.log >&2
exit 1
