"""An author in front of the real server: every stroke is sent, and its suggestion waited for as long as people do.

As in editors, each stroke takes back what is still being asked ($/cancelRequest), sends the change, and asks anew.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from tests.bench.desk import Desk, Tab
from tests.bench.keystrokes import Change, Stroke
from tests.wire import Editor

AUTOMATIC = 2  # triggerKind
PATIENCE_S = 600.0  # of an author who waits for every answer

SHOWN, EMPTY, REFUSED, TAKEN_BACK = "shown", "empty", "refused", "taken back"
MODEL = "model"


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked with one stroke, and what it cost. Numbers are of tokens."""

    kind: str  # of the stroke
    language: str
    outcome: str  # shown, empty, refused (not asked of the model) or taken back
    reason: str = ""  # the server's code
    source: str = ""  # "model", or where the answer came from without it
    n_prompt: int = 0
    n_evaluated: int = 0  # of the prompt, for this request
    n_warmed: int = 0  # of the prompt, while the author looked around
    n_written: int = 0
    n_computed: int = 0  # by the engine from this stroke to the next, for whatever
    answer_ms: float | None = None  # from the first byte sent to the last byte of the answer

    @property
    def was_answered(self) -> bool:
        """By the model, now or before."""
        return self.outcome in (SHOWN, EMPTY)

    @property
    def is_cached(self) -> bool:
        return self.was_answered and self.source != MODEL

    @property
    def n_wasted(self) -> int:
        """Computed for an answer that nobody saw, or ahead of time."""
        n_seen = self.n_evaluated + self.n_warmed + self.n_written if self.was_answered else 0
        return max(0, self.n_computed - n_seen)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "n_wasted": self.n_wasted}


def replay(keyboard: Keyboard, desk: Desk) -> Iterator[Request]:
    """What the author at the desk asks for, without end."""
    shown: Change | None = None
    while True:
        tab, stroke = desk.next(shown)
        shown = None
        if stroke is None:
            keyboard.close(tab)
        else:
            request, shown = keyboard.make(tab, stroke)
            yield request


class Keyboard:
    """Sends strokes. `speed` divides the author's pauses; an author who `waits` goes on when the answer is there."""

    def __init__(self, editor: Editor, *, speed: float = 1.0, waits: bool = False) -> None:
        self.trace: dict[str, Any] = {}  # of the last stroke that was answered
        self._editor = editor
        self._speed = speed
        self._waits = waits
        self._texts: dict[str, str] = {}  # by URI: as the server knows them
        self._asked: int | None = None  # the request that is not answered yet
        self._n_computed = 0  # by the engine so far

    def close(self, tab: Tab) -> None:
        self._editor.notify("textDocument/didClose", {"textDocument": {"uri": tab.uri}})

    def make(self, tab: Tab, stroke: Stroke) -> tuple[Request, Change | None]:
        """What came of a stroke by the time of the next, and the suggestion then in sight."""
        self._editor.received.clear()
        if stroke.look_s:
            self._arrive(tab, stroke)
        started = time.perf_counter()
        self._take_back()
        self._send(tab, stroke)
        text = self._texts[tab.uri]
        self._asked = self._editor.ask_inline(as_position(text, stroke.cursor), tab.uri, kind=AUTOMATIC)
        until = started + stroke.pause_s / self._speed
        patience_s = PATIENCE_S if self._waits else max(0.0, until - time.perf_counter())
        answer = self._editor.answer_within(self._asked, patience_s)
        answer_ms = (time.perf_counter() - started) * 1000
        time.sleep(max(0.0, until - time.perf_counter()))
        trace = self._editor.trace(tab.uri)
        n_computed = self._count(trace)
        if answer is None:
            return Request(stroke.kind, tab.author.language, TAKEN_BACK, n_computed=n_computed), None
        self._asked = None
        assert trace and "result" in answer, answer
        self.trace = trace
        items = answer["result"]["items"]
        return _request(tab, stroke, trace, bool(items), n_computed, answer_ms), _change(text, items)

    def _arrive(self, tab: Tab, stroke: Stroke) -> None:
        """The cursor moves, as clients say that can; looking takes as long as it does, at whatever speed."""
        self._take_back()
        self._send(tab, stroke)
        place = as_position(self._texts[tab.uri], stroke.cursor)
        self._editor.notify("infill/didMoveCursor", {"textDocument": {"uri": tab.uri}, "position": place})
        time.sleep(stroke.look_s)

    def _take_back(self) -> None:
        if self._asked is not None:
            self._editor.notify("$/cancelRequest", {"id": self._asked})
            self._asked = None

    def _send(self, tab: Tab, stroke: Stroke) -> None:
        text = self._texts.get(tab.uri)
        if text is None:
            item = {"uri": tab.uri, "languageId": tab.author.language, "version": 1, "text": tab.author.text}
            self._editor.notify("textDocument/didOpen", {"textDocument": item})
        elif change := stroke.change:
            start, end = (tuple(as_position(text, offset).values()) for offset in (change.start, change.end))
            self._editor.change(start, end, change.new, tab.uri)
        self._texts[tab.uri] = tab.author.text

    def _count(self, trace: dict[str, Any] | None) -> int:
        """Tokens since the last stroke."""
        before = self._n_computed
        self._n_computed = trace["tokens"]["computed"] if trace else before
        return self._n_computed - before


def _request(
    tab: Tab, stroke: Stroke, trace: dict[str, Any], is_shown: bool, n_computed: int, answer_ms: float
) -> Request:
    tokens, source = trace["tokens"], trace.get("source", MODEL)
    was_asked = source != MODEL or tokens["prompt"] > 0
    by_model = was_asked and source == MODEL
    n_reused = tokens["reused"] if by_model else 0
    return Request(
        kind=stroke.kind,
        language=tab.author.language,
        outcome=SHOWN if is_shown else EMPTY if was_asked else REFUSED,
        reason=trace["reason"]["code"] if trace["reason"] else "",
        source=source,
        n_prompt=tokens["prompt"],
        n_evaluated=tokens["prompt"] - n_reused if by_model else 0,
        n_warmed=n_reused if stroke.look_s else 0,
        n_written=tokens["written"],
        n_computed=n_computed,
        answer_ms=answer_ms,
    )


def _change(text: str, items: list[dict[str, Any]]) -> Change | None:
    """What accepting the first suggestion would do."""
    if not items:
        return None
    ends = items[0]["range"]
    return Change(_offset(text, ends["start"]), _offset(text, ends["end"]), items[0]["insertText"])


def as_position(text: str, offset: int) -> dict[str, int]:
    """In UTF-16; lines end at line feeds only."""
    start = text.rfind("\n", 0, offset) + 1
    return {"line": text.count("\n", 0, offset), "character": len(text[start:offset].encode("utf-16-le")) // 2}


def _offset(text: str, position: dict[str, int]) -> int:
    start = 0
    for _ in range(position["line"]):
        start = text.index("\n", start) + 1
    line = text[start:].split("\n", 1)[0]
    return start + len(line.encode("utf-16-le")[: 2 * position["character"]].decode("utf-16-le"))
