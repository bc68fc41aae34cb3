"""A completion as LSP items, in the form that the editor draws and filters right."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lsprotocol import types

from lsp_server.server.clients import Client
from lsp_server.text import Document, Encoding, line_bounds
from lsp_server.values import Completion, Snapshot

_WORD = re.compile(r"\w*\Z")
_BACKTICKS = re.compile(r"`+")


@dataclass(frozen=True, slots=True)
class Cursor:
    """The cursor in its line: offsets inside, columns of the editor's encoding outside."""

    line: int  # number, from 0
    text: str  # the line, without its end
    offset: int  # in the line
    encoding: Encoding

    @staticmethod
    def of(snapshot: Snapshot, line: int, encoding: Encoding) -> Cursor:
        start, end = line_bounds(snapshot.text, snapshot.offset)
        return Cursor(line, snapshot.text[start:end], snapshot.offset - start, encoding)

    def range(self, start: int, end: int) -> types.Range:
        columns = Document("", "", 0, self.text)
        at = [types.Position(self.line, columns.position_at(offset, self.encoding)[1]) for offset in (start, end)]
        return types.Range(*at)

    def offset_at(self, character: int) -> int:
        return Document("", "", 0, self.text).offset_at(0, character, self.encoding)


@dataclass(frozen=True, slots=True)
class Edit:
    """`line[start:end]` gives way to `text`."""

    start: int
    end: int
    text: str

    @staticmethod
    def of(completion: Completion, snapshot: Snapshot, cursor: Cursor) -> Edit:
        n_replaced = completion.replace_until - snapshot.offset
        return Edit(cursor.offset, min(cursor.offset + n_replaced, len(cursor.text)), completion.text)

    def widened(self, cursor: Cursor, start: int, end: int) -> Edit:
        """The same change, written down for more of the line."""
        start, end = min(start, self.start), max(end, self.end)
        return Edit(start, end, cursor.text[start : self.start] + self.text + cursor.text[self.end : end])

    def as_insertion(self, cursor: Cursor) -> Edit:
        """For editors that can replace nothing: up to where what should give way stands in the text itself."""
        standing = cursor.text[self.start : self.end]
        text = self.text.removesuffix(standing)
        if text == self.text and standing:
            text = text.partition("\n")[0].rpartition(standing)[0]
        return Edit(self.start, self.start, text)


def inline_item(
    edit: Edit, cursor: Cursor, eol: str, client: Client, selected: types.SelectedCompletionInfo | None
) -> types.InlineCompletionItem | None:
    """The suggestion as grey text; None where the popup's selected entry leaves no room for it.

    While an entry is selected in the popup, editors draw only what begins with that entry, seen from where the entry
    begins. A suggestion that does is sent from there; any other would not be shown, so it is not sent.
    """
    if selected:
        fitting = _beginning_with(selected, edit, cursor)
        if fitting is None:
            return None
        edit = fitting
    elif client.whole_line and edit.start < len(cursor.text):
        edit = edit.widened(cursor, 0, len(cursor.text))
    text = edit.text if client.only_line_feeds else edit.text.replace("\n", eol)
    return types.InlineCompletionItem(insert_text=text, range=cursor.range(edit.start, edit.end))


def popup_item(edit: Edit, cursor: Cursor, eol: str, language_id: str, markdown: bool) -> types.CompletionItem:
    """The suggestion as an entry of the completion popup.

    It begins at the start of the word before the cursor, since that is what editors compare entries with.
    """
    word = _WORD.search(cursor.text[: cursor.offset])
    edit = edit.widened(cursor, word.start() if word else cursor.offset, edit.end)
    first_line = next((line.strip() for line in edit.text.split("\n") if line.strip()), "")
    return types.CompletionItem(
        label=first_line,
        kind=types.CompletionItemKind.Snippet,  # some popups leave out entries of kind Text
        detail="infill-ls",
        documentation=_documentation(edit.text, language_id, markdown),
        filter_text=edit.text,
        insert_text_format=types.InsertTextFormat.PlainText,
        insert_text_mode=types.InsertTextMode.AsIs,
        text_edit=types.TextEdit(cursor.range(edit.start, edit.end), edit.text.replace("\n", eol)),
    )


def _beginning_with(selected: types.SelectedCompletionInfo, edit: Edit, cursor: Cursor) -> Edit | None:
    start, end = selected.range.start, selected.range.end
    if start.line != cursor.line or end.line != cursor.line:
        return None
    widened = edit.widened(cursor, cursor.offset_at(start.character), cursor.offset_at(end.character))
    return widened if widened.text.startswith(selected.text) else None


def _documentation(text: str, language_id: str, markdown: bool) -> types.MarkupContent:
    if not markdown:
        return types.MarkupContent(types.MarkupKind.PlainText, text)
    fence = "`" * max(3, 1 + max((len(run) for run in _BACKTICKS.findall(text)), default=0))
    return types.MarkupContent(types.MarkupKind.Markdown, f"{fence}{language_id}\n{text}\n{fence}")
