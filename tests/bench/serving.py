"""The real server with the model that is to be measured, and what it takes of the machine."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import platformdirs
import psutil

from lsp_server.models.packaged import packaged_model
from tests.bench.weights import SMALL, STARCODERBASE_1B, cached
from tests.wire import Server

ROOT = Path(__file__).parents[2]
DIMENSIONS = {"1b": STARCODERBASE_1B, "small": SMALL}
N_RANDOM_TOKENS = 16  # that random weights write
NO_TIME_LIMIT_MS = 600_000
READY_S = 300.0


def add_model_options(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--model", type=Path, metavar="FILE", help="a GGUF file instead of the model in the package")
    which.add_argument("--dimensions", choices=list(DIMENSIONS), help="random weights of that size, 16 tokens written")
    parser.add_argument("--quant", default="q4_0", help="of random weights (default: %(default)s)")
    parser.add_argument("--cache", type=Path, default=Path(platformdirs.user_cache_dir("infill-ls")) / "bench",
                        help="where random weights are kept (default: %(default)s)")  # fmt: skip
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting, as model.order=psm")


def model_file(options: argparse.Namespace) -> Path:
    if options.dimensions:
        return cached(options.cache, DIMENSIONS[options.dimensions], options.quant)
    return options.model or packaged_model()


def settings_of(options: argparse.Namespace) -> dict[str, Any]:
    """Those given on the command line, as JSON or as plain text, by their dotted keys."""
    settings: dict[str, Any] = {}
    for pair in options.set:
        key, _, value = pair.partition("=")
        try:
            settings[key] = json.loads(value)
        except ValueError:
            settings[key] = value
    return settings


@contextmanager
def running(options: argparse.Namespace, n_tokens: int | None = None, **settings: Any) -> Iterator[Server]:
    """A server with its model loaded, which finds nobody's settings and leaves nothing behind.

    With `n_tokens` every answer has so many; random weights always write `N_RANDOM_TOKENS`.
    """
    n_tokens = n_tokens or (N_RANDOM_TOKENS if options.dimensions else None)
    program = "tests.bench.fixed_length" if n_tokens else "lsp_server"
    length = {"suggest.maxTokens": n_tokens, "suggest.maxTimeMs": NO_TIME_LIMIT_MS} if n_tokens else {}
    given = {"model.path": str(model_file(options)), "log.file": "-", **length, **settings_of(options), **settings}
    with TemporaryDirectory() as home:
        homes = dict.fromkeys(("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"), home)
        env = {**homes, "PYTHONPATH": str(ROOT)}
        server = Server("--log-level=error", env=env, command=(sys.executable, "-m", program))
        try:
            server.initialize(initializationOptions={"infill": given})
            status = server.wait_for(_is_settled, READY_S)["params"]
            if status["state"] != "ready":
                raise SystemExit(status["message"])
            yield server
        finally:
            server.kill()


def _is_settled(message: Mapping[str, Any]) -> bool:
    return message.get("method") == "infill/status" and message["params"]["state"] in ("ready", "error")


def memory_mb(server: Server) -> dict[str, float]:
    """Resident, and of that what the server shares with nobody: the weights are mapped, and so shared."""
    used = psutil.Process(server.process.pid).memory_full_info()
    return {"resident": used.rss / 1e6, "own": used.uss / 1e6}


def load() -> float:
    """How many processes want a core, on average over the last minute."""
    return os.getloadavg()[0]
