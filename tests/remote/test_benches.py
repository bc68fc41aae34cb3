"""The measuring programs run: the figures themselves are for a machine with nothing else to do."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from tests.bench.remote_soak import soak

CHECKOUT = Path(__file__).parent.parent.parent


def ran(module: str, *arguments: str) -> str:
    command = [sys.executable, "-m", f"tests.bench.{module}", *arguments]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=100).stdout


def test_a_short_soak_leaves_nothing_behind():
    counts = asyncio.run(soak(150, seed=2))
    assert counts["answered"] + counts["cancelled"] == 150
    assert counts["leaked"] == 0


def test_typists_put_a_load_on_a_server(llama_cpp):
    printed = ran("load", llama_cpp, "--typists", "2", "--seconds", "2", "--prompt-tokens", "300")
    assert "2 typists" in printed and "to the first token  p50" in printed


def test_the_own_share_of_a_request_is_measured():
    assert "own share" in ran("remote_overhead", "--requests", "60", "--lines", "400")
