"""A tiny gpt_bigcode checkpoint with random weights, as StarCoder is built: `python tiny_gpt_bigcode.py FOLDER`.

The folder holds vocabulary.json already: the texts of the tokens, the merges, and which tokens are control tokens. Runs
where torch and transformers are, which need not be where the tests are.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def write_tokenizer(folder: Path) -> int:
    """Returns the number of tokens."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = json.loads((folder / "vocabulary.json").read_text("utf-8"))
    ids = {text: id for id, text in enumerate(vocabulary["tokens"])}
    merges = [tuple(merge.split(" ")) for merge in vocabulary["merges"]]
    tokenizer = Tokenizer(models.BPE(vocab=ids, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in vocabulary["control"]])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>").save_pretrained(folder)
    return len(ids)


def write_weights(folder: Path, n_vocab: int) -> None:
    import torch
    from transformers import GPTBigCodeConfig, GPTBigCodeForCausalLM

    torch.manual_seed(7)
    config = GPTBigCodeConfig(
        vocab_size=n_vocab, n_positions=1024, n_embd=128, n_layer=2, n_head=4, multi_query=True,
        bos_token_id=0, eos_token_id=0, pad_token_id=4, initializer_range=0.3,
    )  # fmt: skip
    GPTBigCodeForCausalLM(config).save_pretrained(folder)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    write_weights(folder, write_tokenizer(folder))
