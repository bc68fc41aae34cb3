"""One suggestion outside of any editor: a place in a file → an answer."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

from lsp_server.errors import UsageError
from lsp_server.formatting import project_unit
from lsp_server.pipeline import Answer, Engine, complete
from lsp_server.syntax import Syntax, language_of
from lsp_server.text import Document
from lsp_server.values import Snapshot

PLACE = re.compile(r"(?s)(?P<path>.+?):(?P<line>\d{1,9})(?::(?P<column>\d{1,9}))?")
MAX_FILE_BYTES = 20_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where the cursor stands: line and column from 1, in code points, as compilers print them."""

    path: Path
    line: int
    column: int | None  # None: the end of the line


def parse_place(text: str) -> Place:
    """FILE:LINE or FILE:LINE:COL. Raises UsageError."""
    found = PLACE.fullmatch(text)
    if not found:
        raise UsageError(f"{text}: say where the cursor is, as FILE:LINE or FILE:LINE:COL (counted from 1)")
    column = found["column"]
    return Place(Path(found["path"]), int(found["line"]), int(column) if column else None)


def read_source(path: Path) -> str:
    """The file's text with its own line ends. Raises UsageError with one sentence for whatever is no text file."""
    try:
        if not path.is_file():
            raise UsageError(f"{path}: {'is not a regular file' if path.exists() else 'there is no such file'}")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UsageError(f"{path}: larger than {MAX_FILE_BYTES // 1_000_000} MB, which no editor would complete in")
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if b"\0" in data:
        raise UsageError(f"{path}: is a binary file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8 first") from error


def snapshot_at(place: Place) -> Snapshot:
    """The file as it stands, with the cursor at the place. Raises UsageError."""
    text = read_source(place.path)
    path = place.path.absolute()
    document = Document(path.as_uri(), language_of(place.path), 0, text)
    return Snapshot(
        uri=document.uri,
        path=str(path),
        language_id=document.language_id,
        version=0,
        text=text,
        offset=_offset(document, place),
        invoked=True,
        indent_unit=project_unit(str(path)),
    )


def suggest(engine: Engine, snapshot: Snapshot) -> Answer:
    """Raises EngineError."""
    tree = Syntax(snapshot.language_id).parse(snapshot.text)
    return asyncio.run(complete(engine, snapshot, tree, None))


def _offset(document: Document, place: Place) -> int:
    end_line, _ = document.position_at(len(document.text), "utf-32")
    if not 1 <= place.line <= end_line + 1:
        raise UsageError(f"{place.path}: has {_plural(end_line + 1, 'line')}, so there is no line {place.line}")
    start = document.offset_at(place.line - 1, 0, "utf-32")
    end = document.offset_at(place.line - 1, len(document.text), "utf-32")
    if place.column is None:
        return end
    if not 1 <= place.column <= end - start + 1:
        columns = _plural(end - start + 1, "column")
        raise UsageError(f"{place.path}: line {place.line} has {columns}, so there is no column {place.column}")
    return start + place.column - 1


def _plural(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
