"""What becomes of suggestions: the document as the user sees it, what is typed or taken, and what is counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from lsprotocol import types

from lsp_server.server import tracking
from lsp_server.server.documents import Documents
from lsp_server.server.kept import Kept
from lsp_server.server.offers import Edit, Offer, n_common
from lsp_server.server.tracking import Tracker
from tests.wire import CURSOR, URI

DRAWN = "def mean(numbers):\n    return ┃\n"
TEXT = "sum(numbers) / len(numbers)"


class Typist:
    """An editor with one document, by the offset of its cursor."""

    def __init__(self, drawn: str = DRAWN) -> None:
        self.counts = Counter[str]()
        self.documents = Documents()
        item = types.TextDocumentItem(URI, "python", 1, drawn.replace(CURSOR, ""))
        self.document = self.documents.open(item)
        self.tracker = Tracker(self.documents, lambda language, model, happened: self.counts.update(happened))
        self.document.on_edit = self._on_edit
        self.cursor = drawn.index(CURSOR)

    def is_shown(self, text: str = TEXT, lead: str = "") -> Offer:
        return self.tracker.offer(URI, self.cursor, text, "python", "tiny", 45.0, lead)

    def types(self, text: str) -> None:
        for key in text:
            self.writes(key)

    def writes(self, text: str) -> None:
        """All at once."""
        self.replaces(self.cursor, self.cursor, text)
        self.cursor += len(text)

    def replaces(self, start: int, end: int, text: str) -> None:
        ends = (types.Position(*self.document.document.position_at(offset, "utf-16")) for offset in (start, end))
        change = types.TextDocumentContentChangePartial(types.Range(*ends), text)
        self.document.change(2, [change], "utf-16")

    def takes(self, offer: Offer) -> None:
        self.writes(offer.text)
        self.tracker.accepted(offer.id)

    def counted(self, *names: str) -> tuple[int, ...]:
        return tuple(self.counts[name] for name in names)

    def _on_edit(self, *edit: Any) -> None:
        self.tracker.edited(URI, *edit)


@pytest.fixture
async def typist() -> Typist:
    return Typist()


async def test_what_was_shown_and_taken(typist):
    typist.takes(typist.is_shown())
    assert typist.counted("shown", "accepted", "partly") == (1, 1, 0)


async def test_what_is_taken_twice_counts_once(typist):
    offer = typist.is_shown()
    typist.takes(offer)
    typist.tracker.accepted(offer.id)
    assert typist.counted("accepted") == (1,)


async def test_an_id_that_nobody_knows_counts_for_nothing(typist):
    typist.tracker.accepted("4711")
    typist.tracker.partly_accepted("4711", 3)
    typist.tracker.forget("4711")
    assert not typist.counts


async def test_time_is_counted_with_every_answer(typist):
    typist.is_shown()
    assert [name for name in typist.counts if name.startswith("ms:")] == ["ms:22"]  # 45 ms, 4 buckets an octave


class TestTypingThrough:
    async def test_it_is_not_acceptance(self, typist):
        typist.is_shown()
        typist.types(TEXT)
        typist.tracker.close()
        assert typist.counted("shown", "accepted", "partly", "taken_chars") == (1, 0, 0, 0)

    async def test_the_rest_of_a_suggestion_is_no_other(self, typist):
        typist.is_shown()
        for key in "sum(":
            typist.types(key)
            typist.is_shown(TEXT[typist.cursor - DRAWN.index(CURSOR) :])
        assert typist.counted("shown") == (1,)

    async def test_a_closer_that_the_editor_adds_does_not_make_it_another(self, typist):
        typist.is_shown("(numbers)")
        typist.replaces(typist.cursor, typist.cursor, "()")
        typist.cursor += 1
        typist.is_shown("numbers)")
        assert typist.counted("shown") == (1,)

    async def test_the_same_at_the_same_place_is_no_other(self, typist):
        typist.is_shown()
        typist.is_shown()
        assert typist.counted("shown") == (1,)

    async def test_something_else_is(self, typist):
        typist.is_shown()
        typist.types("max")
        typist.is_shown("(numbers)")
        assert typist.counted("shown") == (2,)

    async def test_what_is_typed_first_is_not_taken(self, typist):
        offer = typist.is_shown()
        typist.types("sum(")
        typist.writes(TEXT[4:])
        typist.tracker.accepted(offer.id)
        typist.tracker.close()
        assert typist.counted("accepted", "taken_chars") == (1, len(TEXT) - 4)

    @pytest.mark.parametrize(
        ("text", "at_once"), [("\n        x = 1", "\n        "), ("() + 1", "()"), ("number", "num")]
    )
    async def test_what_editors_write_for_one_key_is_typing(self, typist, text, at_once):
        typist.is_shown(text)
        typist.writes(at_once)
        assert typist.counted("partly") == (0,)


class TestPartsOfIt:
    @pytest.mark.parametrize("part", ["sum", "sum(", "sum(numbers) / len"])
    async def test_a_word_comes_at_once(self, typist, part):
        typist.is_shown()
        typist.writes(part)
        assert typist.counted("shown", "accepted", "partly") == (1, 0, 1)

    async def test_a_line_of_several(self, typist):
        typist.is_shown("sum(numbers)\n\n\nprint(mean([1]))")
        typist.writes("sum(numbers)\n")
        assert typist.counted("partly") == (1,)

    async def test_word_by_word_is_one_suggestion(self, typist):
        typist.is_shown()
        for word in ("sum", "(numbers", ") / len"):
            typist.writes(word)
            typist.is_shown(TEXT[typist.cursor - DRAWN.index(CURSOR) :])
        assert typist.counted("shown", "partly") == (1, 1)

    async def test_a_word_after_some_keys(self, typist):
        typist.is_shown()
        typist.types("su")
        typist.writes("m(numbers)")
        assert typist.counted("partly") == (1,)

    async def test_elsewhere_it_is_another_text(self, typist):
        typist.is_shown()
        typist.replaces(0, 0, "sum")
        assert typist.counted("partly") == (0,)

    async def test_an_edit_above_moves_it(self, typist):
        typist.is_shown()
        typist.replaces(0, 0, "import math\n\n\n")
        typist.cursor += len("import math\n\n\n")
        typist.writes("sum")
        assert typist.counted("partly") == (1,)

    async def test_an_editor_that_knows_says_it_in_utf_16_units(self, typist):
        offer = typist.is_shown("'😀' + name", lead="    return ")
        typist.tracker.partly_accepted(offer.id, len("    return "))
        assert typist.counted("partly") == (0,)
        typist.tracker.partly_accepted(offer.id, len("    return '") + 2)
        typist.tracker.partly_accepted(offer.id, len("    return '") + 3)
        assert typist.counted("partly") == (1,)

    async def test_all_of_it_is_no_part(self, typist):
        offer = typist.is_shown("'😀'")
        typist.tracker.partly_accepted(offer.id, 4)
        assert typist.counted("partly") == (0,)


class TestWhatIsKept:
    async def test_all_that_is_not_edited(self, typist):
        typist.takes(typist.is_shown())
        typist.tracker.closed(URI)
        assert typist.counted("taken_chars", "kept_chars") == (len(TEXT), len(TEXT))

    async def test_after_half_a_minute(self, typist, monkeypatch):
        monkeypatch.setattr(tracking, "KEPT_AFTER_S", 0.0)
        typist.takes(typist.is_shown())
        await asyncio.sleep(0.01)
        assert typist.counted("kept_chars") == (len(TEXT),)

    async def test_what_is_deleted_is_not(self, typist):
        start = typist.cursor
        typist.takes(typist.is_shown())
        typist.replaces(start, start + 3, "max")
        typist.replaces(0, 0, "import math\n")
        typist.tracker.close()
        assert typist.counted("taken_chars", "kept_chars") == (len(TEXT), len(TEXT) - 3)

    async def test_editors_that_send_the_whole_document_for_every_key(self, typist):
        typist.takes(typist.is_shown())
        after = typist.document.document.text.replace("len", "max")
        typist.document.change(3, [types.TextDocumentContentChangeWholeDocument(after)], "utf-16")
        typist.tracker.close()
        assert typist.counted("kept_chars") == (len(TEXT) - 3,)

    async def test_a_word_that_was_taken_is_watched_too(self, typist):
        typist.is_shown()
        typist.writes("sum")
        typist.tracker.close()
        assert typist.counted("taken_chars", "kept_chars") == (3, 3)

    async def test_where_the_editor_wrote_something_else_nothing_can_be_said(self, typist):
        offer = typist.is_shown()
        typist.tracker.accepted(offer.id)
        typist.tracker.close()
        assert typist.counted("accepted", "taken_chars") == (1, 0)


@pytest.mark.parametrize(
    ("edit", "n_kept"),
    [
        (Edit(0, 3, ""), 6),
        (Edit(10, 10, "abc"), 6),
        (Edit(12, 14, "abc"), 4),
        (Edit(8, 12, ""), 4),
        (Edit(14, 20, "x"), 4),
        (Edit(0, 99, ""), 0),
        (Edit(13, 13, "abc"), 6),
    ],
)
def test_characters_10_to_16_after_an_edit(edit, n_kept):
    kept = Kept(10, 6)
    kept.follow(edit)
    assert kept.n_kept == n_kept
    kept.follow(Edit(0, 0, "above\n"))
    assert kept.n_kept == n_kept


@pytest.mark.parametrize(
    ("first", "second", "n"),
    [("", "abc", 0), ("abc", "abc", 3), ("abd", "abc", 2), ("xbc", "abc", 0), ("abcde", "abc", 3)],
)
def test_what_two_texts_begin_with(first, second, n):
    assert n_common(first, second) == n


def test_an_edit_without_what_it_leaves_as_it_was():
    assert Edit.least("x = total(a)\n", 0, 13, "x = total(a, b)\n") == Edit(11, 11, ", b")
    assert Edit.least("aaa", 0, 3, "aa") == Edit(2, 3, "")
