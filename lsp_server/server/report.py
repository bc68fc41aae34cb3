"""What the server says about itself: `infill/status`, `infill/trace`."""

from __future__ import annotations

from typing import Any

from lsp_server.pipeline import Engine
from lsp_server.server.loading import SharedModel
from lsp_server.settings import Settings
from lsp_server.trace import Trace


def status(model: SharedModel, settings: Settings) -> dict[str, Any]:
    """{state: "loading" | "ready" | "error" | "off", message: a sentence, model: its name or null}."""
    if model.failure:
        state, message = "error", model.failure
    elif not settings.suggest.enabled:
        state, message = "off", "suggestions are switched off (suggest.enabled); one asked for by hand is still made"
    elif model.engine:
        state, message = "ready", model.notice or f"{model.name} is ready"
    else:
        state, message = "loading", f"{model.name} is loading"
    return {"state": state, "message": message, "model": model.name if model.engine else None}


def trace_as_json(trace: Trace, engine: Engine | None) -> dict[str, Any]:
    """The figures of one request, and the window: this is the one message that shows it, to who asks for it."""
    evaluated, generation = trace.evaluated, trace.generation
    window = trace.context.window if trace.context else None
    return {
        "reason": {"code": trace.reason.code, "sentence": trace.reason.sentence} if trace.reason else None,
        "elapsed_ms": round(sum(trace.stage_ms.values()), 3),
        "stages_ms": {name: round(ms, 3) for name, ms in trace.stage_ms.items()},
        "engine_ms": round(trace.compute_ms, 3),
        "engine_began_ms": trace.engine_began_ms,
        "engine_ended_ms": trace.engine_ended_ms,
        "filters": list(trace.filters),
        "tokens": {
            "prefix": window.n_prefix_tokens if window else 0,
            "suffix": window.n_suffix_tokens if window else 0,
            "budget": engine.budget.n_tokens if engine else 0,
            "prompt": evaluated.n_tokens if evaluated else 0,
            "reused": evaluated.n_reused if evaluated else 0,
            "written": generation.n_tokens if generation else 0,
        },
        "wanted": trace.context.shape.value if trace.context else None,
        "window": window
        and {
            "prefix": window.prefix,
            "suffix": window.suffix,
            "kept_lines": [[first + 1, last] for first, last in window.kept],
            "of_lines": window.n_lines,
        },
    }
