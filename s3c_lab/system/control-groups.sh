# Sourced first by a container that is a machine: its mounts, control groups and packet filter are its own.
# shellcheck shell=bash
mount --make-rshared /
mount -o remount,rw,bind /sys

if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  mount -o remount,rw,bind /sys/fs/cgroup
  # A group with children may hold no processes of its own once its controllers are handed on.
  mkdir -p /sys/fs/cgroup/init
  while read -r pid; do echo "$pid" >/sys/fs/cgroup/init/cgroup.procs 2>/dev/null || true; done </sys/fs/cgroup/cgroup.procs
  for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
    echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null || true
  done
else
  for group in /sys/fs/cgroup/*/; do mount -o remount,rw,bind "$group" 2>/dev/null || true; done
fi

# Whichever of the two the kernel has.
iptables -t nat -L -n >/dev/null 2>&1 || update-alternatives --set iptables /usr/sbin/iptables-legacy >/dev/null
