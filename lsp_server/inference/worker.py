"""The process in which ctransformers runs: a program of its own, started by its path, that imports nothing of ours.

It reads requests from stdin and writes one answer to each to stdout. Both are frames: the length of what follows, 4
bytes, little-endian; then a byte that says what it is; then its data.

    request   L  load      JSON: path, type, n_context, n_threads
              E  evaluate  the length of the sequence to keep, then the ids to append to it, 4 bytes each
              G  get       nothing: the logits after the last id
    answer    +  done      after L: JSON n_vocab, n_context; after G: float32 numbers; after E: nothing
              -  failed    a sentence
              !  missing   a sentence: there is no ctransformers here, or none that runs on this computer
"""

from __future__ import annotations

import json
import os
import struct
import sys
from ctypes import c_int, string_at
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

LOAD, EVALUATE, GET = b"L", b"E", b"G"
DONE, FAILED, MISSING = b"+", b"-", b"!"
LENGTH = struct.Struct("<I")


def read_frame(pipe: BinaryIO) -> bytes:
    """Raises EOFError where the other side is gone."""
    return _exactly(pipe, LENGTH.unpack(_exactly(pipe, LENGTH.size))[0])


def write_frame(pipe: BinaryIO, content: bytes) -> None:
    pipe.write(LENGTH.pack(len(content)) + content)
    pipe.flush()


def _exactly(pipe: BinaryIO, n_bytes: int) -> bytes:
    content = pipe.read(n_bytes)
    if len(content) < n_bytes:
        raise EOFError
    return content


def _skip_package(name: str) -> None:
    """Import its modules without what the package itself imports: a library for downloads, which this process must not
    do, and which takes longer to import than all the rest.
    """
    spec = find_spec(name)
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError(f"{name} is not installed")
    package = ModuleType(name)
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules[name] = package


def _binary() -> str | None:
    """Which of its binaries is for this processor, where that is told at once; None: let it find out, in a second."""
    try:
        features = set(Path("/proc/cpuinfo").read_text("ascii", "replace").split())
    except OSError:
        return None
    if "avx2" in features:
        return "avx2"
    return "avx" if {"avx", "f16c"} <= features else "basic"


class Model:
    """One model of ctransformers, driven by its C functions: its own tokenizer and sampler are never called."""

    def __init__(self, path: str, type: str | None, n_context: int, n_threads: int) -> None:
        _skip_package("ctransformers")
        from ctransformers.llm import LLM, Config  # type: ignore[import-untyped]  # it has no types

        # Of the settings only these matter; a file of the older format keeps to the context in its header.
        config = Config(context_length=n_context, threads=n_threads)
        self._llm = LLM(path, type, config=config, lib=_binary())
        self._n_threads = n_threads

    def sizes(self) -> dict[str, int]:
        return {"n_vocab": self._llm.vocab_size, "n_context": self._llm.context_length}

    def evaluate(self, n_past: int, ids: tuple[int, ...]) -> None:
        tokens = (c_int * len(ids))(*ids)
        if not self._llm.ctransformers_llm_batch_eval(tokens, len(ids), n_past, len(ids), self._n_threads):
            raise RuntimeError(f"ctransformers could not evaluate {len(ids)} tokens")

    def logits(self) -> bytes:
        n_vocab = self._llm.vocab_size
        n_logits = self._llm.ctransformers_llm_logits_size()
        if n_logits < n_vocab:
            raise RuntimeError("ctransformers has no logits")
        numbers = self._llm.ctransformers_llm_logits_data()
        return string_at(numbers, n_logits * 4)[-n_vocab * 4 :]


def answer(request: bytes, state: dict[str, Model]) -> bytes:
    """What is done for a request; `state` holds the model once it is loaded."""
    kind, data = request[:1], request[1:]
    if kind == LOAD:
        state["model"] = Model(**json.loads(data))
        return json.dumps(state["model"].sizes()).encode()
    if kind == EVALUATE:
        n_past, *ids = struct.unpack(f"<{len(data) // 4}i", data)
        state["model"].evaluate(n_past, tuple(ids))
        return b""
    return state["model"].logits()


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Until the other side is gone."""
    state: dict[str, Model] = {}
    while True:
        try:
            request = read_frame(requests)
        except EOFError:
            return
        try:
            write_frame(answers, DONE + answer(request, state))
        except (ImportError, OSError) as error:
            write_frame(answers, MISSING + _first_line(error))
        except Exception as error:
            write_frame(answers, FAILED + _first_line(error))


def _first_line(error: Exception) -> bytes:
    return (str(error) or type(error).__name__).strip().splitlines()[0].encode("utf-8", "replace")


def main() -> None:
    # The folder of this file, which Python puts first, has a module with the name of the library.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [folder for folder in sys.path if folder != here]
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # What the library prints must not get between the frames.
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    serve(requests, answers)


if __name__ == "__main__":
    main()
