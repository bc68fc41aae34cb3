"""tokenizer.json files of real vocabularies, written from the model files in vendor/vocab as their makers have them."""

from __future__ import annotations

from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from tests import vocabularies

NORMAL, CONTROL, USER_DEFINED = 1, 3, 4
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DEEPSEEK = (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", r"[一-龥ࠀ-一가-퟿]+")


def _split(pattern: str) -> pre_tokenizers.Split:
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def _bytes(use_regex: bool) -> pre_tokenizers.ByteLevel:
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)


def _digits() -> pre_tokenizers.Digits:
    return pre_tokenizers.Digits(individual_digits=True)


# How each vocabulary's own tokenizer.json cuts words.
CUTS = {
    "starcoder": lambda: pre_tokenizers.Sequence([_digits(), _bytes(True)]),
    "refact": lambda: pre_tokenizers.Sequence([_digits(), _bytes(True)]),
    "gpt-neox": lambda: _bytes(True),
    "qwen2": lambda: pre_tokenizers.Sequence([_split(QWEN2), _bytes(False)]),
    "deepseek-coder": lambda: pre_tokenizers.Sequence([*map(_split, DEEPSEEK), _digits(), _bytes(False)]),
}


def write_tokenizer(name: str, path: Path, renamed: dict[int, str] | None = None) -> Tokenizer:
    """tokenizer.json of one of tests.vocabularies; `renamed`: other texts for some of its control tokens."""
    metadata = vocabularies.gguf(name).metadata
    texts = [(renamed or {}).get(id, text) for id, text in enumerate(metadata["tokenizer.ggml.tokens"])]
    kinds = metadata["tokenizer.ggml.token_type"]
    fillers = {id for id, text in enumerate(texts) if text.startswith("[PAD")}
    added = [(id, kind) for id, kind in enumerate(kinds) if kind in (CONTROL, USER_DEFINED) and id not in fillers]
    plain = {text: id for id, text in enumerate(texts) if kinds[id] == NORMAL}
    # In the vocabulary itself where others follow, so that the ids stay the same.
    last = max(plain.values())
    plain |= {texts[id]: id for id, _ in added if id < last}
    merges = [tuple(merge.split(" ")) for merge in metadata["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab=plain, merges=merges))
    tokenizer.pre_tokenizer = CUTS[name]()
    tokenizer.decoder = decoders.ByteLevel()
    for id, kind in added:
        tokenizer.add_tokens([AddedToken(texts[id], special=kind == CONTROL, normalized=False)])
        assert tokenizer.token_to_id(texts[id]) == id
    tokenizer.save(str(path))
    return tokenizer


def write_sentence_piece_tokenizer(path: Path) -> Tokenizer:
    """Llama 2's tokenizer.json: SentencePiece written as byte pairs, the best score first."""
    metadata = vocabularies.gguf("llama-spm").metadata
    ids = {text: id for id, text in enumerate(metadata["tokenizer.ggml.tokens"])}
    scores = metadata["tokenizer.ggml.scores"]
    pairs = [
        (scores[ids[text]], text[:cut], text[cut:])
        for text in ids
        for cut in range(1, len(text))
        if text[:cut] in ids and text[cut:] in ids and not text.startswith("<0x")
    ]
    merges = [(left, right) for _, left, right in sorted(pairs, key=lambda pair: -pair[0])]
    tokenizer = Tokenizer(models.BPE(vocab=ids, merges=merges, byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in ("<unk>", "<s>", "</s>")])
    tokenizer.save(str(path))
    return tokenizer
