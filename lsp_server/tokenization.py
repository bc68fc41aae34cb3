"""Text to token ids and back, built from the vocabulary inside the model file.

Two kinds of vocabulary are read. `gpt2`: bytes, each written as one printable character, are paired by a list of merges
within words (byte-level BPE). `llama`: characters are paired by the scores of the results, a space is written `▁`, and
what is not in the vocabulary falls apart into byte tokens (SentencePiece).

What a user has in a file is text: whatever it spells, no control token comes out of `encode`.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeVar

import tokenizers
from tokenizers import AddedToken, Regex, models, normalizers, pre_tokenizers

from lsp_server.errors import ModelFileError
from lsp_server.formats.pre_tokenizers import PreTokenizer, pre_tokenizer

# The library's own threads gain nothing on texts of this size, and warn on every fork.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

MAX_CACHED_LINES = 1 << 16
MAX_CACHED_LINE_LENGTH = 400
SPACE = "▁"

T = TypeVar("T")

# Kinds of token, as in `tokenizer.ggml.token_type`.
UNDEFINED, NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(7)
MEANINGLESS = (UNDEFINED, UNKNOWN, UNUSED)
NEVER_TEXT = (*MEANINGLESS, CONTROL)

# Many files mark sentinels and fillers as text, so their looks count as well.
CONTROL_LOOKS = re.compile(
    r"<\|[^|<>\s]+\|>|<｜[^｜\s]+｜>|<\[[^\[\]\s]+\]>"  # most; DeepSeek's full-width bars; Seed-Coder's brackets
    r"|<fim[-_]\w+>|<(file_?sep|filename|repo_?name|gh_stars|empty_output)>"
    r"|[▁_]?<(PRE|SUF|MID|EOT|PAD|REPO?|FILL_ME)>|\[(PREFIX|SUFFIX|MIDDLE|EOT|EOS|BOS|UNK|PAD\w*)\]"
    r"|</?s>|<(pad|unk|bos|eos|mask|start_of_turn|end_of_turn|end_of_utterance)>|<unused\d+>"
)
# Numbers without a meaning: no training text ever held them, so they say nothing, not even that the text is over.
FILLER_LOOKS = re.compile(r"\[PAD\d+\]|.*(unused|reserved).*|<unk>", re.IGNORECASE)
# Metadata that name a control token, under today's keys and those of old CodeLlama files.
NAMED = {name: f"tokenizer.ggml.{name}_token_id" for name in ("bos", "eos", "eot", "eom")} | {
    f"fim_{name}": f"tokenizer.ggml.{key}_token_id"
    for name, key in (
        ("prefix", "prefix"), ("suffix", "suffix"), ("middle", "middle"), ("pre", "fim_pre"), ("suf", "fim_suf"),
        ("mid", "fim_mid"), ("pad", "fim_pad"), ("rep", "fim_rep"), ("sep", "fim_sep"),
    )
}  # fmt: skip

BYTE_LOOKS = re.compile("<0x[0-9A-Fa-f]{2}>")
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def _printable_bytes() -> dict[int, str]:
    """GPT-2's table, backwards: the code point that stands for a byte → that byte, as a character below 256."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {**{byte: chr(byte) for byte in plain}, **{256 + i: chr(byte) for i, byte in enumerate(others)}}


PRINTABLE_BYTES = _printable_bytes()


def _byte_level_bytes(text: str) -> bytes:
    try:
        return text.translate(PRINTABLE_BYTES).encode("latin-1")
    except UnicodeEncodeError:  # not in the table, so not in any text either
        return text.encode("utf-8", "surrogateescape")


