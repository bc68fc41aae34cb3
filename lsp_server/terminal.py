"""What commands print: the file around the cursor, the explanation, JSON, how far something is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any, TextIO

from lsp_server.pipeline import Answer, Engine, ModelInfo
from lsp_server.values import Completion, Snapshot

CURSOR = "┃"
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


def explain(answer: Answer, engine: Engine, colours: Colours) -> str:
    """Every decision on the way, and the window itself."""
    rows = "\n".join(f"  {name:<11} {value}" for name, value in _explanation(answer, engine))
    context = answer.trace.context
    if context is None:
        return rows
    window = f"{context.window.prefix}{CURSOR}{context.window.suffix}"
    return f"{rows}\n  the window\n" + "\n".join(f"  {colours.dim}│{colours.off} {line}" for line in window.split("\n"))


def as_json(snapshot: Snapshot, answer: Answer, engine: Engine) -> dict[str, Any]:
    """All that `explain` shows, for programs."""
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
        "tokens": _token_counts(answer, engine),
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


def _explanation(answer: Answer, engine: Engine) -> Iterator[tuple[str, str]]:
    trace, model, tokens = answer.trace, engine.model, _token_counts(answer, engine)
    yield (
        "model",
        f"{model.name}: {model.architecture}, {model.family} prompts in order {model.order}, run by {model.engine}",
    )
    for note in model.notes:
        yield "", note
    if trace.context:
        context = trace.context
        kept = ", ".join(f"{first + 1}–{last}" for first, last in context.window.kept)
        yield "wanted", context.shape.value + (f" indented {len(context.block_indent)}" if context.block_indent else "")
        yield "lines kept", f"{kept} of {context.window.n_lines}"
    yield (
        "tokens",
        f"{tokens['prefix']} before and {tokens['suffix']} after the cursor, of {tokens['budget']};"
        f" prompt {tokens['prompt']}, of these {tokens['reused']} from memory; written {tokens['written']}",
    )
    yield (
        "time",
        ", ".join(f"{name} {ms:.1f} ms" for name, ms in trace.stage_ms.items())
        + f" (engine {trace.compute_ms:.1f} ms)",
    )
    if trace.filters:
        yield "changed by", ", ".join(trace.filters)
    if trace.generation:
        yield "model wrote", repr(trace.generation.text)
        yield "stopped", f"{trace.generation.finish_reason.code}: {trace.generation.finish_reason.sentence}"
    if trace.empty_because:
        yield "empty", f"{trace.empty_because.code}: {trace.empty_because.sentence}"


def _token_counts(answer: Answer, engine: Engine) -> dict[str, int]:
    trace = answer.trace
    window = trace.context.window if trace.context else None
    return {
        "prefix": window.n_prefix_tokens if window else 0,
        "suffix": window.n_suffix_tokens if window else 0,
        "budget": engine.budget.n_tokens,
        "prompt": trace.evaluated.n_tokens if trace.evaluated else 0,
        "reused": trace.evaluated.n_reused if trace.evaluated else 0,
        "written": trace.generation.n_tokens if trace.generation else 0,
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
