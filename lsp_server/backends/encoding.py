"""From segments to ids while somebody types: only what is new is encoded, and a word half typed is healed."""

from __future__ import annotations

import re
from functools import lru_cache

from lsp_server.fim import FimTemplate, split_at_line
from lsp_server.tokenization import Tokenizer
from lsp_server.values import FimPrompt

# No vocabulary joins across these places: before an unindented line right below another, and before the end of a line
# that ends in a letter or a digit. (Line ends before indentation, and behind punctuation, are joined with it by many.)
SEAMS = re.compile(r"(?<=\S\n)(?=[!-~])|(?<=[A-Za-z0-9])(?=\n)")
MAX_CACHED_PARTS = 4096
LONG_PART = 1000  # characters: a new one at each key, where no seam is near, that should not stay for long
MAX_CACHED_LONG_PARTS = 64
MAX_TAKEN_BACK = 4  # tokens: words that are cut into more are continued, not written again


class PromptEncoder:
    """Encodes the prompts of one model. Not for several threads."""

    def __init__(self, tokenizer: Tokenizer, template: FimTemplate, *, heals: bool = True) -> None:
        self._tokenizer = tokenizer
        self._template = template
        self.heals = heals
        self._short_part = lru_cache(MAX_CACHED_PARTS)(self._encoded)
        self._long_part = lru_cache(MAX_CACHED_LONG_PARTS)(self._encoded)
        self._suffix = lru_cache(8)(tokenizer.encode)  # stays the same while somebody types above it

    def encode(self, prompt: FimPrompt) -> tuple[tuple[int, ...], bytes]:
        """The ids of the prompt, and what the first new tokens must begin with."""
        prefix, begun = split_at_line(self._template.order, prompt.prefix + prompt.owed)
        prefix_ids, begun_ids = self.growing(prefix, opens=True), self.growing(begun)
        last = begun_ids or ([] if self._template.stable == "prefix" else prefix_ids)
        owed = self._take_back(last)
        return self._template.render(prefix_ids, self._suffix(prompt.suffix), begun_ids), owed

    def growing(self, text: str, *, opens: bool = False) -> list[int]:
        """The same ids as `Tokenizer.encode` gives; of a text seen before, only the part that changed is encoded."""
        first, *others = SEAMS.split(text)
        return [*self._part(first, opens), *(id for part in others for id in self._part(part, False))]

    def _part(self, text: str, opens: bool) -> tuple[int, ...]:
        return self._long_part(text, opens) if len(text) > LONG_PART else self._short_part(text, opens)

    def _encoded(self, text: str, opens: bool) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, opens=opens))

    def _take_back(self, ids: list[int]) -> bytes:
        """Take the tokens at the end away that more text could join with, and return their bytes.

        Training text holds " return", hardly ever " ret" and then "urn". So what begins a longer token of the
        vocabulary is left for the model to write (token healing, as in Microsoft's guidance).
        """
        n_most = min(MAX_TAKEN_BACK, len(ids)) if self.heals else 0
        tails = [b"".join(map(self._tokenizer.piece, ids[-n:])) for n in range(1, n_most + 1)]
        n_taken = max((n for n, tail in enumerate(tails, 1) if self._is_begun(tail)), default=0)
        del ids[len(ids) - n_taken :]
        return tails[n_taken - 1] if n_taken else b""

    def _is_begun(self, tail: bytes) -> bool:
        # Half a character could not be asked of a server, whose grammars are texts.
        return self._tokenizer.begins_a_longer_one(tail) and is_text(tail)


def is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
