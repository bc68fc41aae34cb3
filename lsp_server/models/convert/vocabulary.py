"""The vocabulary of a checkpoint as GGUF metadata: texts, kinds, merges, the ids that mean something.

What is written is read back by this program's own tokenizer and compared with what tokenizer.json makes of the same
text, so a model whose words are cut in a way that GGUF has no name for is noticed here, not by its bad suggestions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import tokenizers
from tokenizers import Regex, models, pre_tokenizers

from lsp_server.errors import ModelFileError, ModelLacksFim
from lsp_server.fim import FAMILIES, FimTemplate, recognise
from lsp_server.formats.pre_tokenizers import BY_ARCHITECTURE, PRE_TOKENIZERS
from lsp_server.models.convert.checkpoint import Checkpoint, read_json
from lsp_server.tokenization import (
    BYTE,
    BYTE_LOOKS,
    CONTROL,
    CONTROL_LOOKS,
    NORMAL,
    UNKNOWN,
    UNUSED,
    USER_DEFINED,
    Tokenizer,
)

Metadata: TypeAlias = dict[str, Any]

# Digits, contractions, line ends, scripts: what ways to cut words differ in.
PROBE = (
    "def f(x1, y22):\r\n\tif x1 >= 1234567:  # it's we'LL DON'T\n\n        return [x.upper() for x in items]\n"
    "a  =  b   +c;;//== 3.14159 camelCaseWord SNAKE_CASE ÄÖü naïve 北京大学1号 こんにちは абв ١٢٣ £€ ✓ \t \n \n"
)
NAMED = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}
# Sentinels beside the three, as families write them.
FURTHER = {
    "fim_pad": ("<fim_pad>", "<fim-pad>", "<|fim_pad|>"),
    "fim_rep": ("<reponame>", "<repo_name>", "<|repo_name|>"),
    "fim_sep": ("<file_sep>", "<|file_sep|>"),
}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    metadata: Metadata
    template: FimTemplate | None
    notes: tuple[str, ...]  # what is uncertain, a sentence each


class _Tokens:
    """One entry for each row of the embedding; fillers for those that no token belongs to."""

    def __init__(self, n_vocab: int) -> None:
        self.texts = [f"[PAD{id}]" for id in range(n_vocab)]
        self.kinds = [UNUSED] * n_vocab
        self._ids: dict[str, int] = {}

    def put(self, id: int, text: str, kind: int) -> None:
        """Ids outside the embedding are left out: no model can write them."""
        if 0 <= id < len(self.texts):
            self.texts[id], self.kinds[id] = text, kind
            self._ids[text] = id

    def id_of(self, text: str) -> int | None:
        return self._ids.get(text)


def read_vocabulary(checkpoint: Checkpoint, architecture: str, n_vocab: int) -> Vocabulary:
    """Raises ModelFileError where there is no vocabulary, or one of another kind than byte pairs."""
    described, original = _tokenizer(checkpoint.folder)
    model = described["model"]
    if model.get("type", "BPE") != "BPE":
        raise ModelFileError(
            f"the vocabulary of {checkpoint.name} is a {model['type']}, and byte pairs (BPE) can be converted;"
            " look for the same model as GGUF"
        )
    tokens = _tokens(described, n_vocab)
    special = _special_ids(checkpoint, tokens)
    template, complaint = _template(architecture, checkpoint.name, tokens)
    metadata = {
        "general.architecture": architecture,
        **_model_metadata(model, tokens, original, architecture),
        "tokenizer.ggml.tokens": tokens.texts,
        "tokenizer.ggml.token_type": tokens.kinds,
        **{f"tokenizer.ggml.{NAMED[name]}_token_id": id for name, id in special.items()},
        "tokenizer.ggml.add_bos_token": _adds_bos(checkpoint.folder, original, special.get("bos")),
        **_fim_metadata(template, tokens),
    }
    notes = (*complaint, *_differences(metadata, original))
    return Vocabulary(metadata, template, notes)


def _tokenizer(folder: Path) -> tuple[Any, tokenizers.Tokenizer]:
    """What tokenizer.json says, and the tokenizer that it describes; of old checkpoints, vocab.json and merges.txt."""
    path = folder / "tokenizer.json"
    if described := read_json(path):
        try:
            return described, tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing more precise
            raise ModelFileError(f"{path} is damaged ({error}); download it again") from error
    vocab, merges = read_json(folder / "vocab.json"), folder / "merges.txt"
    if not vocab or not merges.is_file():
        raise ModelFileError(f"{folder} has no tokenizer.json, which holds the vocabulary; download it as well")
    lines = merges.read_text("utf-8").splitlines()
    pairs = [line for line in lines if not line.startswith("#version") and line.count(" ") == 1]
    added = [{"id": id, "content": text} for text, id in read_json(folder / "added_tokens.json").items()]
    described = {"model": {"vocab": vocab, "merges": pairs}, "added_tokens": added}
    original = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=[(a, b) for a, b in map(str.split, pairs)]))
    original.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return described, original


def _tokens(described: Mapping[str, Any], n_vocab: int) -> _Tokens:
    model = described["model"]
    tokens = _Tokens(n_vocab)
    for text, id in model["vocab"].items():
        is_byte = model.get("byte_fallback") and BYTE_LOOKS.fullmatch(text)
        tokens.put(id, text, BYTE if is_byte else NORMAL)
    for added in described.get("added_tokens", []):
        tokens.put(added["id"], added["content"], _added_kind(added, model))
    return tokens


def _added_kind(added: Mapping[str, Any], model: Mapping[str, Any]) -> int:
    if added["content"] == model.get("unk_token") and model.get("byte_fallback"):
        return UNKNOWN
    # Some makers mark their sentinels as text.
    return CONTROL if added.get("special") or CONTROL_LOOKS.fullmatch(added["content"]) else USER_DEFINED


def _model_metadata(
    model: Mapping[str, Any], tokens: _Tokens, original: tokenizers.Tokenizer, architecture: str
) -> Metadata:
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    if model.get("byte_fallback"):
        return {
            "tokenizer.ggml.model": "llama",
            "tokenizer.ggml.pre": "default",
            "tokenizer.ggml.scores": _scores(tokens, merges),
        }
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": _pre_name(original, architecture, bool(model.get("ignore_merges"))),
        "tokenizer.ggml.merges": merges,
    }


def _scores(tokens: _Tokens, merges: list[str]) -> list[float]:
    """SentencePiece pairs by the score of the result: here, how early a merge leads to it."""
    ranks: dict[str, int] = {}
    for rank, merge in enumerate(merges):
        ranks.setdefault(merge.replace(" ", ""), rank)
    return [float(-ranks.get(text, len(merges))) for text in tokens.texts]


def _pre_name(original: tokenizers.Tokenizer, architecture: str, whole_words: bool) -> str:
    """The name of the way in which the original cuts words, the architecture's usual one where that fits."""
    wanted = _cuts(original.pre_tokenizer)
    usual = BY_ARCHITECTURE.get(architecture)
    for name in ([usual] if usual else []) + list(PRE_TOKENIZERS):
        row = PRE_TOKENIZERS[name]
        splits: list[Any] = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in row.patterns]
        to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        if row.whole_words == whole_words and _cuts(pre_tokenizers.Sequence([*splits, to_bytes])) == wanted:
            return name
    raise ModelFileError(
        "the tokenizer.json of this model cuts words in a way that GGUF files have no name for;"
        " look for the same model as GGUF"
    )


