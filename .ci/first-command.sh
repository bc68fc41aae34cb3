#!/bin/bash
# The README's first command, as a newcomer has it: a fresh clone, a fresh environment.
set -euo pipefail
[ -z "$(git status --porcelain)" ] || echo "note: what is not committed is not in the clone"
git clone --quiet . "$SCRATCH/clone"
cd "$SCRATCH/clone"
TIMEFORMAT='the whole command: %R s'
time bash -eo pipefail -c "$1"
suggestion="${1##* && } --json"     # the second time by itself, once everything is installed
TIMEFORMAT='that again, from a running shell: %R s'
time bash -c "$suggestion" | python3 -c '
import json, sys
answer = json.load(sys.stdin)
print("suggested in {elapsed_ms} ms: {suggestion!r}".format(**answer))
sys.exit(not answer["suggestion"].strip())'
