"""What became of a half-written document once a suggestion was accepted."""

from __future__ import annotations

from typing import Any

_OPENERS = {")": "(", "]": "[", "}": "{"}


def classify(case: dict[str, Any], insert: str, n_replaced: int) -> str:
    """The class of a suggestion that takes the place of the first `n_replaced` characters of the suffix."""
    middle = case["middle"]
    document = case["prefix"] + insert + case["suffix"][n_replaced:]
    if _without_trailing_blanks(document) == _without_trailing_blanks(case["expected"]):
        return "exact"
    if not middle.strip():
        return "noise"
    if not insert.strip():
        return "missed"
    n_written = len(insert) if middle.startswith(insert) else len(insert.rstrip())
    if not middle.startswith(insert[:n_written]):
        return "overrun"
    written, rest = middle[:n_written], middle[n_written:]
    if case["kind"] == "auto_closed" and n_replaced == 0:
        closer = case["suffix"][0]
        if _closes(written, closer):
            return "overrun"
        rest = rest.removeprefix(closer)  # typing it only steps over the one that stands there
    if not rest.strip():
        return "short" if n_written < len(middle) and len(insert) <= len(middle) else "overrun"
    if written.endswith("\n") or rest.lstrip(" \t").startswith("\n"):
        return "short"
    return "short" if _lines(document) == _lines(case["expected"]) else "cut"


def n_common(left: str, right: str) -> int:
    """Characters at the beginning that both have."""
    pairs = zip(left, right, strict=False)
    return next((index for index, (a, b) in enumerate(pairs) if a != b), min(len(left), len(right)))


def _without_trailing_blanks(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.split("\n")).rstrip()


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.split("\n") if line.strip()]


def _closes(text: str, closer: str) -> bool:
    """Does the text close the bracket that was open before it?"""
    depth = 1
    for char in text:
        depth += (char == _OPENERS.get(closer)) - (char == closer)
        if not depth:
            return True
    return False
