"""A vocabulary for small models of Python: byte-level BPE, from the corpus that prepare.py collected.

    python vendor/default-model/recipe/tokenizer.py work/vocabulary.gguf [--size 8192]

The file holds the vocabulary alone, as llama.cpp knows it; prepare.py, train.py and export.py take it as they take a
model file. It has StarCoder's sentinels, and splits text as StarCoder does, each digit a token. 16,384 tokens make text
only 4 to 6 % shorter than 8,192 do, and the matrix for them takes twice the room.

The model in the package keeps the vocabulary that it began with.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import gguf
from prepare import CORPUS
from stick import read_cases
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

END, PREFIX, MIDDLE, SUFFIX, PAD, FILE = SPECIAL = (
    "<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<file_sep>",
)  # fmt: skip
MAX_TOKEN_CHARS = 24
PACKAGE_CHARS = 2_000_000  # so that no package owns the vocabulary
CORPUS_CHARS = 50_000_000
NAMED = {
    "bos": END, "eos": END, "eot": END, "unknown": END, "padding": PAD,
    "fim_pre": PREFIX, "fim_suf": SUFFIX, "fim_mid": MIDDLE, "fim_pad": PAD, "fim_sep": FILE,
}  # fmt: skip


def trained(texts: Iterable[str], size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=MAX_TOKEN_CHARS,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def texts_of(corpus: Path) -> Iterator[str]:
    """Training text, no package with more than its share, as much as the trainer's memory allows."""
    rows = [row for row in read_cases(corpus) if row["split"] == "train"]
    random.Random(0).shuffle(rows)
    taken = Counter[str]()
    for row in rows:
        if taken[row["package"]] < PACKAGE_CHARS and taken.total() < CORPUS_CHARS:
            taken[row["package"]] += len(row["text"])
            yield row["text"]


def write(tokenizer: Tokenizer, path: Path) -> None:
    model = json.loads(tokenizer.to_str())["model"]
    ids: dict[str, int] = model["vocab"]
    tokens = sorted(ids, key=ids.__getitem__)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("starcoder")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL if t in SPECIAL else gguf.TokenType.NORMAL for t in tokens])
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]])
    writer.add_add_bos_token(False)
    for name, token in NAMED.items():
        writer.add_uint32(f"tokenizer.ggml.{name}_token_id", ids[token])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", type=int, default=8192)
    options = parser.parse_args()
    write(trained(texts_of(CORPUS), options.size), options.out)


if __name__ == "__main__":
    main()
