"""The open files: text by the LSP's rules, syntax that follows each edit, and what the last request left behind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import TypeAlias

from lsprotocol import types
from pygls.uris import to_fs_path

from lsp_server.cache import Answers
from lsp_server.formatting import project_unit
from lsp_server.privacy import NEVER_SENT, is_excluded, path_in
from lsp_server.server.offers import Edit
from lsp_server.server.rhythm import Rhythm
from lsp_server.server.undo import Undo
from lsp_server.syntax import Syntax, Tree
from lsp_server.text import Document, Encoding
from lsp_server.trace import Trace
from lsp_server.values import Snapshot, Window

logger = logging.getLogger(__name__)

# A parse that was put off is made up for after so long without an edit, and after so many times what it takes: while it
# runs, a key has to wait, which should be rare however long the file is.
SETTLE_AFTER_S = 0.1
SETTLE_AFTER_TIMES = 20

PROJECT_S = 0.05  # that a request waits for the project's files; slow disks are for the next one
MAX_OTHERS = 6  # documents that may be looked at while another is edited

OnEdit: TypeAlias = Callable[[str, int, int, str], None]  # text[start:end] is about to give way to the new text


class OpenDocument:
    """One open file. Lives on the event loop's thread."""

    def __init__(self, item: types.TextDocumentItem) -> None:
        self.document = Document(item.uri, item.language_id, item.version, item.text)
        self.path = _path_of(item.uri)
        self.is_known = True  # False: an edit could not be read, so our text is not the editor's
        self.window: Window | None = None  # what the last request showed to the model
        self.trace: Trace | None = None  # of the last request that was not taken back
        self.small_window: Window | None = None  # and where it was small for the sake of time
        self.rhythm = Rhythm()
        self.undo = Undo()
        self.asked: Trace | None = None  # of the last one that got as far as a window for the model
        self.answers = Answers()
        self.edited_at: int | None = None  # where the last edit ended; None: the whole text was sent
        self.others: Callable[[], tuple[str, ...]] = tuple  # texts of other documents that may be looked at
        self.on_edit: OnEdit = lambda text, start, end, new_text: None
        self.editor_unit = ""  # one step of indentation, as the editor last said it
        self._project_unit = asyncio.get_running_loop().run_in_executor(None, project_unit, self.path)
        self._syntax = Syntax(item.language_id)
        self._settling: asyncio.TimerHandle | None = None
        self._settle_s = 0.0  # what it took the last time
        self._settle_soon()

    def change(self, version: int, changes: Sequence[types.TextDocumentContentChangeEvent], encoding: Encoding) -> None:
        self.document.version = version
        self.rhythm.edited()
        for change in changes:
            if isinstance(change, types.TextDocumentContentChangePartial):
                ends = change.range.start, change.range.end
                start, end = sorted(self.offset_at(position, encoding) for position in ends)
                self.edited_at = start + len(change.text)
            else:
                start, end = 0, len(self.document.text)
                self.is_known, self.edited_at = True, None
            edit = Edit.least(self.document.text, start, end, change.text)
            self.undo.edited(edit.start, self.document.text[edit.start : edit.end], edit.text)
            self.on_edit(self.document.text, start, end, change.text)
            self._syntax.edit(self.document.text, start, end, change.text)
            self.document.replace(start, end, change.text)
        self._settle_soon()

    def offset_at(self, position: types.Position, encoding: Encoding) -> int:
        return self.document.offset_at(position.line, position.character, encoding)

    def snapshot(self, offset: int, *, invoked: bool) -> Snapshot:
        document = self.document
        return Snapshot(
            uri=document.uri,
            path=self.path,
            language_id=document.language_id,
            version=document.version,
            text=document.text,
            offset=offset,
            invoked=invoked,
            others=self.others(),
            indent_unit=self.indent_unit,
        )

    @property
    def indent_unit(self) -> str:
        return self.editor_unit or (self._project_unit.result() if self._project_unit.done() else "")

    async def with_indent_unit(self, snapshot: Snapshot) -> Snapshot:
        """For a request that came before the project's files were read."""
        if not self.editor_unit:
            await asyncio.wait([self._project_unit], timeout=PROJECT_S)
        return replace(snapshot, indent_unit=self.indent_unit)

    def tree(self) -> Tree | None:
        """The syntax of the text as it is now; later edits do not touch it."""
        return self._syntax.parse(self.document.text)

    def tree_of(self, then: str) -> Tree | None:
        """The syntax of another text, into which an edit at one place would make this one."""
        text = self.document.text
        edit = Edit.least(text, 0, len(text), then)
        return self._syntax.ahead(text, edit.start, edit.end, edit.text, then)

    def close(self) -> None:
        if self._settling:
            self._settling.cancel()

    def _settle_soon(self) -> None:
        self.close()
        delay_s = max(SETTLE_AFTER_S, SETTLE_AFTER_TIMES * self._settle_s)
        self._settling = asyncio.get_running_loop().call_later(delay_s, self._settle)

    def _settle(self) -> None:
        start = perf_counter()
        self._syntax.settle(self.document.text)
        self._settle_s = perf_counter() - start


class Documents:
    """What one editor has open, by URI. `private`: patterns of files that are used for nothing but themselves."""

    def __init__(self, private: Callable[[], tuple[str, ...]] = lambda: NEVER_SENT) -> None:
        self._open: dict[str, OpenDocument] = {}
        self._private = private

    def open(self, item: types.TextDocumentItem) -> OpenDocument:
        self.close(item.uri)
        self._open[item.uri] = document = OpenDocument(item)
        document.others = partial(self._others, item.uri, item.language_id)
        return document

    def change(self, params: types.DidChangeTextDocumentParams, encoding: Encoding) -> None:
        if document := self._open.get(params.text_document.uri):
            document.change(params.text_document.version, params.content_changes, encoding)
        else:
            logger.warning("an edit of a document that is not open was ignored")

    def lose(self, uri: object) -> None:
        """An edit could not be read: nothing is suggested in the document until the editor sends its whole text."""
        if isinstance(uri, str) and (document := self._open.get(uri)):
            document.is_known = False

    def indent_by(self, identifier: object, unit: str) -> None:
        """The editor says what one step of indentation is in the document {uri}."""
        uri = identifier.get("uri") if isinstance(identifier, dict) else None
        if isinstance(uri, str) and (document := self._open.get(uri)):
            document.editor_unit = unit

    def close(self, uri: str) -> None:
        if document := self._open.pop(uri, None):
            document.close()

    def close_all(self) -> None:
        for uri in list(self._open):
            self.close(uri)

    def get(self, uri: str) -> OpenDocument | None:
        """None where it is not open, or where its text is not known any more."""
        document = self._open.get(uri)
        return document if document and document.is_known else None

    def _others(self, uri: str, language_id: str) -> tuple[str, ...]:
        """The texts of the other documents in the same language, those in the same folder first."""
        patterns, folder = self._private(), uri.rpartition("/")[0]
        found = [
            (other.rpartition("/")[0] != folder, other, document.document.text)
            for other, document in self._open.items()
            if other != uri and document.is_known and document.document.language_id == language_id
            if not is_excluded(document.path or path_in(other), patterns)
        ]
        return tuple(text for *_, text in sorted(found)[:MAX_OTHERS])


def _path_of(uri: str) -> str:
    """ "" for what is no file, or no address at all."""
    try:
        return to_fs_path(uri) or ""
    except ValueError:
        return ""
