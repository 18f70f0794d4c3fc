#!/bin/bash
# Boots a machine of its own on a host of a lab, with a real systemd: it has the files of this one,
# and what it writes is gone with it. It stays in the foreground until it is switched off.
#
#   LAB=mailpub lab.sh up
#   machine.sh NAME mailpub-lan        in another terminal, as root
#   nsenter -t PID -a systemctl ...    PID is that of its systemd: pgrep -P $(pgrep systemd-nspawn)
#
# It starts none of this machine's services, and its clock, kernel and network card are the host's.
# It needs Debian's systemd-container.
set -eu

name=$1 netns=$2
if [ "${3:-}" != inside ]; then # what is mounted below is seen and outlived by nobody
  exec unshare --mount --propagation private "$0" "$name" "$netns" inside
fi

top=/run/mailpub-lab/machine # others' are in other mount namespaces
mkdir -p $top
mount -t tmpfs -o size=4G,mode=755 tmpfs $top
mkdir $top/upper $top/work $top/root
mount -t overlay -o lowerdir=/,upperdir=$top/upper,workdir=$top/work overlay $top/root
rm -rf $top/root/etc/systemd/system/*.wants $top/root/usr/sbin/policy-rc.d
find $top/root/lib/systemd/system-generators/ -type f ! -name 'postfix*' -delete # they take a second of each reload
: >$top/root/etc/machine-id

boot() { # OPTION...
  exec systemd-nspawn "$@" --quiet --boot --register=no --machine="$name" --directory=$top/root --network-namespace-path="/run/netns/$netns" \
  --capability=CAP_NET_ADMIN --resolv-conf=off --timezone=off --link-journal=no --console=pipe --notify-ready=yes systemd.unit=multi-user.target
}
if [ -d /run/systemd/system ]; then
  boot # the systemd of this machine gives it a place
fi

# Without one the machine gets cgroups of its own here, whatever kinds there are.
groups=
for at in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
  if [ -e $at/cgroup.procs ]; then
    mkdir "$at/$name"
    groups="$groups $at/$name"
  fi
done
rc=0
(
  for g in $groups; do echo $BASHPID >"$g/cgroup.procs"; done
  boot --keep-unit
) || rc=$?
for g in $groups; do
  for _ in {1..50}; do # what ran in them may still be ending
    find "$g" -depth -type d -exec rmdir {} + 2>/dev/null && break
    sleep 0.1
  done
done
exit $rc
