"""Each kind of checkpoint, converted and run as a user would, computes what an independent implementation computes.

The models are small and random, and have everything else as the real ones: the architecture with all its switches, the
names of the tensors, the vocabulary, the sentinels.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lsp_server.errors import ModelFileError
from lsp_server.fim import FimTemplate, recognise, stated_sentinels
from lsp_server.formats.gguf import read_gguf
from lsp_server.inference.llama_cpp import LlamaCpp
from lsp_server.models.convert import convert
from lsp_server.tokenization import Tokenizer
from tests.conversion import checkpoints
from tests.conversion.agreement import TABLE
from tests.conversion.checkpoints import Made

pytestmark = pytest.mark.conversion

PREFIX = 'def area(shape):\n    """The area of a shape, 12 by 34."""\n    if shape.kind == "circle":\n        return '
SUFFIX = "\n    return shape.width * shape.height\n"
CODE = PREFIX + "3.14159 * shape.radius ** 2" + SUFFIX
N_TOKENS = 16

# What makes the checkpoint, and the family that the file must be recognised as: its name, and the ids of prefix, suffix
# and middle.
BIGCODE = (1, 3, 2)
ROWS = {
    "StarCoderBase": (checkpoints.starcoder, "starcoder", BIGCODE),
    "StarCoderBase in shards": (checkpoints.starcoder_in_shards, "starcoder", BIGCODE),
    "gpt_bigcode without MQA": (checkpoints.starcoder_with_keys_for_each_head, "starcoder", BIGCODE),
    "SantaCoder": (checkpoints.santacoder, "santacoder", (49153, 49155, 49154)),
    "gpt_bigcode-santacoder": (checkpoints.santacoder_converted, "santacoder", (49153, 49155, 49154)),
    "StarCoder GPTQ": (checkpoints.starcoder_gptq, "starcoder", BIGCODE),
    "StarCoder GPTQ, groups of 128": (checkpoints.starcoder_gptq_in_groups, "starcoder", BIGCODE),
    "FIM-NeoX": (checkpoints.fim_neox, "fim-neox", (50278, 50277, 50279)),
    "FIM-NeoX, pytorch_model.bin": (checkpoints.fim_neox_for_torch, "fim-neox", (50278, 50277, 50279)),
    "GPT-NeoX, not parallel": (checkpoints.neox_one_after_the_other, "fim-neox", (50278, 50277, 50279)),
    "Refact": (checkpoints.refact, "refact", BIGCODE),
    "Refact, early names": (checkpoints.early_refact, "refact", BIGCODE),
    "DeepSeek-Coder": (checkpoints.deepseek_coder, "deepseek-coder", (32016, 32015, 32017)),
    "Qwen2": (checkpoints.qwen2_coder, "", ()),
    "StarCoder2": (checkpoints.starcoder2, "starcoder2", BIGCODE),
}
every_row = pytest.mark.parametrize("row", ROWS)


@dataclass(frozen=True)
class Loaded:
    engine: LlamaCpp
    tokenizer: Tokenizer
    template: FimTemplate | None

    def prompt(self) -> list[int]:
        prefix, suffix = self.tokenizer.encode(PREFIX), self.tokenizer.encode(SUFFIX)
        return list(self.template.render(prefix, suffix)) if self.template else prefix

    def logits(self, ids: list[int]) -> Any:
        """(n, n_vocab), token by token."""
        self.engine.rewind(0)
        return np.stack([self._next(id) for id in ids])

    def greedy(self, prompt: list[int]) -> list[int]:
        self.engine.rewind(0)
        self.engine.evaluate(prompt, lambda: False)
        written = [int(self.engine.logits().argmax())]
        while len(written) < N_TOKENS:
            written.append(int(self._next(written[-1]).argmax()))
        return written

    def _next(self, id: int) -> Any:
        self.engine.evaluate([id], lambda: False)
        return self.engine.logits().copy()


@contextmanager
def converted(made: Made, quant: str, family: str) -> Iterator[Loaded]:
    out = made.folder.parent / f"{quant}.gguf"
    result = convert(made.folder, out, quant)
    assert result.family == family and len(result.notes) == (not family)
    header = read_gguf(out)
    tokenizer = Tokenizer.from_gguf(header.metadata)
    template = None
    if family:
        name, stated = str(header.metadata["general.name"]), stated_sentinels(header.metadata)
        template = recognise(
            header.architecture, name, tokenizer.id_of, tokenizer.n_vocab, bos_id=tokenizer.bos_id, stated=stated
        )
    with closing(LlamaCpp.load(out, n_context=256, n_threads=1, kv_type="f32")) as engine:
        yield Loaded(engine, tokenizer, template)


@every_row
def test_a_converted_model_computes_and_writes_what_the_original_does(row: str, tmp_path: Path) -> None:
    make, family, sentinels = ROWS[row]
    made = make(tmp_path)
    with converted(made, "f32", family) as model:
        if model.template:
            ids = (model.template.prefix_id, model.template.suffix_id, model.template.middle_id)
            assert (model.template.family, ids) == (family, sentinels)
        prompt = model.prompt()
        written = model.greedy(prompt)
        ours, theirs = model.logits(prompt), made.logits(prompt + written[:-1])
        assert np.abs(ours - theirs[: len(prompt)]).max() <= 1e-3 * (theirs.max() - theirs.min())
        # Each token is the original's choice after those before it, so all of them are.
        assert written == theirs[len(prompt) - 1 :].argmax(axis=1).tolist()


QUANTIZED = ("q8_0", "q4_k_m")
# Once for each kind of model; the other rows are the same models in other files.
KINDS = [
    "StarCoderBase",
    "gpt_bigcode without MQA",
    "SantaCoder",
    "StarCoder GPTQ",
    "FIM-NeoX",
    "Refact",
    "DeepSeek-Coder",
    "Qwen2",
    "StarCoder2",
]


@pytest.mark.parametrize("row", KINDS)
def test_a_quantized_model_mostly_chooses_the_original_s_next_token(row: str, tmp_path: Path) -> None:
    """How often is printed, not judged: weights without meaning have next tokens without a clear favourite."""
    make, family, _ = ROWS[row]
    made = make(tmp_path)
    rates = []
    for quant in QUANTIZED:
        with converted(made, quant, family) as model:
            ids = model.tokenizer.encode(CODE)
            theirs = made.logits(ids).argmax(axis=1)
            rates.append(float(np.mean(model.logits(ids).argmax(axis=1) == theirs)))
    TABLE.append(f"{row:30s}" + "".join(f"  {quant} {rate:4.0%}" for quant, rate in zip(QUANTIZED, rates, strict=True)))
    assert rates[0] >= 0.8 and rates[1] >= 0.2


class Hostile:
    """What a pickle can do to whoever opens it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._path,)


def test_a_pytorch_file_that_runs_code_is_refused_and_runs_none(tmp_path: Path) -> None:
    made = checkpoints.fim_neox_for_torch(tmp_path)
    torch.save({"x": Hostile(tmp_path / "harm")}, made.folder / "pytorch_model.bin")
    with pytest.raises(ModelFileError, match="cannot be read as tensors alone"):
        convert(made.folder, tmp_path / "out.gguf")
    assert not (tmp_path / "harm").exists() and not (tmp_path / "out.gguf").exists()
