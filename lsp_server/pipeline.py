"""From a snapshot to a suggestion: the stages, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from time import perf_counter

from lsp_server import postprocess, stopping
from lsp_server.backends.base import Backend
from lsp_server.backends.pace import Haste, Paced
from lsp_server.context import gather
from lsp_server.context.window import WindowBudget
from lsp_server.privacy import is_excluded, path_in
from lsp_server.prompt import fit, fitting, open_files
from lsp_server.stopping.written import Written
from lsp_server.syntax import Seam, Tree
from lsp_server.trace import Trace
from lsp_server.values import (
    CodeContext,
    Completion,
    FimPrompt,
    Generation,
    Limits,
    Plan,
    PromptEvaluated,
    Reason,
    Shape,
    Snapshot,
    Window,
)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is said of the model where people or programs ask: `--explain`, doctor, the editor's status."""

    name: str
    path: str
    architecture: str
    family: str
    order: str
    engine: str
    n_window_tokens: int  # prompt and new tokens together
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Engine:
    """Everything that a request needs beside the document; made once by assemble.py."""

    backend: Backend
    count_line: Callable[[str], int]
    budget: WindowBudget
    limits: Limits
    model: ModelInfo
    never_sent: tuple[str, ...] = ()  # patterns of files that must not leave the machine; none where nothing does
    n_extra_tokens: int = 0  # of other open files, that go along
    in_process: bool = False  # the model is in this process: what is computed ahead costs nobody else anything
    ends_by_itself: bool = True  # False: the model hardly ever says that it is done, so one line is one line
    in_comments: bool = True  # False: nothing is suggested there, unless somebody asks by hand

    def may_see(self, path: str) -> bool:
        """Whether the file may be asked in, and its text used where somebody asks in another."""
        return not self.never_sent or not is_excluded(path, self.never_sent)


# Where nothing is left and one of these ended it, the filter that found nothing says it better.
SAY_NOTHING_OF_EMPTINESS = (Reason.END_OF_TEXT, Reason.LINE_COMPLETE)

PASSING = (Reason.TIME_LIMIT, Reason.UNSURE)  # why an answer is empty that another request may well get


