#!/bin/bash
# Emacs, eglot and tmux from this system's packages, and lsp-mode 10 from a newer Debian suite, unpacked and compiled beside
# the system. Prints lsp-mode's folder. The suite moves, so what was downloaded is kept, with its version; delete the folder
# for a newer one.
set -euo pipefail
home="${XDG_CACHE_HOME:-$HOME/.cache}/infill-ls-ci/lsp-mode"
suite="${INFILL_DEBIAN_SUITE:-forky}"
needed=(emacs-nox tmux elpa-dash elpa-f elpa-ht elpa-lv elpa-markdown-mode elpa-package-lint elpa-s elpa-spinner)

system_packages() {
  apt-cache show elpa-eglot > /dev/null 2>&1 && needed+=(elpa-eglot)      # Emacs 29 has its own
  dpkg --status "${needed[@]}" > /dev/null 2>&1 && return
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends "${needed[@]}"
}

archive_of_this_system() {   # from the deb822 files, or the one-line format before them
  cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list /etc/apt/sources.list 2>/dev/null |
    grep -oE '^(URIs:|deb )[^#]*' | grep -oE '(https?|mirror|file|copy):[^ ]+/debian/?( |$)' | head -1 | tr -d ' ' || true
}

private_apt() {              # apt-get with its own lists and an empty list of installed packages
  APT_CONFIG="$home/apt.conf" apt-get -qq "$@"
}

download() {
  rm -rf "$home" && mkdir -p "$home"/{lists/partial,cache/archives/partial}
  : > "$home/status"
  local archive; archive=$(archive_of_this_system)
  [ -n "$archive" ] || { echo "no Debian archive among this system's apt sources"; return 1; }
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive $suite main" > "$home/sources.list"
  cat > "$home/apt.conf" <<CONF
Dir::Etc::sourcelist "$home/sources.list"; Dir::Etc::sourceparts "-"; Dir::State::lists "$home/lists";
Dir::State::status "$home/status"; Dir::Cache "$home/cache"; Acquire::Languages "none"; Acquire::Retries "3";
APT::Sandbox::User "root"; Debug::NoLocking "1";
CONF
  private_apt update
  (cd "$home" && private_apt download elpa-lsp-mode)
}

unpack() {                   # what the tests load is compiled: lsp-mode's sources take seconds to read
  dpkg-deb --extract "$home"/elpa-lsp-mode_*.deb "$home/unpacked"
  mv "$home"/unpacked/usr/share/emacs/site-lisp/elpa-src/lsp-mode-* "$home/lsp-mode"
  (cd "$home/lsp-mode" && emacs -Q --batch --eval '(setq byte-compile-warnings nil)' \
    --eval '(progn (require (quote package)) (push "/usr/share/emacs/site-lisp/elpa" package-directory-list))' \
    --eval '(package-initialize)' --directory . --funcall batch-byte-compile \
    lsp-protocol.el lsp-mode.el lsp-completion.el lsp-diagnostics.el lsp-inline-completion.el)
}

{
  system_packages
  if [ ! -s "$home/version.txt" ]; then
    download
    unpack
    dpkg-deb --show "$home"/elpa-lsp-mode_*.deb > "$home/version.txt"
  fi
  emacs --version | head -1; cat "$home/version.txt"
} >&2
echo "$home/lsp-mode"
