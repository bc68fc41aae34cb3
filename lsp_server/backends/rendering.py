"""From segments to what a server is sent: token ids, the segments themselves, or one text with sentinels in it.

In a text, the user's own `<fim_middle>` would become the control token. So a word joiner (U+2060, no width, never part
of a token's name) goes behind the first character of whatever looks like a control token in the user's text, and is
taken out again behind such a character in the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import ceil

from lsp_server.backends.encoding import PromptEncoder
from lsp_server.errors import SettingsError
from lsp_server.fim import FAMILIES, LAYOUTS, FimFamily, split_at_line
from lsp_server.tokenization import CONTROL_LOOKS
from lsp_server.values import FimPrompt

JOINER = "\u2060"
OPENER = re.compile(rf"([<\[▁_])({JOINER}*)")
LONGEST_CONTROL_TOKEN = 80
CHARS_PER_TOKEN = 3.0  # code has 2.5 to 4; a low estimate keeps the prompt within the server's window
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Rendered:
    prompt: str | tuple[int, ...]
    suffix: str  # "" where the prompt holds it
    n_tokens: int  # an estimate where the vocabulary is not known
    owed: str = ""  # left out of the prompt: the server holds the answer to it
    extra: tuple[str, ...] = ()


Rendering = Callable[[FimPrompt], Rendered]


def estimated_tokens(text: str) -> int:
    """For models whose vocabulary is not at hand."""
    return ceil(len(text) / CHARS_PER_TOKEN)


def as_ids(encoder: PromptEncoder) -> Rendering:
    return partial(_ids, encoder=encoder)


def _ids(prompt: FimPrompt, encoder: PromptEncoder) -> Rendered:
    ids, owed = encoder.encode(prompt)
    return Rendered(ids, "", len(ids), owed.decode())


def as_segments(prompt: FimPrompt) -> Rendered:
    prefix, suffix = sound(prompt.prefix + prompt.owed), sound(prompt.suffix)
    extra = tuple(map(sound, prompt.extra))
    return Rendered(prefix, suffix, sum(map(estimated_tokens, (prefix, suffix, *extra))), extra=extra)


def as_text(family: str, order: str = "") -> Rendering:
    """Raises SettingsError for a family or an order that does not exist."""
    row = next((row for row in FAMILIES if row.name == family), None)
    if row is None:
        raise SettingsError(f"backend.servers: there is no family {family!r}; choose one of {_names()}")
    if order and order not in row.orders:
        raise SettingsError(f"backend.servers: {family} has no order {order!r}; choose one of {', '.join(row.orders)}")
    return partial(_text, family=row, order=order or row.orders[0])


def _text(prompt: FimPrompt, family: FimFamily, order: str) -> Rendered:
    sentinels = family.sentinels
    prefix, begun = split_at_line(order, sound(prompt.prefix + prompt.owed))
    parts = {
        "PRE": sentinels.prefix,
        "SUF": sentinels.suffix,
        "MID": sentinels.middle,
        "prefix": disarmed(prefix),
        "suffix": disarmed(sound(prompt.suffix)),
    }
    text = "".join(parts[part] for part in LAYOUTS[order]) + disarmed(begun)
    return Rendered(text, "", estimated_tokens(text))


def control_texts(family: str) -> tuple[str, ...]:
    """What the model writes when it is done, if its server shows control tokens as text."""
    row = next((row for row in FAMILIES if row.name == family), None)
    if row is None:
        return ()
    sentinels = row.sentinels
    return tuple(
        text for text in ("<|endoftext|>", sentinels.prefix, sentinels.suffix, sentinels.middle, *row.stops) if text
    )


def disarmed(text: str) -> str:
    """The text with nothing in it that a tokenizer would take for a control token; `rearmed` is its inverse."""
    return OPENER.sub(lambda found: found[0] + JOINER * _looks_like_control(found), text)


def _looks_like_control(found: re.Match[str]) -> bool:
    behind = found.string[found.end() : found.end() + LONGEST_CONTROL_TOKEN]
    return CONTROL_LOOKS.match(found[1] + behind) is not None


class Rearmed:
    """The inverse of `disarmed`, for a text that comes in pieces: one joiner behind an opening character goes."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, piece: str) -> str:
        text = re.sub(rf"(?<=[<\[▁_]){JOINER}", "", self._last + piece)[len(self._last) :]
        self._last = text[-1:] or (piece and JOINER) or self._last
        return text


def sound(text: str) -> str:
    """Half a surrogate pair cannot be sent; it becomes U+FFFD."""
    return LONE_SURROGATE.sub("\ufffd", text)


def _names() -> str:
    return ", ".join(row.name for row in FAMILIES)
