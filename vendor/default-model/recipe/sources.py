"""Python code with its licences, out of wheels: fetched by pip, filtered by licence, cleaned, near-duplicates dropped.

Wheels and not source archives, because pip runs a source archive's own build to download it.
"""

from __future__ import annotations

import email
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

NEAR_SHARE = 0.6  # of a file's shingles: with that many seen before, it is a copy
N_SHINGLE_LINES = 3
MIN_CHARS, MAX_CHARS = 150, 400_000
MAX_LINE_CHARS, MAX_MEAN_LINE_CHARS = 1_000, 100
MIN_LETTERS = 0.35
LICENCE_FILE = re.compile(r"(?i)(^|/)(licen[cs]e|copying|notice)[^/]*$")
PERMISSIVE = re.compile(
    r"(?i)\b(mit(-0|-cmu)?|0?bsd|apache|isc|psf|python software foundation|python-2\.0|hpnd|zlib|unlicense|cc0|bsl-1\.0"
    r"|blueoak|cnri|public domain)\b"
)
COPYLEFT = re.compile(r"(?i)gpl|\bgnu\b|mpl|mozilla|\bepl\b|eclipse|cddl|proprietary|non-?commercial")
COPYLEFT_HEADER = re.compile(r"GNU (Lesser|Library|General|Affero)|\bL?GPL|Mozilla Public")
GENERATED = re.compile(r"(?i)do not edit|auto-?generated|automatically generated|_pb2")
LICENCE_OF_TEXT = (
    ("Apache-2.0", re.compile(r"Apache License\s+Version 2\.0")),
    ("MIT", re.compile(r"Permission is hereby granted, free of charge")),
    ("BSD", re.compile(r"Redistribution and use in source and binary forms")),
    ("ISC", re.compile(r"Permission to use, copy, modify,? and/or distribute")),
)
LEADING_COMMENT = re.compile(r"(?:#[^\n]*\n|\s*\n)*")
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+")


@dataclass(frozen=True, slots=True)
class Source:
    package: str
    path: str  # inside the wheel
    text: str


@dataclass(frozen=True, slots=True)
class Package:
    name: str
    version: str
    licence: str  # as its metadata says, else as its licence file reads; "" where neither tells
    licence_texts: tuple[str, ...]
    sources: tuple[Source, ...]


def fetch(requirements: Path, folder: Path) -> list[Path]:
    """Download the pinned wheels of a requirements file with pip; those that are there already are kept."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*command, "--dest", str(folder), "--requirement", str(requirements)], check=True)
    wanted = {normalised(line.split("==")[0]) for line in requirements.read_text("utf-8").splitlines() if "==" in line}
    return sorted(path for path in folder.glob("*.whl") if normalised(path.name.split("-")[0]) in wanted)


def read_wheel(path: Path) -> Package:
    """Its Python files in the order of their names, whatever they hold."""
    with zipfile.ZipFile(path) as wheel:
        names = sorted(wheel.namelist())
        metadata = email.message_from_bytes(wheel.read(next(n for n in names if n.endswith(".dist-info/METADATA"))))
        licences = [n for n in names if ".dist-info/" in n and LICENCE_FILE.search(n)]
        texts = tuple(wheel.read(name).decode("utf-8", "replace") for name in licences)
        name = normalised(metadata["Name"])
        codes = [(n, _decoded(wheel.read(n))) for n in names if n.endswith(".py")]
    sources = tuple(Source(name, path, text) for path, text in codes if text is not None)
    return Package(name, metadata["Version"], licence_of(metadata, texts), texts, sources)


def licence_of(metadata: Message, texts: Iterable[str]) -> str:
    """An SPDX expression, or the classifiers, or a short licence field, or what the licence file's text is."""
    classifiers = [c.split("::")[-1].strip() for c in metadata.get_all("Classifier", []) if c.startswith("License")]
    field = str(metadata["License"] or "").strip()
    if stated := metadata["License-Expression"] or "; ".join(c for c in classifiers if c != "OSI Approved"):
        return str(stated)
    if field and len(field) < 80 and "\n" not in field:
        return field
    known = (name for text in (*texts, field) for name, pattern in LICENCE_OF_TEXT if pattern.search(text))
    return next(known, "")


def is_permissive(licence: str) -> bool:
    """Of alternatives one has to be; of licences that hold together, each. What nobody can tell is not."""
    return any(
        all(
            PERMISSIVE.search(part) and not COPYLEFT.search(part) for part in re.split(r"(?i)\band\b|;|,|\bwith\b", way)
        )
        for way in re.split(r"(?i)\bor\b|/", licence.replace("(", "").replace(")", ""))
    )


def is_usable(text: str) -> bool:
    """Written by people, long enough to learn from, and under no licence of its own that asks for more."""
    lines = text.split("\n")
    head = text[:20_000]
    return (
        MIN_CHARS <= len(text) <= MAX_CHARS
        and max(map(len, lines)) <= MAX_LINE_CHARS
        and len(text) / len(lines) <= MAX_MEAN_LINE_CHARS
        and sum(map(str.isalpha, head)) >= MIN_LETTERS * len(head)
        and not COPYLEFT_HEADER.search(text[:3_000])
        and not GENERATED.search(text[:1_500])
    )


def cleaned(text: str) -> str:
    """Without addresses of people, and without the licence comment on top: it is the same in every file."""
    head = LEADING_COMMENT.match(text)
    if head and re.search(r"(?i)licen[cs]e|copyright", head[0]):
        text = text[head.end() :]
    return ADDRESS.sub("user@example.com", text)


def shingles(text: str) -> set[int]:
    """Hashes of each three lines that follow one another; blank lines and comments aside."""
    lines = [line for line in map(str.strip, text.split("\n")) if len(line) > 2 and not line.startswith("#")]
    n = max(1, len(lines) - N_SHINGLE_LINES + 1)
    return {hash("\n".join(lines[i : i + N_SHINGLE_LINES])) for i in range(n)}


def without_copies(sources: Iterable[Source], seen: set[int]) -> Iterator[Source]:
    """Those that are no near-duplicate of what came before; `seen` grows by the shingles of each."""
    for source in sources:
        own = shingles(source.text)
        if len(own & seen) <= NEAR_SHARE * len(own):
            seen |= own
            yield source


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _decoded(data: bytes) -> str | None:
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        return None