def _sentence_piece_bytes(text: str) -> bytes:
    return text.replace(SPACE, " ").encode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a model file says of its tokens."""

    texts: tuple[str, ...]
    kinds: tuple[int, ...]
    scores: tuple[float, ...]  # SentencePiece: the higher, the more wanted
    merges: tuple[tuple[str, str], ...]  # byte-level: the most wanted first
    pre: PreTokenizer | None  # None: SentencePiece
    named: Mapping[str, int]  # "bos" → its id, and so on
    adds_bos: bool
    adds_space: bool  # before a text that opens a document
    notes: tuple[str, ...]


class Tokenizer:
    """The vocabulary of one model. Nothing in it changes, so it may be used from several threads."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._ids = {text: id for id, text in enumerate(vocabulary.texts)}
        self.n_vocab = len(vocabulary.texts)
        self.notes = vocabulary.notes
        self.control_ids = frozenset(_control_ids(vocabulary))
        self.end_ids = frozenset(_end_ids(vocabulary, self.control_ids))
        self.bos_id = vocabulary.named.get("bos") if vocabulary.adds_bos else None
        self._engine = _engine(vocabulary, self.control_ids)
        self._count_line = lru_cache(MAX_CACHED_LINES)(self.count)
        self._beginning_with = lru_cache(64)(self._search)

    @classmethod
    def from_gguf(cls, metadata: Mapping[str, object]) -> Tokenizer:
        """Raises ModelFileError for a vocabulary of another kind, or a broken one."""
        return cls(_read_vocabulary(metadata))

    def encode(self, text: str, *, opens: bool = False) -> list[int]:
        """The ids of `text`, none of them a control token's.

        Lone surrogates become U+FFFD; what the vocabulary has no bytes for (unassigned characters, in StarCoder's) is
        lost. `opens` says that the text opens a document, before which SentencePiece vocabularies expect a space.
        """
        if not text.isascii():
            text = LONE_SURROGATE.sub("\ufffd", text)
        if opens and text and self._vocabulary.adds_space:
            text = " " + text
        ids: list[int] = self._engine.encode_batch_fast([text], add_special_tokens=False)[0].ids
        return ids

    def count(self, text: str) -> int:
        return len(self.encode(text))

    def count_line(self, line: str) -> int:
        """As `count`, remembering lines of a usual length."""
        return self._count_line(line) if len(line) <= MAX_CACHED_LINE_LENGTH else self.count(line)

    def piece(self, id: int) -> bytes:
        """The bytes that a token adds to the text, not always whole characters; nothing for a control token."""
        return b"" if id in self.control_ids else _bytes(self._vocabulary, id)

    def id_of(self, text: str) -> int | None:
        """The token that is written like this in the vocabulary, control tokens included."""
        return self._ids.get(text)

    def beginning_with(self, text: str | bytes) -> tuple[int, ...]:
        """The tokens whose bytes begin with all of the text's."""
        return self._beginning_with(_encoded(text))

    def ids_that_begin(self, text: str | bytes) -> tuple[int, ...]:
        """The tokens whose bytes are a beginning of the text's, and not all of it."""
        pieces, ids = self._by_bytes
        wanted = _encoded(text)
        starts = (wanted[:n] for n in range(1, len(wanted)))
        return tuple(id for start in starts for id in ids[bisect_left(pieces, start) : bisect_right(pieces, start)])

    def begins_a_longer_one(self, text: bytes) -> bool:
        """Is there a token whose bytes begin with all of the text's, and go on?"""
        pieces, _ = self._by_bytes
        at = bisect_right(pieces, text)
        return at < len(pieces) and pieces[at].startswith(text)

    def _search(self, wanted: bytes) -> tuple[int, ...]:
        pieces, ids = self._by_bytes
        end = bisect_right(pieces, wanted, key=lambda piece: piece[: len(wanted)])
        return tuple(ids[bisect_left(pieces, wanted) : end])

    @cached_property
    def _by_bytes(self) -> tuple[list[bytes], list[int]]:
        """All tokens of text, ordered by their bytes."""
        pairs = sorted((piece, id) for id in range(self.n_vocab) if (piece := self.piece(id)))
        return [piece for piece, _ in pairs], [id for _, id in pairs]


def _encoded(text: str | bytes) -> bytes:
    return text.encode("utf-8", "replace") if isinstance(text, str) else text


def _bytes(vocabulary: Vocabulary, id: int) -> bytes:
    text, kind = vocabulary.texts[id], vocabulary.kinds[id]
    if kind == BYTE and BYTE_LOOKS.fullmatch(text):
        return bytes([int(text[3:5], 16)])
    if kind == USER_DEFINED:
        return text.encode("utf-8", "surrogateescape")
    return _byte_level_bytes(text) if vocabulary.pre else _sentence_piece_bytes(text)


def _control_ids(vocabulary: Vocabulary) -> Iterator[int]:
    named = set(vocabulary.named.values())
    merged = {left + right for left, right in vocabulary.merges}
    for id, (text, kind) in enumerate(zip(vocabulary.texts, vocabulary.kinds, strict=True)):
        # Single characters and what merges lead to occur in text, whatever they look like or a wrong entry says.
        is_text = kind == BYTE or len(text) == 1 or text in merged
        if kind in NEVER_TEXT or (not is_text and (id in named or CONTROL_LOOKS.fullmatch(text))):
            yield id


