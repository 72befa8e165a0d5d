#!/usr/bin/env bash
# Installs what building and testing needs on Debian 12. As root, or with sudo.
set -euo pipefail
packages=(
  # ParaView with its headers, LibTorch, oneDNN for its products, OpenCV, JSON, text.
  paraview paraview-dev python3-paraview libtorch-dev libdnnl-dev libopencv-dev nlohmann-json3-dev libicu-dev libonig-dev
  # Picture files.
  libpng-dev libjpeg-dev libtiff-dev libwebp-dev libgif-dev liblcms2-dev
  libopenmpi-dev openmpi-bin
  # What ParaView's rendering and Qt components ask for.
  qtbase5-dev libqt5opengl5-dev libglew-dev libx11-dev libfreetype-dev libboost-dev libxml2-dev libicu-dev
  libnetcdf-dev libhdf5-openmpi-dev qttools5-dev qtxmlpatterns5-dev-tools
  # Without it ParaView's own toolbars show no icons.
  libqt5svg5
  # Tools: build, compiler cache, X server for pictures and GUI tests.
  cmake ninja-build g++ ccache pkg-config xvfb xauth xdotool imagemagick fonts-dejavu-core python3-numpy python3-pil
  # The page in the browser and its test: a browser, and pip for trame.
  chromium python3-pip
  # Notebooks and their test.
  python3-nbclient python3-ipykernel python3-pandas
)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
  sudo=()
  [ "$(id -u)" -eq 0 ] || sudo=(sudo)
  echo "Installing ${#missing[@]} packages with apt-get ..."
  "${sudo[@]}" apt-get update -q
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
fi
