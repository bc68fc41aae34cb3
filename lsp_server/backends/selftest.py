"""A server measured: holes whose content is known, how well and how fast they are filled, and symptoms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass
from statistics import median
from time import perf_counter

from lsp_server.backends.base import Backend
from lsp_server.tokenization import CONTROL_LOOKS
from lsp_server.values import FimPrompt, Limits, PromptEvaluated

# What stands in the holes follows from both sides, so that a model which sees only one of them cannot know it.
HOLES = (
    (
        FimPrompt(
            "class Point:\n    def __init__(self, x, y):\n        self.x = x\n        self.y =", "\n\n\nPoint(1, 2)\n"
        ),
        r"\s*y\b",
    ),
    (
        FimPrompt(
            "first_name = 'Ada'\nlast_name = 'Lovelace'\nfull_name =",
            "\nprint(full_name)      # Ada Lovelace\n",
        ),
        r".*first_name.*last_name",
    ),
    (
        FimPrompt("import json\n\n\ndef load(path):\n    with open(path) as", ":\n        return json.load(file)\n"),
        r"\s*file\b",
    ),
)
LIMITS = Limits(24, 10.0)


@dataclass(frozen=True, slots=True)
class Filled:
    """One hole: what came, how long the first token took, and how fast the others came."""

    text: str
    is_right: bool
    first_token_ms: float
    tokens_per_s: float
    n_prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Report:
    filled: tuple[Filled, ...]
    suspicions: tuple[str, ...]  # what betrays a wrong template; sentences

    @property
    def n_right(self) -> int:
        return sum(hole.is_right for hole in self.filled)

    @property
    def speed(self) -> str:
        first_token_ms = median(hole.first_token_ms for hole in self.filled)
        tokens_per_s = median(hole.tokens_per_s for hole in self.filled)
        return f"{first_token_ms:,.0f} ms to the first token, then {tokens_per_s:,.0f} tokens/s"


async def examine(backend: Backend) -> Report:
    """Ask for every hole. Raises EngineError."""
    filled = tuple([await _fill(backend, prompt, expected) for prompt, expected in HOLES])
    return Report(filled, tuple(_suspicions(filled)))


async def _fill(backend: Backend, prompt: FimPrompt, expected: str) -> Filled:
    started = perf_counter()
    times: list[float] = []
    text, n_prompt_tokens = "", 0
    async with aclosing(backend.stream(prompt, LIMITS)) as events:
        async for event in events:
            if isinstance(event, PromptEvaluated):
                n_prompt_tokens = event.n_tokens
            else:
                times.append(perf_counter() - started)
                text += event.text
    first, last = (times[0], times[-1]) if times else (perf_counter() - started,) * 2
    speed = (len(times) - 1) / (last - first) if last > first else 0.0
    return Filled(text, re.match(expected, text) is not None, first * 1000, speed, n_prompt_tokens)


def _suspicions(filled: tuple[Filled, ...]) -> Iterator[str]:
    texts = [hole.text for hole in filled]
    for looks_wrong, sentence in SYMPTOMS:
        if any(looks_wrong(prompt, text) for (prompt, _), text in zip(HOLES, texts, strict=True)):
            yield sentence


def _has_sentinels(prompt: FimPrompt, text: str) -> bool:
    return CONTROL_LOOKS.search(text) is not None


def _has_fence(prompt: FimPrompt, text: str) -> bool:
    return "```" in text


def _repeats_prefix(prompt: FimPrompt, text: str) -> bool:
    return text.lstrip().startswith(prompt.prefix.splitlines()[0])


def _ends_with_suffix(prompt: FimPrompt, text: str) -> bool:
    return len(prompt.suffix.strip()) > 8 and text.rstrip().endswith(prompt.suffix.rstrip())


def _is_empty(prompt: FimPrompt, text: str) -> bool:
    return not text.strip()


SYMPTOMS = (
    (
        _has_sentinels,
        "control tokens came back as text: the template is another family's, or the server escapes the prompt",
    ),
    (
        _has_fence,
        "the answer is in a Markdown fence: this is a chat model, or the server wraps the prompt in a chat template",
    ),
    (
        _repeats_prefix,
        "the answer begins with the beginning of the file: the sentinels are not control tokens to this model",
    ),
    (_ends_with_suffix, "the answer ends with what stands below: the server appends `suffix` and does not fill in"),
    (_is_empty, "an answer is empty: the order of the segments may be wrong, or the model ends at once"),
)
