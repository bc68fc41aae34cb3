#!/bin/bash
# Vim with channels and virtual text, from the system's own packages: prints the path of vim.
set -euo pipefail
is_enough() {
  "${1:-false}" --clean -es -c "if !has('patch-9.0.1378') || !has('channel') || !has('textprop') | cquit | endif" -c 'qall!'
}

vim=$(command -v vim || true)
is_enough "$vim" || { apt-get -qq update; apt-get -qq install --yes --no-install-recommends vim; vim=$(command -v vim); } >&2
is_enough "$vim" || { echo "Vim 9.0.1378 with +channel and +textprop is needed" >&2; exit 1; }
"$vim" --version | head -2 >&2
echo "$vim"
