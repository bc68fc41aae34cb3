"""Reading the header of a GGUF model file, and refusing files that would harm whoever loads them.

Inference libraries crash on files that are cut off or damaged, so nothing else opens a model file before `read_gguf`
has checked every count, length and offset in it against the size of the file. Layout: docs/gguf.md of the ggml project.

    GGUF, version, counts | metadata: key, type, value … | tensors: name, shape, type, offset … | padding | tensor data
"""

from __future__ import annotations

import mmap
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from struct import Struct
from types import MappingProxyType
from typing import Any, NamedTuple

from lsp_server.errors import ModelFileError
from lsp_server.formats.tensor_types import TENSOR_TYPES, TensorType

MAGIC = b"GGUF"
VERSIONS = (2, 3)
DEFAULT_ALIGNMENT = 32
MAX_DIMENSIONS = 4
MAX_TENSOR_NAME_BYTES = 63
# Far above what any model has (a vocabulary of 260,000 tokens needs 1.4 million elements in 20 MB), and low enough for
# a hostile file to cost no more than a second.
MAX_HEADER_BYTES = 1 << 28
MAX_ARRAY_ELEMENTS = 1 << 22
MAX_ENTRIES = 1 << 16

# llama.cpp divides by some of these before it looks at them.
SIZES = ("embedding_length", "block_count", "attention.head_count")
# And it ends the process where a model has more layers than this, which none has.
MAX_LAYERS = 512

STRING, ARRAY, BOOL = 8, 9, 7
# Metadata type → how `struct` names it.
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", BOOL: "?", 10: "Q", 11: "q", 12: "d"}
READERS = {code: Struct(f"<{letter}") for code, letter in SCALARS.items()}
U32, U64 = READERS[4], READERS[10]

LEGACY = (
    "is a legacy GGML file ({}), from before GGUF, which llama.cpp no longer reads; look for the same model as GGUF"
)
# What other files begin with that people take for a GGUF file.
STRANGERS = {
    b"lmgg": LEGACY.format("ggml"),
    b"fmgg": LEGACY.format("ggmf"),
    b"tjgg": LEGACY.format("ggjt"),
    b"algg": "is a legacy GGML adapter (ggla), not a model; choose a GGUF model",
    b"PK\x03\x04": "is a zip archive (perhaps a PyTorch checkpoint), not a GGUF file; convert it first",
    b"vers": "is a Git LFS pointer, not the model itself; fetch it with `git lfs pull`",
}


class Tensor(NamedTuple):
    name: str
    shape: tuple[int, ...]  # innermost dimension first, as ggml writes it
    type: TensorType
    offset: int  # bytes from the start of the tensor data

    @property
    def n_bytes(self) -> int:
        return prod(self.shape) // self.type.n_elements * self.type.n_bytes


@dataclass(frozen=True, slots=True)
class GgufFile:
    """The header of a file that is sound as far as a header can say."""

    path: Path
    version: int
    metadata: Mapping[str, object]  # int, float, bool, str, or a tuple of one of them
    tensors: tuple[Tensor, ...]
    data_offset: int  # where the tensor data begin, in bytes from the start of the file

    @property
    def architecture(self) -> str:
        return str(self.metadata.get("general.architecture", ""))

    @property
    def context_length(self) -> int:
        """The most tokens that the model admits; 0 where the file does not say."""
        length = self.metadata.get(f"{self.architecture}.context_length")
        return length if isinstance(length, int) else 0