def _cuts(pre_tokenizer: Any) -> list[tuple[int, int]]:
    return [cut for _, cut in pre_tokenizer.pre_tokenize_str(PROBE)]


def _special_ids(checkpoint: Checkpoint, tokens: _Tokens) -> dict[str, int]:
    stated = read_json(checkpoint.folder / "special_tokens_map.json") | read_json(
        checkpoint.folder / "tokenizer_config.json"
    )
    ids = {}
    for name in NAMED:
        text = stated.get(f"{name}_token")
        id = tokens.id_of(text["content"] if isinstance(text, dict) else text) if text else None
        if id is None:
            id = checkpoint.config.get(f"{name}_token_id")
            id = id[0] if isinstance(id, list) and id else id
        if isinstance(id, int) and 0 <= id < len(tokens.texts):
            ids[name] = id
    return ids


def _adds_bos(folder: Path, original: tokenizers.Tokenizer, bos_id: int | None) -> bool:
    stated = read_json(folder / "tokenizer_config.json").get("add_bos_token")
    if isinstance(stated, bool):
        return stated and bos_id is not None
    return bos_id is not None and original.encode("a").ids[:1] == [bos_id]


def _template(architecture: str, name: str, tokens: _Tokens) -> tuple[FimTemplate | None, tuple[str, ...]]:
    """How the model wants to be prompted, and a sentence where nothing is known of that.

    Rows of the embedding that a family uses without a token for them get the family's sentinels as their texts.
    """
    try:
        template = recognise(architecture, name, tokens.id_of, len(tokens.texts))
    except ModelLacksFim as lack:
        return None, (str(lack),)
    texts = next((row.sentinels for row in FAMILIES if row.name == template.family), None)
    ids = (template.prefix_id, template.suffix_id, template.middle_id)
    for text, id in zip((texts.prefix, texts.suffix, texts.middle) if texts else (), ids, strict=False):
        if id is not None and tokens.kinds[id] == UNUSED:
            tokens.put(id, text, CONTROL)
    return template, ()


def _fim_metadata(template: FimTemplate | None, tokens: _Tokens) -> Metadata:
    if template is None:
        return {}
    ids = {"fim_pre": template.prefix_id, "fim_suf": template.suffix_id, "fim_mid": template.middle_id}
    for name, texts in FURTHER.items():
        ids[name] = next((id for text in texts if (id := tokens.id_of(text)) is not None), None)
    return {f"tokenizer.ggml.{name}_token_id": id for name, id in ids.items() if id is not None}


def _differences(metadata: Metadata, original: tokenizers.Tokenizer) -> Iterator[str]:
    as_read = {key: tuple(value) if isinstance(value, list) else value for key, value in metadata.items()}
    ours = Tokenizer.from_gguf(as_read).encode(PROBE, opens=True)
    theirs = original.encode(PROBE, add_special_tokens=False).ids
    if ours != theirs:
        yield (
            "the vocabulary is not read quite as its makers' program reads it"
            f" ({len(theirs)} tokens there and {len(ours)} here for the same text)"
        )
