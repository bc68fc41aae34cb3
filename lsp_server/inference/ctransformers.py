"""ctransformers in a process of its own: legacy GGML files, and GGUF files of the llama and falcon architectures.

The library ends its process where others would raise an error, so it is never loaded into ours. Everything that is
known to end it is checked before it sees it. What is not known ends the worker alone: the request fails with one
sentence, the next one gets a new worker, and after three ends within a minute there is none any more.
"""

from __future__ import annotations

import json
import platform
import struct
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import IO, Any

import numpy as np

from lsp_server.errors import EngineError, EngineUnavailable, ModelFileError
from lsp_server.formats.ggml import is_legacy, read_ggml
from lsp_server.formats.gguf import check_model, read_gguf
from lsp_server.inference import worker
from lsp_server.inference.base import Aborted, Logits
from lsp_server.inference.ids import check_ids

# As many tokens are evaluated before the next look at whether they are still wanted; more at a time gains nothing
# (14.5 tokens per CPU second in chunks of 8, 14.7 in chunks of 256).
CHUNK_TOKENS = 8
# For one chunk, or for reading the file. A worker that takes longer hangs.
PATIENCE_S = 300.0
MAX_ENDS, ENDS_WITHIN_S = 3, 60.0

# Our names for the architectures of legacy files → the library's.
MODEL_TYPES = {"starcoder": "starcoder", "gptneox": "gpt_neox"}
# What the library's own llama.cpp, of August 2023, runs: architecture → the kind of vocabulary that it reads.
GGUF_VOCABULARIES = {"llama": "llama", "falcon": "gpt2"}
GGUF_TENSOR_TYPES = frozenset(
    ("F32", "F16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K")
)

INSTEAD = "use a GGUF file with llama.cpp"

# One exchange at a time in the whole program: with several models, too, they would only fight for the same cores.
_TURN = threading.Lock()


