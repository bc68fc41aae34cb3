"""How each family of models wants to be asked for the middle: a table, one row for each.

    psm     PRE prefix SUF suffix MID           what every model card shows
    spm     SUF suffix PRE prefix MID
    spm2    PRE SUF suffix MID prefix           "variant 2" of Bavarian et al. 2022, arXiv 2207.14255

Where a model was trained for it, the suffix goes first: then a keystroke changes the end of the prompt only, and what
stands before it need not be evaluated again. The orders of a row are those its model was trained on, the default first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

from lsp_server.errors import ModelLacksFim, SettingsError

LAYOUTS = {
    "psm": ("PRE", "prefix", "SUF", "suffix", "MID"),
    "spm": ("SUF", "suffix", "PRE", "prefix", "MID"),
    "spm2": ("PRE", "SUF", "suffix", "MID", "prefix"),
}


@dataclass(frozen=True, slots=True)
class Sentinels:
    """The tokens before each segment, as the vocabulary writes them; the middle may do without."""

    prefix: str
    suffix: str
    middle: str = ""


@dataclass(frozen=True, slots=True)
class FimFamily:
    name: str
    sentinels: Sentinels
    orders: tuple[str, ...]
    known_by: str = ""  # a pattern for "architecture name-of-the-model"; empty: the sentinels say enough
    stops: tuple[str, ...] = ()  # tokens that end a text, beside the sentinels and the end-of-text token
    fixed_ids: tuple[int, int, int] | None = None  # prefix, suffix, middle, where files do not name them


HYPHENS = Sentinels("<fim-prefix>", "<fim-suffix>", "<fim-middle>")
BIGCODE = Sentinels("<fim_prefix>", "<fim_suffix>", "<fim_middle>")
PIPES = Sentinels("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
LLAMA = Sentinels("▁<PRE>", "▁<SUF>", "▁<MID>")
DEEPSEEK = Sentinels("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>")
MISTRAL = Sentinels("[PREFIX]", "[SUFFIX]")
SEED = Sentinels("<[fim-prefix]>", "<[fim-suffix]>", "<[fim-middle]>")
NEOX = Sentinels("<|PRE|>", "<|SUF|>", "<|MID|>")
GLM = Sentinels("<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>")
FALCON = Sentinels("<|prefix|>", "<|suffix|>", "<|middle|>")

PSM, SPM, BOTH = ("psm",), ("spm",), ("spm2", "psm")
# Trained on both, but which of the two spm is not documented, so that one has to be asked for.
UNSURE = ("psm", "spm", "spm2")

# In order of recognition: the first row whose sentinels the vocabulary has and whose pattern fits.
FAMILIES = (
    FimFamily("santacoder", HYPHENS, BOTH),
    # The card shows psm; its makers serve it as spm.
    FimFamily("refact", BIGCODE, ("spm", "psm"), "refact", ("<filename>", "<reponame>")),
    FimFamily("granite", BIGCODE, UNSURE, "granite", ("<filename>", "<reponame>")),
    FimFamily("stable-code", BIGCODE, UNSURE, "stablelm|stable-?code"),
    FimFamily("mellum", BIGCODE, SPM, "mellum", ("<filename>",)),
    FimFamily("starcoder2", BIGCODE, BOTH, "starcoder2", ("<file_sep>", "<repo_name>")),
    FimFamily("starcoder", BIGCODE, BOTH, "starcoder", ("<filename>", "<reponame>", "<file_sep>")),
    FimFamily("starcoder-like", BIGCODE, UNSURE, "", ("<filename>", "<file_sep>")),
    FimFamily("codegemma", PIPES, UNSURE, "gemma", ("<|file_separator|>", "<end_of_turn>", "<eos>")),
    FimFamily("granite-4", PIPES, PSM, "granite", ("<|end_of_text|>", "<|fim_pad|>")),
    FimFamily("qwen-coder", PIPES, PSM, "", ("<|fim_pad|>", "<|file_sep|>", "<|repo_name|>", "<|im_end|>")),
    # spm2 as in its makers' code; their paper asks for token healing with it (arXiv 2308.12950).
    FimFamily("codellama", LLAMA, BOTH, "", ("▁<EOT>",)),
    FimFamily("deepseek-coder", DEEPSEEK, PSM, "", ("<｜end▁of▁sentence｜>", "<|EOT|>")),
    # All vocabularies of Mistral have these tokens, and few of its models were trained on them.
    FimFamily("codestral", MISTRAL, SPM, "codestral"),
    FimFamily("seed-coder", SEED, SPM, "", ("<[end▁of▁sentence]>",)),
    # Outside the vocabulary of GPT-NeoX that it was given; the ids are in the card of CarperAI/FIM-NeoX-1.3B.
    FimFamily("fim-neox", NEOX, SPM, "gptneox .*fim", fixed_ids=(50278, 50277, 50279)),
    FimFamily("glm", GLM, PSM, "^glm", ("<|user|>",)),
    FimFamily("falcon-coder", FALCON, PSM, "falcon", ("<|end_of_text|>",)),
)
# For files that state the ids of sentinels which no row has.
STATED = FimFamily("stated", Sentinels("", ""), UNSURE)


@dataclass(frozen=True, slots=True)
class FimTemplate:
    """A family's prompt in one order, with the ids of one vocabulary."""

    family: str
    order: str
    prefix_id: int
    suffix_id: int
    middle_id: int | None
    bos_id: int | None = None
    end_ids: frozenset[int] = frozenset()  # the sentinels among them

    def render(
        self, prefix_ids: Sequence[int], suffix_ids: Sequence[int], begun_ids: Sequence[int] = ()
    ) -> tuple[int, ...]:
        """The prompt. `begun_ids` are the middle's first tokens where they are known, and stand at the very end."""
        parts = {
            "PRE": (self.prefix_id,),
            "SUF": (self.suffix_id,),
            "MID": () if self.middle_id is None else (self.middle_id,),
            "prefix": prefix_ids,
            "suffix": suffix_ids,
        }
        bos = () if self.bos_id is None else (self.bos_id,)
        return (*bos, *chain.from_iterable(parts[part] for part in LAYOUTS[self.order]), *begun_ids)

    @property
    def n_overhead(self) -> int:
        """The tokens of a prompt beside its segments."""
        return len(self.render((), ()))

    @property
    def stable(self) -> str:
        """The segment that stands first, "prefix" or "suffix": while it stays as it is, so does what was evaluated."""
        return first_segment(self.order)


