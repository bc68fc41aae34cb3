"""Between the trained weights and a model file that llama.cpp runs, both ways.

    python vendor/default-model/recipe/export.py work/run/model.pt --like FILE.gguf OUT.gguf     write it (Q8_0)
    python vendor/default-model/recipe/export.py work/run/model.pt --check OUT.gguf              compare the logits

The vocabulary comes from `--like`, a model file that has the same one. `--check` has the project's own engine evaluate
the file and compares its logits with PyTorch's, at prompts from the sample of the measuring stick.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from gguf.quants import dequantize, quantize
from model import EPSILON, ROPE_BASE, Llama, Shape
from numpy.typing import NDArray
from prepare import Vocabulary
from stick import SAMPLE, read_cases
from torch import Tensor

from lsp_server.inference import open_model
from lsp_server.values import FimPrompt

NAME = "fim-4m-python"
LICENCE = "apache-2.0"
N_PROMPTS = 20


def read_weights(path: Path) -> tuple[dict[str, Tensor], Shape]:
    """The weights of a model file by the names of model.py, and its shape."""
    reader = gguf.GGUFReader(path)
    weights = {
        tensor.name: torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).copy()) for tensor in reader.tensors
    }
    shape = Shape(
        n_vocab=len(weights["token_embd.weight"]),
        d_model=_number(reader, "llama.embedding_length"),
        n_layers=_number(reader, "llama.block_count"),
        n_heads=_number(reader, "llama.attention.head_count"),
        n_kv_heads=_number(reader, "llama.attention.head_count_kv"),
        d_ff=_number(reader, "llama.feed_forward_length"),
        n_context=_number(reader, "llama.context_length"),
    )
    return weights, shape


def load(path: Path) -> Llama:
    """A checkpoint of train.py."""
    state = torch.load(path, map_location="cpu")
    model = Llama(Shape(**state["plan"]["shape"]))
    model.load_state_dict(state["model"])
    return model.eval()


def write(model: Llama, like: Path, path: Path) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer, model.shape)
    _copy_vocabulary(gguf.GGUFReader(like), writer)
    for name, weight in model.state_dict().items():
        values = weight.float().numpy()
        if values.ndim == 1:
            writer.add_tensor(name, values)
        else:
            q8_0 = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, quantize(values, q8_0), raw_dtype=q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_name(NAME)
    writer.add_license(LICENCE)
    writer.add_context_length(shape.n_context)
    writer.add_embedding_length(shape.d_model)
    writer.add_block_count(shape.n_layers)
    writer.add_feed_forward_length(shape.d_ff)
    writer.add_head_count(shape.n_heads)
    writer.add_head_count_kv(shape.n_kv_heads)
    writer.add_key_length(shape.d_head)
    writer.add_value_length(shape.d_head)
    writer.add_rope_dimension_count(shape.d_head)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_vocab_size(shape.n_vocab)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)


def _copy_vocabulary(reader: gguf.GGUFReader, writer: gguf.GGUFWriter) -> None:
    for name, field in reader.fields.items():
        if name.startswith("tokenizer."):
            kind = field.types[0]
            sub_type = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), kind, sub_type)


def check(model: Llama, path: Path) -> None:
    """Print how far the file's logits are from the weights'."""
    engine = open_model(path, n_context=1024, n_threads=1, engine="auto", on_progress=lambda fraction: None)
    ours, theirs = [], []
    for ids in _prompts(Vocabulary.of(path)):
        engine.rewind(0)
        engine.evaluate(ids, lambda: False)
        theirs.append(engine.logits().copy())
        with torch.no_grad():
            ours.append(model(torch.tensor([ids]))[0, -1].float().numpy())
    engine.close()
    _compare(np.array(ours), np.array(theirs))


def _prompts(vocabulary: Vocabulary) -> Iterator[tuple[int, ...]]:
    for case in read_cases(SAMPLE)[:N_PROMPTS]:
        ids, _ = vocabulary.encoder.encode(FimPrompt(case["prefix"][-800:], case["suffix"][:400]))
        yield ids


def _compare(ours: NDArray[Any], theirs: NDArray[Any]) -> None:
    same = (ours.argmax(1) == theirs.argmax(1)).sum()
    distance = np.abs(ours - theirs)
    print(f"the same first choice {same} of {len(ours)}; largest distance of two logits {distance.max():.3f}", end="")
    print(f", mean {distance.mean():.4f}; the logits' own deviation {ours.std():.2f}")


def _number(reader: gguf.GGUFReader, key: str) -> int:
    field = reader.get_field(key)
    if field is None:
        raise SystemExit(f"the model file does not say its {key}")
    return int(field.contents())


def main() -> None:
    options = _parse()
    model = load(options.checkpoint)
    if options.like:
        write(model, options.like, options.file)
    check(model, options.file)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--like", type=Path, help="a model file with the same vocabulary; then FILE is written")
    return parser.parse_args()


if __name__ == "__main__":
    main()