def with_limits(engine: Engine, max_tokens: int, max_time_s: float) -> Engine:
    """The engine with other limits. What the answer may take of the window, at most half of it, the prompt has not."""
    max_tokens = min(max_tokens, engine.model.n_window_tokens // 2)
    limits = replace(engine.limits, max_tokens=max_tokens, max_time_s=max_time_s)
    if limits == engine.limits:
        return engine
    n_tokens = engine.budget.n_tokens + engine.limits.max_tokens - max_tokens
    return replace(engine, limits=limits, budget=replace(engine.budget, n_tokens=n_tokens))


@dataclass(frozen=True, slots=True)
class Answer:
    completion: Completion | None  # None: nothing to suggest, and `trace.reason` says why
    trace: Trace

    @property
    def would_be_same(self) -> bool:
        """Whether to ask again is in vain; not where the model was not asked, or what emptied the answer may pass."""
        is_of_model = self.trace.generation is not None
        return self.completion is not None or (is_of_model and self.trace.reason not in PASSING)


async def complete(
    engine: Engine,
    snapshot: Snapshot,
    tree: Tree | None,
    previous: Window | None,
    haste: Haste | None = None,
    *,
    rank: int = 0,
) -> Answer:
    """Suggest what comes next at the snapshot's cursor.

    `previous` is the window of the document's last request, so that its cut points can be kept. In `haste` the answer
    is held to what can be computed in time. `rank` 1 is another suggestion for who wants to choose, 2 yet another.
    Cancelling the task stops the computation. Raises EngineError.
    """
    trace = Trace()
    if not engine.may_see(snapshot.path or path_in(snapshot.uri)):
        trace.empty_because = Reason.EXCLUDED
        return Answer(None, trace)
    with trace.stage("context"):
        trace.context = context = _gather(engine, snapshot, tree, previous)
    if context.shape is Shape.NOTHING:
        trace.empty_because = context.refusal
        return Answer(None, trace)
    if snapshot.invoked:  # who asks by hand is the judge
        engine = replace(engine, limits=replace(engine.limits, min_confidence=0.0))
    with trace.stage("prompt"):
        if haste and (plan := await _plan(engine, context, haste)):
            trace.plan, engine = plan, _planned(engine, plan)
            if plan.n_window:
                trace.context = context = _gather(engine, snapshot, tree, haste.small_window)
        extra = fitting(snapshot.others, engine.n_extra_tokens)
        trace.prompt = prompt = replace(fit(context.window, open_files(snapshot), extra), rank=rank)
    with trace.stage("generation"):
        seam = Seam(tree, snapshot.text, snapshot.offset) if tree else None
        trace.generation = generation = await _generate(engine, prompt, context, seam, trace)
    with trace.stage("postprocess"):
        outcome = postprocess.apply(generation.text, context, seam)
    trace.filters = outcome.changed_by
    if outcome.rejected is not None:
        emptied = not generation.text.strip() and generation.finish_reason not in SAY_NOTHING_OF_EMPTINESS
        trace.empty_because = generation.finish_reason if emptied else outcome.rejected
        return Answer(None, trace)
    return Answer(Completion(outcome.text, snapshot.offset + outcome.n_replaced), trace)


async def evaluate_window(engine: Engine, snapshot: Snapshot, tree: Tree | None, previous: Window | None) -> Window:
    """Have the model evaluate what it would see at the snapshot's cursor, and write nothing. Raises EngineError."""
    context = _gather(engine, snapshot, tree, previous)
    if context.shape is not Shape.NOTHING:
        prompt = fit(context.window, open_files(snapshot))
        async with aclosing(engine.backend.stream(prompt, engine.limits)) as events:
            await anext(events, None)
    return context.window


def _gather(engine: Engine, snapshot: Snapshot, tree: Tree | None, previous: Window | None) -> CodeContext:
    return gather(
        snapshot,
        tree,
        engine.budget,
        engine.count_line,
        previous,
        ends_by_itself=engine.ends_by_itself,
        in_comments=engine.in_comments,
    )


async def _plan(engine: Engine, context: CodeContext, haste: Haste) -> Plan | None:
    """None where nobody knows how fast the model is."""
    backend = engine.backend
    if not isinstance(backend, Paced):
        return None
    n_fresh = await backend.n_fresh(fit(context.window))
    return backend.pace.plan(n_fresh, engine.limits.max_tokens, haste)


def _planned(engine: Engine, plan: Plan) -> Engine:
    n_window = min(plan.n_window or engine.budget.n_tokens, engine.budget.n_tokens)
    limits = replace(engine.limits, max_tokens=plan.n_new)
    return replace(engine, limits=limits, budget=replace(engine.budget, n_tokens=n_window))


async def _generate(
    engine: Engine, prompt: FimPrompt, context: CodeContext, seam: Seam | None, trace: Trace
) -> Generation:
    """Read the stream until the model ends or a rule fires; leaving the block closes it, and so stops the model."""
    written = Written(context, engine.limits, seam)
    started = began = perf_counter()
    async with aclosing(engine.backend.stream(prompt, engine.limits)) as events:
        async for event in events:
            trace.compute_ms += event.compute_ms
            trace.engine_ended_ms = trace.elapsed_ms()
            if isinstance(event, PromptEvaluated):
                trace.evaluated, started = event, perf_counter()
                trace.engine_began_ms = trace.engine_ended_ms - event.compute_ms
                if trace.plan:  # evaluating is never in vain, writing is if another key comes
                    await asyncio.sleep(trace.plan.hold_s - (perf_counter() - began))
                continue
            if trace.first_piece_ms is None:
                trace.first_piece_ms = trace.elapsed_ms()
            written = written.grown_by(event, perf_counter() - started)
            if stop := stopping.first_stop(written):
                return Generation(written.text[: stop.keep], stop.reason, written.n_tokens)
    trace.engine_ended_ms = trace.elapsed_ms()
    stop = stopping.first_stop(written.ended())
    keep, reason = (stop.keep, stop.reason) if stop else (len(written.text), Reason.END_OF_TEXT)
    return Generation(written.text[:keep], reason, written.n_tokens)
