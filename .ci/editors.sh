#!/bin/bash
# The tests in real editors. INFILL_CI: an editor that is missing fails them.
set -euo pipefail
export INFILL_CI=1 INFILL_NVIM INFILL_NVIM_OLD INFILL_VIM INFILL_CODE_SERVER INFILL_LSP_MODE
INFILL_NVIM=$(cat "$SCRATCH/nvim")
INFILL_NVIM_OLD=$(cat "$SCRATCH/nvim-old")
INFILL_VIM=$(cat "$SCRATCH/vim")
INFILL_CODE_SERVER=$(cat "$SCRATCH/code-server")
INFILL_LSP_MODE=$(cat "$SCRATCH/lsp-mode")
.venv/bin/pip install -e '.[dev,editors]'
.venv/bin/pytest tests/editors --junitxml="$SCRATCH/editors.xml" --durations=5
