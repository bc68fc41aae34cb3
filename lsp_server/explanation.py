"""What was asked of the model and why it wrote what it wrote, for people: `--explain`, and an editor's own page."""

from __future__ import annotations

from collections.abc import Iterator

from lsp_server.pipeline import Engine
from lsp_server.trace import Trace
from lsp_server.values import Plan

CURSOR = "┃"
SOURCES = {
    "remembered": "from memory: it was asked here before",
    "prefetched": "from memory: it was found while the suggestion before it was shown",
    "typed-through": "from memory: the rest of a suggestion that was typed so far",
}


def explain(trace: Trace, engine: Engine | None, dim: str = "", off: str = "") -> str:
    """Every decision on the way, the window itself, and what a server was sent; `dim` and `off` paint the margin.

    `engine`: None where no model is loaded.
    """
    parts = ["\n".join(f"  {name:<11} {value}" for name, value in _decisions(trace, engine))]
    if trace.context:
        window = f"{trace.context.window.prefix}{CURSOR}{trace.context.window.suffix}"
        parts += ["  the window", *(f"  {dim}│{off} {line}" for line in window.split("\n"))]
    if engine and trace.prompt and (what_is_sent := getattr(engine.backend, "what_is_sent", None)):
        parts += ["sent to", *what_is_sent(trace.prompt, engine.limits)]
    return "\n".join(parts)


def token_counts(trace: Trace, engine: Engine | None) -> dict[str, int]:
    """For programs; `budget` is what the prompt may have."""
    window = trace.context.window if trace.context else None
    return {
        "prefix": window.n_prefix_tokens if window else 0,
        "suffix": window.n_suffix_tokens if window else 0,
        "budget": engine.budget.n_tokens if engine else 0,
        "prompt": trace.evaluated.n_tokens if trace.evaluated else 0,
        "reused": trace.evaluated.n_reused if trace.evaluated else 0,
        "written": trace.generation.n_tokens if trace.generation else 0,
    }


def _decisions(trace: Trace, engine: Engine | None) -> Iterator[tuple[str, str]]:
    tokens = token_counts(trace, engine)
    if engine:
        model = engine.model
        yield (
            "model",
            f"{model.name}: {model.architecture}, {model.family} prompts in order {model.order}, run by {model.engine}",
        )
        for note in model.notes:
            yield "", note
    if trace.source != "model":
        yield "answered", SOURCES[trace.source]
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
    if trace.plan:
        yield "planned", _plan(trace.plan)
    if trace.filters:
        yield "changed by", ", ".join(trace.filters)
    if trace.generation:
        yield "model wrote", repr(trace.generation.text)
        yield "stopped", f"{trace.generation.finish_reason.code}: {trace.generation.finish_reason.sentence}"
    if trace.empty_because:
        yield "empty", f"{trace.empty_because.code}: {trace.empty_because.sentence}"


def _plan(plan: Plan) -> str:
    parts = [f"{plan.n_fresh} tokens to evaluate", f"at most {plan.n_new} to write"]
    if plan.n_window:
        parts.append(f"a window of {plan.n_window} tokens for once, while the whole one is evaluated")
    if plan.hold_s:
        parts.append(f"{plan.hold_s * 1000:.0f} ms for another key to come")
    return ", ".join(parts)