def first_segment(order: str) -> str:
    return next(part for part in LAYOUTS[order] if part.islower())


def split_at_line(order: str, prefix: str) -> tuple[str, str]:
    """The prefix, and what goes behind the middle's sentinel as what the middle begins with.

    In an order that puts the suffix behind the prefix, that is the line being typed: typing on then changes the end of
    the prompt only.
    """
    n_above = prefix.rfind("\n") + 1 if first_segment(order) == "prefix" else len(prefix)
    return prefix[:n_above], prefix[n_above:]


def recognise(
    architecture: str,
    model_name: str,
    id_of: Callable[[str], int | None],
    n_vocab: int,
    family: str = "",
    order: str = "",
    *,
    bos_id: int | None = None,
    stated: tuple[int, int, int] | None = None,
) -> FimTemplate:
    """How to prompt a model, from what its file says of it.

    `id_of` tells the id of a token from its text; `stated` are the ids of prefix, suffix and middle where the file
    names them. `family` and `order` overrule what is recognised. Raises SettingsError for names that do not exist, and
    ModelLacksFim where the vocabulary lacks the sentinels.
    """
    ids_of = partial(_sentinel_ids, id_of=id_of, n_vocab=n_vocab, stated=stated)
    row = _family_named(family) if family else _first_fit(f"{architecture} {model_name}", ids_of)
    ids = ids_of(row)
    if not ids:
        raise ModelLacksFim(_lack(row, model_name or architecture, bool(family)))
    prefix_id, suffix_id, *middle = ids
    ends = {*ids, *(id for stop in row.stops if (id := id_of(stop)) is not None)}
    middle_id = middle[0] if middle else None
    return FimTemplate(row.name, _order(row, order), prefix_id, suffix_id, middle_id, bos_id, frozenset(ends))


def stated_sentinels(metadata: Mapping[str, object]) -> tuple[int, int, int] | None:
    """The ids of prefix, suffix and middle where the file names all three, under today's keys or those before them."""
    for keys in (("fim_pre", "fim_suf", "fim_mid"), ("prefix", "suffix", "middle")):
        ids = [id for key in keys if type(id := metadata.get(f"tokenizer.ggml.{key}_token_id")) is int]
        if len(set(ids)) == 3:
            return ids[0], ids[1], ids[2]
    return None


def _sentinel_ids(
    row: FimFamily, id_of: Callable[[str], int | None], n_vocab: int, stated: tuple[int, int, int] | None
) -> tuple[int, ...] | None:
    if row is STATED:
        return stated if stated and min(stated) >= 0 and max(stated) < n_vocab else None
    texts = [text for text in (row.sentinels.prefix, row.sentinels.suffix, row.sentinels.middle) if text]
    ids = [id for text in texts if (id := id_of(text)) is not None]
    if len(ids) == len(texts):
        return tuple(ids)
    return row.fixed_ids if row.fixed_ids and max(row.fixed_ids) < n_vocab else None


def _first_fit(description: str, ids_of: Callable[[FimFamily], tuple[int, ...] | None]) -> FimFamily:
    fitting = (row for row in FAMILIES if re.search(row.known_by, description, re.IGNORECASE))
    return next((row for row in fitting if ids_of(row)), STATED)


def _family_named(name: str) -> FimFamily:
    rows = {row.name: row for row in (*FAMILIES, STATED)}
    if name not in rows:
        raise SettingsError(f"model.family: there is no {name!r}; choose one of {', '.join(rows)}")
    return rows[name]


def _order(row: FimFamily, order: str) -> str:
    if order and order not in row.orders:
        raise SettingsError(f"model.order: {row.name} has no order {order!r}; choose one of {', '.join(row.orders)}")
    return order or row.orders[0]


def _lack(row: FimFamily, model: str, was_named: bool) -> str:
    if was_named:
        return f"{model} lacks the tokens of {row.name} prompts; correct model.family or choose another model"
    return (
        f"{model} was not trained to fill in the middle (its vocabulary has no tokens for that);"
        " choose another model, or set model.family if you know better"
    )
