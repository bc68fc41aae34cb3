#!/bin/bash
# VS Code for the tests: code-server, which is VS Code served to a browser, Chromium, and our extension, packaged. Prints
# code-server's folder. What its own install scripts would download is built or taken from the system instead. What was
# installed is kept; delete the folder for a new one.
set -euo pipefail
home="${XDG_CACHE_HOME:-$HOME/.cache}/infill-ls-ci/code-server"
version=4.100.3                                        # VS Code 1.100, the last one for Node 20
command -v npm > /dev/null || { echo "Node.js 20 with npm is missing" >&2; exit 1; }
headers=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
export npm_config_loglevel=error npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false
if [ -d "$headers/include/node" ]; then export npm_config_nodedir="$headers"; fi

system_packages() {
  local missing=()
  command -v chromium > /dev/null || missing+=(chromium)
  command -v rg > /dev/null || missing+=(ripgrep)
  [ ${#missing[@]} = 0 ] || { apt-get -qq update; apt-get -qq install --yes --no-install-recommends "${missing[@]}"; }
}

dependencies() {           # what a folder's package.json asks for, without running anything of theirs
  (cd "$1" && npm install --omit=dev --ignore-scripts)
}

install_code_server() {
  rm -rf "$home" && mkdir -p "$home"
  echo '{"private": true}' > "$home/package.json"
  (cd "$home" && npm install --ignore-scripts "code-server@$version")
  local vscode="$home/node_modules/code-server/lib/vscode"
  dependencies "$vscode" & dependencies "$vscode/extensions" & wait -n; wait -n
  (cd "$home" && npm rebuild argon2) & (cd "$vscode" && npm rebuild native-watchdog @vscode/spdlog) & wait -n; wait -n
  (cd "$vscode/node_modules/node-pty" && npx --yes node-gyp rebuild)         # for VS Code's terminal
  for folder in "$vscode" "$vscode/extensions"; do ln -sfn node_modules "$folder/node_modules.asar"; done
  mkdir -p "$vscode/node_modules/@vscode/ripgrep/bin"
  ln -sf "$(command -v rg)" "$vscode/node_modules/@vscode/ripgrep/bin/rg"
}

package_extension() {
  (cd "$(dirname "$0")/../editor-clients/vscode" && npm ci && npm run package)
}

{
  system_packages
  if [ "$(cat "$home/installed" 2> /dev/null)" != "$version" ]; then
    install_code_server
    echo "$version" > "$home/installed"
  fi
  package_extension
  echo "code-server $version, $(chromium --version)"
} >&2
echo "$home"
