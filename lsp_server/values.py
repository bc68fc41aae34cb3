"""What travels down the pipeline: plain frozen values, made by one stage and read by the next.

    Snapshot → CodeContext → FimPrompt → events (PromptEvaluated, Piece …) → Generation → Completion

Offsets count code points of `Snapshot.text`, from 0; lines and columns exist only in the server and the command line.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias


class Shape(Enum):
    """How much is wanted at the cursor."""

    NOTHING = "nothing"
    LINE = "line"      # the rest of the line
    BLOCK = "block"    # lines, until the indentation falls below the block's


class Reason(Enum):
    """Why an answer is empty, or why it ends where it ends: a code for machines, a sentence for people."""

    # Nothing was asked of the model.
    DISABLED = "disabled", "suggestions are switched off"
    MODEL_LOADING = "model-loading", "the model is still loading"
    MODEL_FAILED = "model-failed", "the model could not be loaded"
    INSIDE_WORD = "inside-word", "the cursor stands inside a word"
    CODE_ON_THE_RIGHT = "code-on-the-right", "there is code right of the cursor on the same line"
    IN_COMMENT = "in-comment", "the cursor stands in a comment, and suggest.inComments is off"
    AFTER_UNDO = "after-undo", "something was just taken back"
    NO_ROOM = "no-room", "the line at the cursor alone is larger than the model's window"
    # The request ended early.
    SUPERSEDED = "superseded", "a newer request for the same document took its place"
    BACKEND_FAILED = "backend-failed", "the model or its server failed"
    BACKEND_UNAVAILABLE = "backend-unavailable", "the model server could not be reached, or it broke off"
    BACKEND_LOADING = "backend-loading", "the model server is still loading its model"
    BACKEND_BUSY = "backend-busy", "the model server asked to be left alone for a while"
    BACKEND_TIMEOUT = "backend-timeout", "the model server did not answer in time"
    BACKEND_REFUSED = "backend-refused", "the model server refused the request"
    BACKEND_GARBLED = "backend-garbled", "the model server sent something that cannot be read"
    # Nothing was sent.
    EXCLUDED = "excluded", "the file is on the list of files that are never sent nor used as context"
    # Why the text ends where it ends.
    END_OF_TEXT = "end-of-text", "the model said that it is done"
    LINE_COMPLETE = "line-complete", "one line was wanted and it is complete"
    DEDENT = "dedent", "the indentation fell below the block at the cursor"
    NEXT_DEFINITION = "next-definition", "the model went on to the next definition"
    STARTED_OVER = "started-over", "the model began the file again"
    TALK = "talk", "the model went on to talk about the code"
    NOTHING_MISSING = "nothing-missing", "the line is whole, and what comes next stands below it"
    SUFFIX_REACHED = "suffix-reached", "the model came to the text below the cursor"
    REPETITION = "repetition", "the model repeated itself"
    TOKEN_LIMIT = "token-limit", "the token limit was reached; it ends at the last whole line"
    TIME_LIMIT = "time-limit", "the time limit was reached; it ends at the last whole line"
    UNSURE = "unsure", "the model is not sure of what it would say"
    # Something was written, and nothing of it was worth showing.
    NOTHING_TO_ADD = "nothing-to-add", "the model had nothing to add"
    ALREADY_THERE = "already-there", "what the model wrote stands there already"

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        self.sentence = sentence

    @classmethod
    def of_code(cls, code: str) -> Reason:
        """Raises StopIteration for a code that no reason has."""
        return next(reason for reason in cls if reason.code == code)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The document as it stood when the request came in."""

    uri: str
    path: str           # "" where the document has no file
    language_id: str
    version: int
    text: str
    offset: int         # the cursor
    invoked: bool       # asked for by hand, so nothing is refused
    others: tuple[str, ...] = field(default=(), repr=False)  # the texts of other open documents that may be looked at
    indent_unit: str = ""   # one step of indentation, as the editor or the project wants it; "" where neither says