def read_gguf(path: Path) -> GgufFile:
    """Read and check the header. Raises ModelFileError for anything that is not a whole GGUF file of version 2 or 3."""
    try:
        return _read(path)
    except _Damaged as damage:
        raise ModelFileError(f"{path} {damage}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelFileError(f"{path} cannot be read ({reason}); check the file and its permissions") from error


def check_model(gguf: GgufFile) -> None:
    """Raise ModelFileError where the header, sound in itself, is not that of a model which can be run."""
    for complaint in _complaints(gguf):
        raise ModelFileError(f"{gguf.path} {complaint}")


def _complaints(gguf: GgufFile) -> Iterator[str]:
    if not gguf.architecture:
        yield "does not name its architecture (general.architecture); choose another file"
    if gguf.metadata.get("split.count", 1) not in (0, 1):
        yield "is one part of a model that was split; join the parts with `llama-gguf-split --merge`"
    if not gguf.tensors:
        yield "holds a vocabulary but no weights; choose a file with a whole model"
    if gguf.context_length <= 0:
        yield f"does not say how much it can read ({gguf.architecture}.context_length); choose another file"
    for size in SIZES:
        if not _is_size(gguf.metadata.get(f"{gguf.architecture}.{size}", 1)):
            yield f"is damaged ({gguf.architecture}.{size} is not a positive number); download it again"
    n_layers = gguf.metadata.get(f"{gguf.architecture}.block_count", 1)
    if isinstance(n_layers, int) and n_layers > MAX_LAYERS:
        yield f"is damaged ({gguf.architecture}.block_count is {n_layers}); download it again"
    yield from _complaints_of_vocabulary(gguf.metadata)


def _is_size(value: object) -> bool:
    """A positive number, or one for each layer of which some may be 0."""
    numbers = value if isinstance(value, tuple) else (value,)
    return all(type(n) is int and n >= 0 for n in numbers) and any(numbers)


def _complaints_of_vocabulary(metadata: Mapping[str, object]) -> Iterator[str]:
    tokens = metadata.get("tokenizer.ggml.tokens")
    if not isinstance(tokens, tuple) or not tokens or not isinstance(tokens[0], str):
        yield "has no vocabulary (tokenizer.ggml.tokens); choose another file"
        return
    # llama.cpp ends the whole process when a text stands for two ids.
    if len(set(tokens)) != len(tokens):
        yield "is damaged (its vocabulary holds a token twice); download it again"
    for key in ("tokenizer.ggml.token_type", "tokenizer.ggml.scores"):
        values = metadata.get(key, tokens)
        if not isinstance(values, tuple) or len(values) < len(tokens):
            yield f"is damaged ({key} does not cover the vocabulary); download it again"


class _Damaged(Exception):
    """A sentence without its subject, which is the file."""


CUT_OFF = "ends too early, as if its download was cut off; download it again"


def _read(path: Path) -> GgufFile:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise _Damaged("does not exist; check the path of the model") from None
    if stat.S_ISDIR(mode):
        raise _Damaged("is a folder; name the .gguf file in it")
    if not stat.S_ISREG(mode):
        raise _Damaged("is not a file; name a .gguf file")
    with path.open("rb") as file:
        _check_beginning(file.read(512))
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Header(data).read(path)


def _check_beginning(start: bytes) -> None:
    """Say what the file is when it is no GGUF file that we read."""
    if not start:
        raise _Damaged("is empty; download it again")
    if start.lstrip()[:5].lower() in (b"<!doc", b"<html", b"<?xml"):
        raise _Damaged("is a web page, not a model; download the file itself, not the page about it")
    if start[:4] != MAGIC:
        raise _Damaged(STRANGERS.get(start[:4], "is not a GGUF file; choose a file that ends in .gguf"))
    if len(start) < 24:
        raise _Damaged(CUT_OFF)
    version = U32.unpack_from(start, 4)[0]
    if version == 1:
        raise _Damaged("is a GGUF file of version 1, which llama.cpp no longer reads; look for a newer one")
    if version and not version & 0xFFFF:
        raise _Damaged("is a big-endian GGUF file, for another kind of computer; look for the little-endian one")
    if version not in VERSIONS:
        raise _Damaged(f"is a GGUF file of version {version}, and versions 2 and 3 can be read; update infill-ls")


class _Header:
    """A place in the file that moves forward and never past the end."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._end = min(len(data), MAX_HEADER_BYTES)
        self._offset = 4
        self._n_elements_left = MAX_ARRAY_ELEMENTS

    def read(self, path: Path) -> GgufFile:
        version, n_tensors, n_metadata = self._number(U32), self._number(U64), self._number(U64)
        if max(n_tensors, n_metadata) > MAX_ENTRIES:
            raise _Damaged("is damaged (its counts are out of bounds); download it again")
        metadata = self._metadata(n_metadata)
        tensors = self._tensors(n_tensors)
        alignment = _alignment(metadata)
        data_offset = _padded(self._offset, alignment)
        _check_layout(tensors, alignment, len(self._data) - data_offset)
        return GgufFile(path, version, MappingProxyType(metadata), tensors, data_offset)

    def _metadata(self, n_metadata: int) -> dict[str, object]:
        metadata: dict[str, object] = {}
        for _ in range(n_metadata):
            key = self._string()
            if key in metadata:
                raise _Damaged("is damaged (a key of its header stands there twice); download it again")
            metadata[key] = self._value(self._number(U32))
        return metadata

    def _tensors(self, n_tensors: int) -> tuple[Tensor, ...]:
        tensors = {}
        for _ in range(n_tensors):
            tensor = self._tensor()
            tensors[tensor.name] = tensor
        if len(tensors) < n_tensors:
            raise _Damaged("is damaged (two tensors have one name); download it again")
        return tuple(tensors.values())

    def _tensor(self) -> Tensor:
        name = self._string()
        n_dimensions = self._number(U32)
        if n_dimensions > MAX_DIMENSIONS:
            raise _Damaged(f"is damaged (the tensor {name!r} has {n_dimensions} dimensions); download it again")
        shape = tuple(self._number(U64) for _ in range(n_dimensions))
        if not all(shape) or len(name.encode("utf-8", "surrogateescape")) > MAX_TENSOR_NAME_BYTES:
            raise _Damaged("is damaged (a tensor's name or shape is out of bounds); download it again")
        code, offset = self._number(U32), self._number(U64)
        if code not in TENSOR_TYPES:
            raise _Damaged(f"stores {name!r} in an unknown way ({code}); choose a file with another quantization")
        return Tensor(name, shape, TENSOR_TYPES[code], offset)

    def _value(self, code: int) -> object:
        if code == STRING:
            return self._string()
        if code == ARRAY:
            return self._array(self._number(U32), self._number(U64))
        return self._number(_reader(code))

    def _array(self, code: int, n: int) -> tuple[object, ...]:
        self._n_elements_left -= n
        if self._n_elements_left < 0:
            raise _Damaged("is damaged (its counts are out of bounds); download it again")
        if code == STRING:
            return self._strings(n)
        reader = Struct(f"<{n}{_reader(code).format[-1]}")
        return reader.unpack(self._bytes(reader.size))

    def _strings(self, n: int) -> tuple[str, ...]:
        """Most of the time that a header takes is spent here: a vocabulary and its merges are 300,000 strings."""
        self._check_room(n * U64.size)
        data, end, offset, length = self._data, self._end, self._offset, U64.unpack_from
        strings = []
        for _ in range(n):
            start = offset + 8
            if start > end or (offset := start + length(data, offset)[0]) > end:
                raise _Damaged(CUT_OFF)
            strings.append(data[start:offset].decode("utf-8", "surrogateescape"))
        self._offset = offset
        return tuple(strings)

    def _string(self) -> str:
        return self._bytes(self._number(U64)).decode("utf-8", "surrogateescape")

    def _number(self, reader: Struct) -> Any:
        return reader.unpack(self._bytes(reader.size))[0]

    def _bytes(self, n: int) -> bytes:
        self._check_room(n)
        start, self._offset = self._offset, self._offset + n
        return self._data[start : self._offset]

    def _check_room(self, n_bytes: int) -> None:
        if n_bytes > self._end - self._offset:
            raise _Damaged(CUT_OFF)


def _reader(code: int) -> Struct:
    if code not in READERS:
        raise _Damaged("is damaged (a value of its header has no known type); download it again")
    return READERS[code]


def _alignment(metadata: Mapping[str, object]) -> int:
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment <= 0 or alignment & (alignment - 1):
        raise _Damaged("is damaged (its alignment is not a power of two); download it again")
    return alignment


def _padded(n_bytes: int, alignment: int) -> int:
    return (n_bytes + alignment - 1) // alignment * alignment


def _check_layout(tensors: tuple[Tensor, ...], alignment: int, n_data_bytes: int) -> None:
    """Tensors follow each other without gaps, in the order of the header, and end within the file."""
    expected = 0
    for tensor in tensors:
        row = tensor.shape[0] if tensor.shape else 1
        if row % tensor.type.n_elements or tensor.offset != expected:
            raise _Damaged(f"is damaged (the tensor {tensor.name!r} is out of place); download it again")
        if tensor.offset + tensor.n_bytes > n_data_bytes:
            raise _Damaged(CUT_OFF)
        expected = _padded(tensor.offset + tensor.n_bytes, alignment)
