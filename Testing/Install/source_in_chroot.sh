#!/usr/bin/env bash
# Tries README's two commands on a fresh system in a folder of its own. As root; needs debootstrap and git.
#   bash Testing/Install/source_in_chroot.sh RELEASE [FOLDER]          e.g. bookworm, trixie, forky
# What is committed is tried. FOLDER (default: a temporary one, removed at the end) is empty or new, or left from a try
# that ended early; about 7 GB are written.
set -euo pipefail
release=$1
source=$(git -C "$(dirname "${BASH_SOURCE[0]}")" rev-parse --show-toplevel)
root=${2:-$(mktemp -d)}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

leave() {
  for folder in dev/shm dev/pts sys proc; do
    umount -l "$root/$folder" 2>/dev/null || true
  done
  [ -n "${keep:-}" ] || rm -rf --one-file-system "$root"
}
trap leave EXIT
[ -z "${2:-}" ] || keep=1
script=/usr/share/debootstrap/scripts/$release
[ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid  # a debootstrap older than the release
[ -e "$root/etc/debian_version" ] || debootstrap --variant=minbase "$release" "$root" "$mirror" "$script"
# A testing release of a mirror that stands still counts as expired after a week.
echo 'Acquire::Check-Valid-Until "false";' > "$root/etc/apt/apt.conf.d/99standing-mirror"
# MPI, X and ParaView need processes, shared memory and terminals; without /sys hwloc complains, which tests of the window
# take for an error.
mount -t proc proc "$root/proc"
mkdir -p "$root/dev/shm" "$root/dev/pts" "$root/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs tmpfs "$root/dev/shm"
mount -t devpts devpts "$root/dev/pts" 2>/dev/null || true
cp /etc/resolv.conf "$root/etc/resolv.conf"
rm -rf "$root/work"
git clone -q --no-hardlinks "$source" "$root/work"
run() {
  echo "== $*"
  local begin=$SECONDS
  chroot "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    bash -c "cd /work && $*" < /dev/null
  echo "== $*: $((SECONDS - begin)) s"
}
run bash Examples/quickstart.sh
run bash Testing/run.sh
