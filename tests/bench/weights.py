"""Model files with random weights at a real model's size: StarCoder, as GGUF and as legacy GGML."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import pack

import gguf
import numpy as np
from numpy.typing import NDArray

from lsp_server.formats.byte_level import PRINTABLE_BYTES
from lsp_server.formats.ggml_families import STARCODER, shapes_of
from lsp_server.inference.quantizer import quantizer
from tests.vocabularies import gguf as vendored


@dataclass(frozen=True)
class Size:
    name: str
    n_layers: int
    width: int
    n_heads: int  # of queries; there is one of keys and values
    n_context: int
    n_vocab: int = 49152

    @property
    def kv_width(self) -> int:
        return self.width // self.n_heads


STARCODERBASE_1B = Size("starcoderbase-1b", 24, 2048, 16, 8192)
SMALL = Size("starcoder-small", 4, 512, 4, 2048)

# As ggml.h counts them.
F32 = 0
GGML_TYPES = {"q4_0": 2, "q8_0": 8, "q4_k": 12}
# What legacy files say of their matrices; the thousands are the version of the blocks.
LEGACY_FTYPES = {"q4_0": 2002, "q8_0": 2007}
LEGACY_CONTEXT = 512  # ctransformers keeps what it read as f32, and for all heads: 400 kB for a token of this model

N_DIFFERENT_ROWS = 512

BYTES = {character: byte for byte, character in PRINTABLE_BYTES.items()}


class Rows:
    """Quantized rows of random numbers, by their length. What they are has no influence on the speed."""

    def __init__(self, ggml_type: int) -> None:
        self._quantize = quantizer(ggml_type)
        self._random = np.random.default_rng(0)
        self._different: dict[int, NDArray[np.uint8]] = {}  # length → (N_DIFFERENT_ROWS, bytes of a row)

    def __call__(self, n_rows: int, n_per_row: int) -> NDArray[np.uint8]:
        """(n_rows, bytes of a row): some rows in a random order, which is a thousand times faster than new ones."""
        if n_per_row not in self._different:
            numbers = self._random.normal(0, 0.02, (N_DIFFERENT_ROWS, n_per_row)).astype(np.float32)
            self._different[n_per_row] = self._quantize(numbers)
        different = self._different[n_per_row]
        return different[self._random.integers(0, N_DIFFERENT_ROWS, n_rows)]

    def vector(self, name: str, *shape: int) -> NDArray[np.float32]:
        """What is stored as f32; the weights of norms lie around one."""
        numbers = self._random.normal(0, 0.02, shape).astype(np.float32)
        return numbers + 1 if "norm.weight" in name or name.endswith("/g") else numbers


def cached(folder: Path, size: Size, quant: str, *, legacy: bool = False) -> Path:
    """The file, written into `folder` unless it is there."""
    path = folder / f"{size.name}-{quant}.{'bin' if legacy else 'gguf'}"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{path.name}.part")
        (write_legacy if legacy else write_gguf)(unfinished, size, quant)
        unfinished.replace(path)
    return path


def write_gguf(path: Path, size: Size, quant: str) -> None:
    """Tensor by tensor: more than one of them is never in memory."""
    code = gguf.GGMLQuantizationType(GGML_TYPES[quant])
    writer = _writer(path, size)
    rows = Rows(code)
    tensors = list(_tensors(size))
    for name, shape in tensors:
        is_matrix = _is_matrix(name, shape)
        n_bytes = gguf.quant_shape_to_byte_shape(shape, code) if is_matrix else (*shape[:-1], 4 * shape[-1])
        stored_as = code if is_matrix else gguf.GGMLQuantizationType.F32
        writer.add_tensor_info(name, shape, np.dtype(np.float32), int(np.prod(n_bytes)), stored_as)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name, shape in tensors:
        writer.write_tensor_data(rows(*shape) if _is_matrix(name, shape) else rows.vector(name, *shape))
    writer.close()


def _is_matrix(name: str, shape: Sequence[int]) -> bool:
    return len(shape) == 2 and name not in ("position_embd.weight", "model/wpe")


def _writer(path: Path, size: Size) -> gguf.GGUFWriter:
    vocabulary = vendored("starcoder").metadata
    writer = gguf.GGUFWriter(path, "starcoder")
    writer.add_name(size.name)
    writer.add_context_length(size.n_context)
    writer.add_embedding_length(size.width)
    writer.add_block_count(size.n_layers)
    writer.add_feed_forward_length(4 * size.width)
    writer.add_head_count(size.n_heads)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("starcoder")
    writer.add_token_list(list(vocabulary["tokenizer.ggml.tokens"]))
    writer.add_token_types(list(vocabulary["tokenizer.ggml.token_type"]))
    writer.add_token_merges(list(vocabulary["tokenizer.ggml.merges"]))
    return writer


def _tensors(size: Size) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape, rows first, of each; the output is the input's embedding, as in the released model."""
    E = size.width
    yield "token_embd.weight", (size.n_vocab, E)
    yield "position_embd.weight", (size.n_context, E)
    yield from (("output_norm.weight", (E,)), ("output_norm.bias", (E,)))
    layer = {
        "attn_qkv": (E + 2 * size.kv_width, E),
        "attn_output": (E, E),
        "ffn_up": (4 * E, E),
        "ffn_down": (E, 4 * E),
    }
    for i in range(size.n_layers):
        for norm in ("attn_norm", "ffn_norm"):
            yield from ((f"blk.{i}.{norm}.weight", (E,)), (f"blk.{i}.{norm}.bias", (E,)))
        for name, shape in layer.items():
            yield from ((f"blk.{i}.{name}.weight", shape), (f"blk.{i}.{name}.bias", shape[:1]))


def write_legacy(path: Path, size: Size, quant: str) -> None:
    """As the converters of 2023 wrote it, with a short context. Every head has keys and values of its own there."""
    ftype, code = LEGACY_FTYPES[quant], GGML_TYPES[quant]
    tokens = [_raw(token) for token in vendored("starcoder").metadata["tokenizer.ggml.tokens"]]
    numbers = (size.n_vocab, LEGACY_CONTEXT, size.width, size.n_heads, size.n_layers, ftype, size.n_vocab)
    sizes = dict(zip(STARCODER.sizes, numbers, strict=False))
    rows = Rows(code)
    with path.open("wb") as file:
        file.write(b"lmgg" + pack("<7i", *numbers))
        for token in tokens:
            file.write(pack("<i", len(token)) + token)
        for name, shape in shapes_of(STARCODER, sizes).items():
            _write_legacy_tensor(file.write, name, shape, code, rows)


def _raw(token: str) -> bytes:
    """GGUF writes every byte as a printable character; legacy files have the bytes themselves."""
    return b"".join(bytes([BYTES[character]]) for character in token)


def _write_legacy_tensor(
    write: Callable[[bytes], object], name: str, shape: tuple[int, ...], code: int, rows: Rows
) -> None:
    is_matrix = _is_matrix(name, shape)
    write(pack(f"<{3 + len(shape)}i", len(shape), len(name), code if is_matrix else F32, *shape) + name.encode())
    stored = rows(*shape[::-1]) if is_matrix else rows.vector(name, *shape[::-1])
    write(stored.tobytes())
