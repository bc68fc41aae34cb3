"""What the server says about itself: `infill/status`, `infill/trace`, `infill.explain`."""

from __future__ import annotations

from typing import Any

from lsp_server.explanation import SOURCES, explain, token_counts
from lsp_server.pipeline import Engine
from lsp_server.server.loading import SharedModel, backend_of
from lsp_server.server.switches import Switches
from lsp_server.settings import Settings
from lsp_server.trace import Trace
from lsp_server.values import Reason

OFF = "suggestions are switched off; one asked for by hand is still made"


def status(
    model: SharedModel, settings: Settings, switches: Switches, last: Reason | None, is_working: bool
) -> dict[str, Any]:
    """What `infill/status` says; PROTOCOL.md describes each field."""
    is_on = switches.is_on(settings.suggest)
    if model.failure:
        state, message = "error", model.failure
    elif not is_on:
        state, message = "off", OFF
    elif model.engine:
        state, message = "ready", model.notice or f"{model.name} is ready"
    else:
        state, message = "loading", f"{model.name} is loading"
    return {
        "state": state,
        "message": message,
        "model": model.name if model.engine else None,
        "backend": model.backend or backend_of(settings),
        "enabled": is_on,
        "languages_off": switches.languages_off,
        "last": _reason_as_json(last),
        "working": is_working,
    }


def explanation(trace: Trace, asked: Trace | None, engine: Engine | None) -> str:
    """What came of the last request, as plain text with the window in it: for who asks to see it.

    `asked`: the last trace of the model's own, for a request that was answered without it.
    """
    reason = trace.reason
    parts = [
        reason.sentence if reason else SOURCES.get(trace.source, "nothing came of it so far"),
        explain(trace, engine),
    ]
    if asked and asked is not trace:
        parts += ["the last time that the model was asked in this document", explain(asked, engine)]
    return "\n\n".join(parts) + "\n"


def trace_as_json(trace: Trace, engine: Engine | None) -> dict[str, Any]:
    """The figures of one request, and the window: this is the one message that shows it, to who asks for it."""
    window = trace.context.window if trace.context else None
    # Since the model was loaded, for whatever: what was taken back shows nowhere else. Null for model servers.
    computed = getattr(engine.backend, "n_computed", None) if engine else None
    return {
        "reason": _reason_as_json(trace.reason),
        "source": trace.source,
        "elapsed_ms": round(sum(trace.stage_ms.values()), 3),
        "stages_ms": {name: round(ms, 3) for name, ms in trace.stage_ms.items()},
        "engine_ms": round(trace.compute_ms, 3),
        "engine_began_ms": trace.engine_began_ms,
        "engine_ended_ms": trace.engine_ended_ms,
        "filters": list(trace.filters),
        "tokens": {**token_counts(trace, engine), "computed": computed},
        "wanted": trace.context.shape.value if trace.context else None,
        "window": window
        and {
            "prefix": window.prefix,
            "suffix": window.suffix,
            "kept_lines": [[first + 1, last] for first, last in window.kept],
            "of_lines": window.n_lines,
        },
    }


def _reason_as_json(reason: Reason | None) -> dict[str, str] | None:
    return {"code": reason.code, "sentence": reason.sentence} if reason else None
