"""What commands print: the file around the cursor, JSON, how far something is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from time import monotonic
from typing import Any, TextIO

from lsp_server.explanation import CURSOR, token_counts
from lsp_server.pipeline import Answer, Engine, ModelInfo
from lsp_server.values import Completion, Snapshot

# What a file holds must not steer the terminal.
HARMLESS = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\t\n"} | {0x7F: "␡"}
LINES_ABOVE, LINES_BELOW = 8, 5


@dataclass(frozen=True, slots=True)
class Colours:
    added: str = ""
    dim: str = ""
    bold: str = ""
    off: str = ""

    @staticmethod
    def fitting(stream: TextIO | None) -> Colours:
        """Colours where a person looks at a terminal that has them (https://no-color.org is respected)."""
        wanted = (
            stream is not None and stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        )
        return Colours("\033[32m", "\033[2m", "\033[1m", "\033[0m") if wanted else Colours()


class ProgressBar:
    """How far something is, on a line of its own that is gone at the end; nothing where nobody looks."""

    WIDTH = 40
    PAUSE_S = 0.1

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream if stream.isatty() else None
        self._started = monotonic()
        self._drawn = 0.0

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        self._write("\r\033[K")

    def show(self, done: int, total: int) -> None:
        now = monotonic()
        if now - self._drawn < self.PAUSE_S:
            return
        self._drawn = now
        fraction = done / total
        full = round(fraction * self.WIDTH)
        left_s = (now - self._started) * (1 - fraction) / max(fraction, 0.001)
        self._write(f"\r{fraction:4.0%} {'━' * full}{'┄' * (self.WIDTH - full)} {left_s:.0f} s left \033[K")

    def _write(self, text: str) -> None:
        if self._stream:
            self._stream.write(text)
            self._stream.flush()


def draw(snapshot: Snapshot, completion: Completion | None, colours: Colours) -> str:
    """The lines around the cursor as the file would look; `+` marks those that hold something new."""
    text, until = (completion.text, completion.replace_until) if completion else ("", snapshot.offset)
    above = _lines(snapshot.text[: snapshot.offset])
    below = _lines(snapshot.text[until:])
    first = max(0, len(above) - 1 - LINES_ABOVE)
    added = _lines(text)
    end_mark = "" if colours.added or not text else CURSOR
    painted = [f"{colours.added}{line}{colours.off}" if line else "" for line in added]
    painted[0] = CURSOR + painted[0]
    painted[-1] += end_mark + below[0]
    new_lines = [above[-1] + painted[0], *painted[1:]]
    rows = [
        *((" ", line) for line in above[first:-1]),
        *(("+" if text else " ", line) for line in new_lines),
        *((" ", line) for line in below[1 : 1 + LINES_BELOW]),
    ]
    width = len(str(first + len(rows)))
    return "\n".join(
        f"{mark} {colours.dim}{number:>{width}}{colours.off}  {line}".rstrip()
        for number, (mark, line) in enumerate(rows, first + 1)
    )


def verdict(answer: Answer, model: ModelInfo, colours: Colours) -> str:
    """Why it ended there, or why there is nothing; how long it took; who wrote it."""
    reason = answer.trace.reason
    sentence = reason.sentence if reason else "a suggestion"
    what = sentence if answer.completion else f"no suggestion: {sentence}"
    took = f"{answer.trace.elapsed_ms():.0f} ms"
    return f"{colours.dim}{what} · {took} · {model.name} ({model.family}, {model.order}){colours.off}"


def as_json(snapshot: Snapshot, answer: Answer, engine: Engine) -> dict[str, Any]:
    """All that `--explain` shows, for programs."""
    trace, completion, model = answer.trace, answer.completion, engine.model
    return {
        "suggestion": completion.text if completion else None,
        "replaces": snapshot.text[snapshot.offset : completion.replace_until] if completion else "",
        "offset": snapshot.offset,
        "reason": {"code": trace.reason.code, "sentence": trace.reason.sentence} if trace.reason else None,
        "elapsed_ms": round(trace.elapsed_ms(), 2),
        "stages_ms": {name: round(ms, 2) for name, ms in trace.stage_ms.items()},
        "engine_ms": round(trace.compute_ms, 2),
        "filters": list(trace.filters),
        "tokens": token_counts(trace, engine),
        "window": _window_as_json(answer),
        "model": {
            "name": model.name,
            "path": model.path,
            "architecture": model.architecture,
            "family": model.family,
            "order": model.order,
            "engine": model.engine,
            "notes": list(model.notes),
        },
    }


def _window_as_json(answer: Answer) -> dict[str, Any] | None:
    if answer.trace.context is None:
        return None
    window = answer.trace.context.window
    return {
        "prefix": window.prefix,
        "suffix": window.suffix,
        "kept_lines": [[first + 1, last] for first, last in window.kept],
        "of_lines": window.n_lines,
        "wanted": answer.trace.context.shape.value,
    }


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(HARMLESS).split("\n")
