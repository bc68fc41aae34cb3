"""`infill-ls doctor`: everything that a suggestion needs, looked at in the order in which it is needed."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import aclosing, closing
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import psutil

from lsp_server import __version__
from lsp_server.assemble import connected, load_engine
from lsp_server.backends import selftest
from lsp_server.errors import InfillError
from lsp_server.inference import default_threads, engine_version
from lsp_server.pipeline import Engine, complete
from lsp_server.settings import ServerSettings, Settings, log_file
from lsp_server.syntax import Syntax, missing_grammars
from lsp_server.values import FimPrompt, Limits, Piece, PromptEvaluated, Snapshot

if TYPE_CHECKING:  # imports the HTTP library
    from lsp_server.backends.remote import RemoteBackend

SAMPLE = "def total(prices):\n    result = 0\n    for price in prices:\n        result += \n    return result\n"
N_MEASURED_TOKENS = 32


@dataclass(frozen=True, slots=True)
class Speed:
    """Measured on this machine, now."""

    prompt_tokens_per_s: float
    new_tokens_per_s: float
    n_prompt_tokens: int


def examine(settings: Settings, config: Path, say: Callable[[str], None]) -> int:
    """Say what is found, a line each; return the number of problems."""
    problems = 0
    for found in _findings(settings, config):
        problems += found.is_problem
        say(f"{'✗' if found.is_problem else '✓'} {found.name:<9} {found.text}")
    say(f"\n{'All is well.' if not problems else f'{problems} to mend.'}")
    return problems


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    text: str
    is_problem: bool = False


def _findings(settings: Settings, config: Path) -> Iterator[Finding]:
    yield Finding("program", f"infill-ls {__version__}, Python {platform.python_version()}, {platform.platform()}")
    yield _machine(settings)
    yield Finding("settings", f"{config}{'' if config.exists() else ' (not there: the defaults are used)'}")
    yield _log(settings)
    yield _grammars()
    if settings.backend.servers:
        for server in settings.backend.servers:
            yield from _server(server)
        return
    try:
        engine = load_engine(settings)
    except InfillError as error:
        yield Finding("model", str(error), is_problem=True)
        return
    yield from _model(engine)
    try:
        yield _speed(engine)
        yield _suggestion(engine)
    except InfillError as error:
        yield Finding("speed", str(error), is_problem=True)
    finally:
        engine.backend.close()


def _server(server: ServerSettings) -> Iterator[Finding]:
    """Holes whose content is known, and what the server can do."""
    try:
        with closing(connected(server)) as backend:
            yield from asyncio.run(_examined(backend))
    except InfillError as error:
        yield Finding("server", str(error), is_problem=True)


async def _examined(backend: RemoteBackend) -> list[Finding]:
    from lsp_server.backends import abilities  # imports the HTTP library

    report = await selftest.examine(backend)
    at, dialect = backend.endpoint, backend.dialect
    is_wrong = report.n_right == 0 or bool(report.suspicions)
    return [
        Finding("server", f"{at.at(dialect.path)}, asked as {dialect.name}, prompts as {dialect.prompt}"),
        Finding("speed", report.speed),
        Finding("answers", f"{report.n_right} of {len(report.filled)} known holes filled", is_wrong),
        *(Finding("", suspicion) for suspicion in report.suspicions),
        *(Finding(*astuple(ability)) for ability in await abilities.measure(backend)),
    ]


def _machine(settings: Settings) -> Finding:
    memory = psutil.virtual_memory()
    threads = settings.model.threads or default_threads()
    free = f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free"
    return Finding("machine", f"{os.cpu_count()} cores, {threads} for the model; {free}")


def _log(settings: Settings) -> Finding:
    path = log_file(settings)
    if path is None:
        return Finding("log", "on stderr only")
    folder = next(parent for parent in path.parents if parent.exists())
    if not os.access(folder, os.W_OK):
        return Finding("log", f"{path} cannot be written; set log.file, or make {folder} writable", is_problem=True)
    return Finding("log", str(path))


def _grammars() -> Finding:
    missing = missing_grammars()
    if missing:
        return Finding(
            "grammars", f"missing: {', '.join(missing)}; reinstall infill-ls (indentation is used meanwhile)", True
        )
    return Finding("grammars", "all there")


def _model(engine: Engine) -> Iterator[Finding]:
    model = engine.model
    yield Finding("model", f"{model.name}, {Path(model.path).stat().st_size / 1e6:,.1f} MB: {model.path}")
    yield Finding(
        "", f"{model.architecture}, {model.family} prompts in order {model.order}, {model.n_window_tokens} tokens"
    )
    for note in model.notes:
        yield Finding("", note)
    yield Finding("engine", f"{model.engine} ({engine_version(model.engine)})")


def _speed(engine: Engine) -> Finding:
    speed = asyncio.run(measure(engine))
    return Finding(
        "speed",
        f"{speed.prompt_tokens_per_s:,.0f} tokens/s of prompt, {speed.new_tokens_per_s:,.0f} tokens/s written:"
        f" a full window takes {engine.budget.n_tokens / speed.prompt_tokens_per_s * 1000:,.0f} ms when cold",
    )


async def measure(engine: Engine) -> Speed:
    """One prompt of about half a window, evaluated from nothing, and some tokens written behind it."""
    lines = [f"value_{i} = compute({i}, name='item {i}')\n" for i in range(engine.budget.n_tokens)]
    n_lines = max(1, engine.budget.n_tokens // 2 // engine.count_line(lines[-1]))
    prompt = FimPrompt("".join(lines[:n_lines]), "\n")
    limits = Limits(N_MEASURED_TOKENS, 60)
    evaluated = PromptEvaluated(1, 0, 1.0)
    token_ms: list[float] = []
    async with aclosing(engine.backend.stream(prompt, limits)) as events:
        async for event in events:
            if isinstance(event, Piece):
                token_ms.append(event.compute_ms)
            else:
                evaluated = event
    n_new = evaluated.n_tokens - evaluated.n_reused
    # The first token costs no evaluation: its logits come with the prompt.
    return Speed(n_new / evaluated.compute_ms * 1000, 1000 / median(token_ms[1:] or [1000]), n_new)


def _suggestion(engine: Engine) -> Finding:
    offset = SAMPLE.index("+= ") + 3
    snapshot = Snapshot("untitled:sample.py", "", "python", 0, SAMPLE, offset, invoked=True)
    answer = asyncio.run(complete(engine, snapshot, Syntax("python").parse(SAMPLE), None))
    line = SAMPLE[:offset].rsplit("\n", 1)[1].strip()
    if answer.completion is None:
        reason = answer.trace.reason
        return Finding(
            "answer", f"{line}┃ gave nothing ({reason.sentence if reason else 'no reason'})", is_problem=True
        )
    return Finding("answer", f"{line} ┃{answer.completion.text}┃ in {answer.trace.elapsed_ms():.0f} ms")