@dataclass(frozen=True, slots=True)
class Excerpt:
    """`document[start:end]`, whole lines but for the cursor's; then a line in place of what was left out, if any."""

    start: int
    end: int
    stand_in: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """The part of the document that the model sees: whole lines, in file order, with the cursor between the two parts.

    Line ends are "\n" in both parts, whatever the document has.
    """

    prefix: str
    suffix: str
    n_prefix_tokens: int
    n_suffix_tokens: int
    excerpts: tuple[Excerpt, ...]     # in file order; one of them ends at the cursor and the next begins there
    document: str = field(repr=False)
    recut: bool                       # False: the cut points of the previous request were kept
    offset: int = 0                   # the cursor

    @property
    def kept(self) -> tuple[tuple[int, int], ...]:
        """Half-open ranges of line numbers; they are counted only when somebody asks."""
        ranges: list[tuple[int, int]] = []
        for excerpt in self.excerpts:
            first = _n_line_ends(self.document, excerpt.start)
            ends_a_line = excerpt.start < excerpt.end and self.document[excerpt.end - 1] in "\r\n"
            last = _n_line_ends(self.document, excerpt.end) + (not ends_a_line)
            if ranges and first <= ranges[-1][1]:
                first, _ = ranges.pop()
            ranges.append((first, last))
        return tuple(ranges)

    @property
    def n_lines(self) -> int:
        """Of the whole document."""
        return _n_line_ends(self.document, len(self.document)) + 1


def _n_line_ends(text: str, end: int) -> int:
    return text.count("\n", 0, end) + text.count("\r", 0, end) - text.count("\r\n", 0, end)


@dataclass(frozen=True, slots=True)
class CodeContext:
    """What the code around the cursor says, all of it decided before the model is asked."""

    language_id: str
    path: str
    line_prefix: str      # the line left of the cursor
    line_suffix: str      # and right of it, without the line end
    below: str            # what stands below the cursor's line, as far as anybody looks; line ends are "\n"
    shape: Shape
    refusal: Reason | None    # why shape is NOTHING
    block_indent: str     # the block at the cursor lasts while lines are indented at least like this
    eol: str              # "\n" or "\r\n", as the document has it
    window: Window
    indent_unit: str = ""     # as in the snapshot, for where the document itself shows none


@dataclass(frozen=True, slots=True)
class OpenFiles:
    """What the user has open, beyond the window: for looking up how the code here is written. Line ends are "\n"."""

    above: str            # the document left of the cursor
    below: str            # and right of it
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FimPrompt:
    """A fill-in-the-middle prompt in segments; each backend renders it in its own way."""

    prefix: str
    suffix: str
    owed: str = ""        # taken back from the end of the prefix: the first new tokens must begin with it
    files: OpenFiles | None = field(default=None, repr=False)  # never part of the prompt itself
    rank: int = 0         # 1: begin with the second token in the model's favour, and so on; where a backend can
    extra: tuple[str, ...] = ()    # texts of other files that are, the most useful last, where a backend has a place


@dataclass(frozen=True, slots=True)
class Limits:
    """When to stop asking. Past these the line begun is still ended, up to half as much again."""

    max_tokens: int
    max_time_s: float
    min_confidence: float = 0.0  # from 0 to 1, of the first tokens

    @property
    def hard_max_tokens(self) -> int:
        return self.max_tokens * 3 // 2

    @property
    def hard_max_time_s(self) -> float:
        return self.max_time_s * 1.5


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of the model so that a suggestion comes in time, going by how fast it has been."""

    n_fresh: int          # tokens of the whole prompt that are to be evaluated
    n_new: int            # tokens written at most
    n_window: int | None  # the prompt is held to so many tokens, for once; None: it is what it should be
    hold_s: float         # nothing is written for so long, since another key is to be expected


@dataclass(frozen=True, slots=True)
class PromptEvaluated:
    """The first event of every stream."""

    n_tokens: int         # of the whole prompt
    n_reused: int         # of these, still in the engine's memory from an earlier prompt
    compute_ms: float     # that the engine itself took


@dataclass(frozen=True, slots=True)
class Piece:
    """A bit of text that the model added, about a token long, always whole characters."""

    text: str
    probability: float | None = None
    compute_ms: float = 0.0


Event: TypeAlias = PromptEvaluated | Piece


@dataclass(frozen=True, slots=True)
class Generation:
    """What the model wrote, up to where the stopping rules ended it."""

    text: str
    finish_reason: Reason
    n_tokens: int


@dataclass(frozen=True, slots=True)
class Completion:
    """`document[offset:replace_until]` gives way to `text`."""

    text: str
    replace_until: int