class Ctransformers:
    """An `Inference` whose model lives in the worker; its sequence is kept here, so that it outlives the worker."""

    name = "ctransformers"

    def __init__(self, path: Path, n_context: int, n_threads: int) -> None:
        self._path = path
        self._request = _load_request(path, n_context, n_threads)
        self._worker: subprocess.Popen[bytes] | None = None
        self._ends: deque[float] = deque(maxlen=MAX_ENDS)
        self._closed = self._was_loaded = False
        self._ids: list[int] = []  # the sequence
        self._n_in_worker = 0  # of these, the ones that the worker has evaluated
        self._has_logits = False
        sizes = self._start()
        self._was_loaded = True
        self.n_vocab: int = sizes["n_vocab"]
        self.n_context: int = min(n_context, sizes["n_context"])

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        n_context: int,
        n_threads: int,
        on_progress: Callable[[float], None] | None = None,
    ) -> Ctransformers:
        """Check the file and load it in a new worker.

        `n_context`: tokens at most, where the file admits them. `on_progress` is told 0 and 1: the library does not say
        how far it is. Raises ModelFileError for a file that it cannot run, EngineUnavailable where it is missing or has
        no binary for this computer, and EngineError where it ends while loading.
        """
        if min(n_context, n_threads) < 1:
            raise ValueError("n_context and n_threads must be positive")
        tell = on_progress or (lambda fraction: None)
        tell(0.0)
        model = cls(Path(path), n_context, n_threads)
        tell(1.0)
        return model

    @property
    def n_evaluated(self) -> int:
        return len(self._ids)

    def evaluate(self, ids: Sequence[int], aborted: Callable[[], bool]) -> None:
        self._open()
        check_ids(ids, self.n_vocab, self.n_context - len(self._ids))
        self._has_logits = False
        self._notice_end()
        # A new worker has to read again what the last one had read.
        wanted = [*self._ids, *ids]
        while self._n_in_worker < len(wanted):
            if aborted():
                raise Aborted
            chunk = wanted[self._n_in_worker : self._n_in_worker + CHUNK_TOKENS]
            self._ask(worker.EVALUATE + struct.pack(f"<{1 + len(chunk)}i", self._n_in_worker, *chunk))
            self._n_in_worker += len(chunk)
            self._ids = wanted[: max(len(self._ids), self._n_in_worker)]
        self._has_logits = True

    def logits(self) -> Logits:
        self._open()
        if not self._has_logits:
            raise EngineError("there are no logits: nothing was evaluated since the sequence was last cut")
        return np.frombuffer(self._ask(worker.GET), dtype="<f4", count=self.n_vocab)

    def rewind(self, n_tokens: int) -> None:
        self._open()
        if not 0 <= n_tokens <= len(self._ids):
            raise ValueError(f"cannot rewind a sequence of {len(self._ids)} tokens to {n_tokens}")
        self._has_logits = self._has_logits and n_tokens == len(self._ids)
        self._ids = self._ids[:n_tokens]
        # The worker is told with every chunk how much of the sequence it follows.
        self._n_in_worker = min(self._n_in_worker, n_tokens)

    def close(self) -> None:
        self._closed = True
        self._stop()

    def _open(self) -> None:
        if self._closed:
            raise EngineError("the model was closed")

    def _notice_end(self) -> None:
        """A worker that was ended from outside, while nobody waited for it, is replaced without a word."""
        if self._worker is not None and self._worker.poll() is not None:
            self._ended()

    def _ask(self, request: bytes) -> bytes:
        """The worker's answer; a new one is started where the last one ended."""
        if self._worker is None:
            self._start()
        return self._exchange(request)

    def _start(self) -> dict[str, int]:
        if self._has_ended_too_often():
            raise self._given_up()
        _refuse_foreign_computer()
        # By its path, and not by its name: a module of that name in the working folder would be run instead.
        self._worker = subprocess.Popen(
            [sys.executable, worker.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        sizes: dict[str, int] = json.loads(self._exchange(self._request))
        return sizes

    def _exchange(self, request: bytes) -> bytes:
        assert self._worker is not None
        with _TURN:
            guard = threading.Timer(PATIENCE_S, self._worker.kill)
            guard.daemon = True
            guard.start()
            try:
                worker.write_frame(_pipe(self._worker.stdin), request)
                reply = worker.read_frame(_pipe(self._worker.stdout))
            except (OSError, EOFError) as error:
                raise self._ended() from error
            finally:
                guard.cancel()
        return self._content(reply)

    def _content(self, reply: bytes) -> bytes:
        kind, content = reply[:1], reply[1:]
        if kind == worker.DONE:
            return content
        self._stop()
        sentence = content.decode("utf-8", "replace").rstrip(".")
        if kind == worker.MISSING:
            raise EngineUnavailable(
                f"ctransformers cannot be used here ({sentence}); reinstall infill-ls, or {INSTEAD}"
            )
        raise EngineError(f"ctransformers cannot run {self._path} ({sentence}); {INSTEAD}")

    def _ended(self) -> EngineError:
        self._ends.append(monotonic())
        self._stop()
        if self._has_ended_too_often():
            return self._given_up()
        if not self._was_loaded:
            return EngineError(f"ctransformers crashed while it loaded {self._path}; {INSTEAD}")
        return EngineError(f"ctransformers crashed on {self._path}; the next request starts it anew")

    def _has_ended_too_often(self) -> bool:
        return len(self._ends) == MAX_ENDS and self._ends[-1] - self._ends[0] <= ENDS_WITHIN_S

    def _given_up(self) -> EngineError:
        return EngineError(
            f"ctransformers crashed {MAX_ENDS} times within a minute on {self._path} and is not started again;"
            f" {INSTEAD}, or restart the server"
        )

    def _stop(self) -> None:
        self._n_in_worker = 0
        self._has_logits = False
        if self._worker is None:
            return
        ending, self._worker = self._worker, None
        ending.kill()
        for pipe in (ending.stdin, ending.stdout):
            _close(_pipe(pipe))
        ending.wait()


def _load_request(path: Path, n_context: int, n_threads: int) -> bytes:
    loading = {
        "path": str(path.resolve()),
        "type": _model_type(path),
        "n_context": n_context,
        "n_threads": n_threads,
    }
    return worker.LOAD + json.dumps(loading).encode()


def _model_type(path: Path) -> str | None:
    """As the library calls it; None for GGUF, which says it itself. Raises ModelFileError for what it cannot run."""
    if is_legacy(path):
        return MODEL_TYPES[read_ggml(path).architecture]
    gguf = read_gguf(path)
    check_model(gguf)
    if GGUF_VOCABULARIES.get(gguf.architecture) != gguf.metadata.get("tokenizer.ggml.model"):
        raise ModelFileError(
            f"{path} cannot be run by ctransformers, which knows only the first llama and falcon models as GGUF;"
            " set model.engine to auto"
        )
    if unknown := sorted({tensor.type.name for tensor in gguf.tensors} - GGUF_TENSOR_TYPES):
        raise ModelFileError(
            f"{path} is quantized as {', '.join(unknown)}, which ctransformers does not know; set model.engine to auto"
        )
    return None


def _refuse_foreign_computer() -> None:
    """Its package has binaries for macOS, and of the others for Intel and AMD alone."""
    if platform.system() != "Darwin" and platform.machine().lower() not in ("x86_64", "amd64"):
        raise EngineUnavailable(
            f"ctransformers has no binary for {platform.system()} on {platform.machine()}; {INSTEAD}, or build it with"
            " `pip install ctransformers --no-binary ctransformers`"
        )


def _pipe(pipe: IO[bytes] | None) -> Any:
    assert pipe is not None
    return pipe


def _close(pipe: IO[bytes]) -> None:
    with suppress(OSError):  # what was still to be written has no reader any more
        pipe.close()