def _end_ids(vocabulary: Vocabulary, control_ids: frozenset[int]) -> Iterator[int]:
    """A control token says that the text is over, be it a sentinel or what stands between two files."""
    yield from (id for name, id in vocabulary.named.items() if name != "bos")
    for id in control_ids:
        if vocabulary.kinds[id] not in MEANINGLESS and not FILLER_LOOKS.fullmatch(vocabulary.texts[id]):
            yield id


def _engine(vocabulary: Vocabulary, control_ids: frozenset[int]) -> tokenizers.Tokenizer:
    """Without the control tokens: what the engine does not have, it cannot put in."""
    texts = enumerate(vocabulary.texts)
    ids = {text: id for id, text in texts if id not in control_ids and not LONE_SURROGATE.search(text)}
    pre = vocabulary.pre
    merges = dict.fromkeys(
        (left, right)
        for left, right in (vocabulary.merges if pre else _merges_by_score(vocabulary, ids))
        if left in ids and right in ids and left + right in ids
    )
    model = models.BPE(
        vocab=ids, merges=list(merges), byte_fallback=pre is None, ignore_merges=pre is not None and pre.whole_words
    )
    engine = tokenizers.Tokenizer(model)
    if pre:
        cuts = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in pre.patterns]
        to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        engine.pre_tokenizer = pre_tokenizers.Sequence([*cuts, to_bytes])
    else:
        engine.normalizer = normalizers.Replace(" ", SPACE)
    # Runs of spaces and the like, which are cut out of the text before anything else.
    own = [text for text, id in ids.items() if vocabulary.kinds[id] == USER_DEFINED]
    engine.add_tokens([AddedToken(text, normalized=False) for text in own])
    return engine


def _merges_by_score(vocabulary: Vocabulary, ids: Mapping[str, int]) -> list[tuple[str, str]]:
    """SentencePiece pairs any two neighbours that together are a token, the best score first."""
    pairs = [
        (vocabulary.scores[id], text[:cut], text[cut:])
        for text, id in ids.items()
        if vocabulary.kinds[id] == NORMAL
        for cut in range(1, len(text))
        if text[:cut] in ids and text[cut:] in ids
    ]
    pairs.sort(key=lambda pair: -pair[0])
    return [(left, right) for _, left, right in pairs]


def _read_vocabulary(metadata: Mapping[str, object]) -> Vocabulary:
    model = metadata.get("tokenizer.ggml.model")
    if model not in ("gpt2", "llama"):
        raise ModelFileError(
            f"the model's vocabulary is of the kind {model!r}, and 'gpt2' and 'llama' can be read; choose another model"
        )
    texts = _column(metadata, "tokens", "")
    n = len(texts)
    pre, notes = pre_tokenizer(metadata, texts) if model == "gpt2" else (None, ())
    return Vocabulary(
        texts=texts,
        kinds=_column(metadata, "token_type", NORMAL, n),
        scores=_column(metadata, "scores", 0.0, n),
        merges=tuple(_halves(merge) for merge in _column(metadata, "merges", "")) if pre else (),
        pre=pre,
        named={name: id for name, key in NAMED.items() if isinstance(id := metadata.get(key), int) and 0 <= id < n},
        adds_bos=bool(metadata.get("tokenizer.ggml.add_bos_token", pre.adds_bos if pre else True)),
        adds_space=bool(metadata.get("tokenizer.ggml.add_space_prefix", pre is None)),
        notes=notes,
    )


def _column(metadata: Mapping[str, object], name: str, default: T, n: int | None = None) -> tuple[T, ...]:
    """One value for each token, all of them of the default's type."""
    values = metadata.get(f"tokenizer.ggml.{name}", () if n is None else (default,) * n)
    if not isinstance(values, tuple) or len(values) < (n or 1) or {type(value) for value in values} - {type(default)}:
        raise ModelFileError(f"the model's vocabulary is damaged (tokenizer.ggml.{name}); download the model again")
    return values[:n]


def _halves(merge: str) -> tuple[str, str]:
    left, _, right = merge.partition(" ")
    return left, right
