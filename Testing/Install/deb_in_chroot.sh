#!/usr/bin/env bash
# Tries the Debian package on a fresh system in a folder of its own. As root; needs debootstrap.
#   bash Testing/Install/deb_in_chroot.sh RELEASE PACKAGE.deb [FOLDER]
#   e.g. bash Testing/Install/deb_in_chroot.sh bookworm build/lvlm-interpret_0.1.0_amd64.deb
# FOLDER (default: a temporary one, removed at the end) is empty or new; about 3 GB are written.
set -euo pipefail
release=$1
package=$(realpath "$2")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
picture="$here/../../Models/TinyLlava/scenes/star_left_of_circle.png"
root=${3:-$(mktemp -d)}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

leave() {
  umount -l "$root/proc" 2>/dev/null || true
  [ -n "${keep:-}" ] || rm -rf --one-file-system "$root"
}
trap leave EXIT
[ -z "${3:-}" ] || keep=1
debootstrap --variant=minbase "$release" "$root" "$mirror"
# ParaView asks /proc for the path of its own program.
mount -t proc proc "$root/proc" 2>/dev/null || echo "no /proc in the chroot: going on without"
mkdir -p "$root/work"
cp "$package" "$picture" "$here"/check_deb.sh "$here"/listed.py "$here"/ask.py "$root/work"
chroot "$root" bash /work/check_deb.sh "/work/$(basename "$package")" "/work/$(basename "$picture")"
