#!/usr/bin/env bash
# Installs what building and testing needs on Debian 12 and later. As root, or with sudo.
set -euo pipefail
sudo=()
[ "$(id -u)" -eq 0 ] || sudo=(sudo)
installed() {
  dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q '^install ok installed'
}

# The lists of a fresh system are empty: they tell what ParaView was built with.
installed paraview || "${sudo[@]}" apt-get update -q
packages=(
  # ParaView with its headers, LibTorch, oneDNN for its products, OpenCV, JSON, text. Not python3-vtk9, which has files of
  # the same names as python3-paraview.
  paraview paraview-dev python3-paraview libtorch-dev libdnnl-dev libopencv-dev nlohmann-json3-dev libicu-dev libonig-dev
  # Picture files.
  libpng-dev libjpeg-dev libtiff-dev libwebp-dev libgif-dev liblcms2-dev
  libopenmpi-dev openmpi-bin
  # What ParaView's rendering and Qt components ask for.
  libglew-dev libx11-dev libfreetype-dev libboost-dev libxml2-dev libnetcdf-dev libhdf5-openmpi-dev
  # Tools: build, compiler cache, X server for pictures and GUI tests.
  cmake ninja-build g++ ccache pkg-config xvfb xauth xdotool imagemagick fonts-dejavu-core python3-numpy python3-pil
  # The page in the browser and its test: a browser, and pip for trame.
  chromium python3-pip
  # Notebooks and their test.
  python3-nbclient python3-ipykernel python3-pandas
)
paraview=$(apt-cache show paraview)
# ParaView may bring its own VTK, or stand on the system's.
if [[ "$paraview" == *libvtk9* ]]; then
  packages+=(libvtk9-dev libvtk9-qt-dev)
fi
# The Qt of this ParaView. Without its SVG plugins ParaView's own toolbars show no icons.
if [[ "$paraview" == *libqt6core6* ]]; then
  packages+=(qt6-base-dev qt6-5compat-dev qt6-svg-dev qt6-tools-dev qt6-tools-dev-tools qt6-svg-plugins xsltproc)
else
  packages+=(qtbase5-dev libqt5opengl5-dev libqt5svg5 qttools5-dev qtxmlpatterns5-dev-tools)
fi
missing=()
for package in "${packages[@]}"; do
  installed "$package" || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
  echo "Installing ${#missing[@]} packages with apt-get ..."
  "${sudo[@]}" apt-get update -q
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
fi
