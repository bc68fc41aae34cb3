"""What a dialect is: how one kind of server is asked, how its answer is read, and what it can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

PromptKind = Literal["ids", "segments", "text"]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, before it has a dialect's shape."""

    prompt: str | tuple[int, ...]  # rendered whole; for segments, the prefix
    suffix: str  # segments only
    max_tokens: int
    stops: tuple[str, ...]  # as many as the dialect allows
    stop_ids: tuple[int, ...] = ()  # the tokens that end a text, where the vocabulary is known
    model: str = ""  # the server's name for it
    owed: str = ""  # what the answer must begin with; only for dialects that heal
    extra: tuple[str, ...] = ()  # texts of other files; segments only


@dataclass(frozen=True, slots=True)
class Said:
    """What one chunk of the answer says."""

    text: str = ""
    probability: float | None = None
    token_ids: tuple[int, ...] = ()
    ended: bool = False
    n_prompt_tokens: int | None = None
    n_reused_tokens: int | None = None
    prompt_ms: float | None = None
    error: str = ""  # the server's words, where the chunk is a failure


@dataclass(frozen=True, slots=True)
class Dialect:
    """One row of the table in dialects.py: one kind of server, asked with one kind of prompt."""

    name: str
    prompt: PromptKind
    path: str  # below the server's URL
    body: Callable[[Asked], dict[str, Any]]
    read: Callable[[Mapping[str, Any]], Said]  # may raise LookupError, TypeError, ValueError for other shapes
    content_type: str = "text/event-stream"
    max_stops: int | None = None  # None: as many as one likes
    logprobs: bool = False
    heals: bool = False  # can be held to begin its answer with given text
    cancels: Literal["yes", "not measured"] = "not measured"  # stops computing when the client goes away
    health: str = ""  # a path that answers 200 when requests are welcome
    models: str = "/v1/models"  # a path that names the models; empty: there is none
    tested: Literal["real server", "recorded shapes"] = "recorded shapes"


def error_text(chunk: Mapping[str, Any]) -> str:
    """The server's words for what went wrong, in the shapes that servers have; "" where nothing did."""
    error = chunk.get("error") or chunk.get("detail")
    if isinstance(error, list) and error:
        error = error[0]
    if isinstance(error, Mapping):
        error = error.get("message") or error.get("msg") or "no reason given"
    return str(error) if error else ""
