"""Reading and checking legacy GGML model files of the StarCoder and GPT-NeoX families, from before GGUF.

ctransformers, which runs them, loads a file that was cut off without a word and computes with whatever is in memory, so
every size is checked here before it sees the file. Layout, as the converters in ggml's examples folder wrote it:

    "ggml" | sizes | vocabulary: length, bytes … | tensors until the end of the file: sizes, name, data …

SantaCoder and all StarCoderBase models are of the first family. Their converter repeated the shared key and value
heads, so that a file says nothing of multi-query attention.
"""

from __future__ import annotations

import mmap
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from struct import Struct
from types import MappingProxyType

from lsp_server.errors import ModelFileError
from lsp_server.formats.byte_level import merges_of, printable
from lsp_server.formats.ggml_families import GPT_NEOX, STARCODER, Family, shapes_of
from lsp_server.formats.gguf import Tensor
from lsp_server.formats.tensor_types import TENSOR_TYPES, TensorType
from lsp_server.formats.tokenizer_json import metadata_of

MAGIC = b"lmgg"
OTHER_MAGICS = {
    b"fmgg": "is a legacy LLaMA file (ggmf); look for the same model as GGUF",
    b"tjgg": "is a legacy LLaMA file (ggjt); look for the same model as GGUF",
    b"algg": "is a legacy GGML adapter (ggla), not a model; choose a model",
}
CUT_OFF = "ends too early, as if its download was cut off; download it again"
DAMAGED = "is damaged ({}); download it again"

I32 = Struct("<i")
HEADER = Struct("<8i")
TENSOR_SIZES = Struct("<iii")
MAX_VOCABULARY = 1 << 18
MAX_TOKEN_BYTES = 1 << 12
MAX_LAYERS = 1 << 10
MAX_NAME_BYTES = 128
# ctransformers counts the numbers of a tensor, and of the keys it keeps, in 32 bits.
MAX_NUMBERS = (1 << 31) - 1

# What the file as a whole is said to be → how its matrices are stored; the rest of it is always F32.
MATRIX_TYPES = {0: 0, 1: 1, 2: 2, 3: 3, 7: 8, 8: 6, 9: 7, 10: 10, 11: 11, 12: 12, 13: 13, 14: 14}
# The quantized blocks changed twice in the spring of 2023; only the last form can be read.
QUANTIZATION_VERSION_FACTOR = 1000
QUANTIZATION_VERSION = 2
NORMAL, CONTROL, UNUSED = 1, 3, 5
# Every vocabulary of bytes has them: they make up all characters beyond ASCII. None is a character by itself.
CONTINUATION_BYTES = {bytes([byte]) for byte in range(0x80, 0xC0)}


@dataclass(frozen=True, slots=True)
class GgmlFile:
    """A file that was checked from end to end; `metadata` has the names and the meaning of GGUF's."""

    path: Path
    architecture: str
    metadata: Mapping[str, object]
    tensors: tuple[Tensor, ...]  # their offsets count from the start of the file
    kv_number_bytes: int  # of each number that ctransformers keeps for a token it has read

    @property
    def context_length(self) -> int:
        return int(str(self.metadata[f"{self.architecture}.context_length"]))


def is_legacy(path: Path) -> bool:
    """Does the file begin as legacy GGML files do? False for one that cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(4) in (MAGIC, *OTHER_MAGICS)
    except OSError:
        return False


def read_ggml(path: Path) -> GgmlFile:
    """Read the header, and check that every tensor is there and whole. Raises ModelFileError.

    A second reading of a file that did not change meanwhile takes no time.
    """
    try:
        stat = path.stat()
        return _read_version(path, stat.st_size, stat.st_mtime_ns)
    except _Damaged as damage:
        raise ModelFileError(f"{path} {damage}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelFileError(f"{path} cannot be read ({reason}); check the file and its permissions") from error


class _Damaged(Exception):
    """A sentence without its subject, which is the file."""


@lru_cache(2)
def _read_version(path: Path, n_bytes: int, changed_ns: int) -> GgmlFile:
    """The merges of the vocabulary take a second to work out, and the header is read by more than one caller."""
    with path.open("rb") as file:
        magic = file.read(4)
        if magic != MAGIC:
            raise _Damaged(OTHER_MAGICS.get(magic, "is not a legacy GGML file; choose another model"))
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _read(path, data)


def _read(path: Path, data: mmap.mmap) -> GgmlFile:
    family, sizes, offset = _sizes(data)
    matrix_type = _matrix_type(sizes["ftype"])
    tokens, offset = _vocabulary(data, offset, sizes["V"])
    tensors = tuple(_tensors(data, offset))
    _check_tensors(tensors, family, sizes, matrix_type)
    metadata = {
        **_described(path, family, sizes),
        **_tokenizer(path, tokens, family),
    }
    return GgmlFile(path, family.architecture, MappingProxyType(metadata), tensors, family.kv_number_bytes)


def _sizes(data: mmap.mmap) -> tuple[Family, dict[str, int], int]:
    """Nothing in a file names its family; StarCoder's header says the size of the vocabulary a second time."""
    numbers = _unpacked(HEADER, data, 4)
    family = STARCODER if numbers[6] == numbers[0] else GPT_NEOX
    sizes = dict(zip(family.sizes, numbers, strict=False))
    if family is GPT_NEOX and sizes["parallel"] not in (0, 1):
        raise _Damaged("is a legacy GGML file of an unknown kind; StarCoder's and GPT-NeoX's can be read")
    _check_sizes(sizes)
    return family, sizes, 4 * (1 + len(family.sizes) + family.counts_vocabulary_again)


def _check_sizes(sizes: Mapping[str, int]) -> None:
    within = {"V": MAX_VOCABULARY, "C": MAX_NUMBERS, "E": MAX_NUMBERS, "heads": MAX_NUMBERS, "layers": MAX_LAYERS}
    for name, most in within.items():
        if not 0 < sizes[name] <= most:
            raise _Damaged(DAMAGED.format("its sizes are out of bounds"))
    width, n_heads = sizes["E"], sizes["heads"]
    if width % n_heads or not 0 <= sizes.get("rotary", 0) <= width // n_heads:
        raise _Damaged(DAMAGED.format("its heads do not divide its width"))
    if max(4 * width * width, width * sizes["V"], width * sizes["C"] * sizes["layers"]) > MAX_NUMBERS:
        raise _Damaged("is larger than ctransformers can count; look for the same model as GGUF")


def _matrix_type(ftype: int) -> TensorType:
    version, ftype = divmod(ftype, QUANTIZATION_VERSION_FACTOR)
    if ftype not in MATRIX_TYPES:
        raise _Damaged(f"is quantized in an unknown way ({ftype}); choose a file with another quantization")
    stored_as = TENSOR_TYPES[MATRIX_TYPES[ftype]]
    if stored_as.n_elements > 1 and version != QUANTIZATION_VERSION:
        raise _Damaged(f"has blocks of version {version}, and version 2 can be read; look for a newer file or a GGUF")
    return stored_as


def _vocabulary(data: mmap.mmap, offset: int, n: int) -> tuple[list[bytes], int]:
    tokens = []
    for _ in range(n):
        (length,) = _unpacked(I32, data, offset)
        if not 0 <= length <= MAX_TOKEN_BYTES:
            raise _Damaged(DAMAGED.format("a token is longer than tokens are"))
        start, offset = offset + 4, offset + 4 + length
        tokens.append(data[start:offset])
    if offset > len(data):
        raise _Damaged(CUT_OFF)
    return tokens, offset


def _tensors(data: mmap.mmap, offset: int) -> Iterator[Tensor]:
    while offset < len(data):
        n_dimensions, n_name_bytes, code = _unpacked(TENSOR_SIZES, data, offset)
        if n_dimensions not in (1, 2) or not 0 < n_name_bytes <= MAX_NAME_BYTES or code not in TENSOR_TYPES:
            raise _Damaged(DAMAGED.format("a tensor is not where it should be"))
        offset += TENSOR_SIZES.size
        shape = _unpacked(Struct(f"<{n_dimensions}i"), data, offset)
        offset += 4 * n_dimensions
        name = data[offset : offset + n_name_bytes].decode("ascii", "replace")
        tensor = Tensor(name, shape, TENSOR_TYPES[code], offset + n_name_bytes)
        if min(shape) <= 0 or shape[0] % tensor.type.n_elements:
            raise _Damaged(DAMAGED.format(f"the shape of {name!r} is impossible"))
        offset = tensor.offset + tensor.n_bytes
        if offset > len(data):
            raise _Damaged(CUT_OFF)
        yield tensor


def _unpacked(sizes: Struct, data: mmap.mmap, offset: int) -> tuple[int, ...]:
    if offset + sizes.size > len(data):
        raise _Damaged(CUT_OFF)
    return sizes.unpack_from(data, offset)


def _check_tensors(tensors: Sequence[Tensor], family: Family, sizes: Mapping[str, int], matrix: TensorType) -> None:
    expected = shapes_of(family, sizes)
    names = {tensor.name for tensor in tensors}
    if len(names) < len(tensors):
        raise _Damaged(DAMAGED.format("a tensor is there twice"))
    for tensor in tensors:
        if expected.get(tensor.name) != tensor.shape:
            raise _Damaged(
                f"is no {family.architecture} model ({tensor.name!r} does not belong there); choose another file"
            )
        stays_f32 = len(tensor.shape) == 1 or tensor.name == "model/wpe"
        if tensor.type != (TENSOR_TYPES[0] if stays_f32 else matrix):
            raise _Damaged(DAMAGED.format(f"{tensor.name!r} is stored as {tensor.type.name}"))
    if expected.keys() - names - family.optional:
        raise _Damaged(CUT_OFF)


def _described(path: Path, family: Family, sizes: Mapping[str, int]) -> dict[str, object]:
    arch = family.architecture
    return {
        "general.architecture": arch,
        "general.name": path.stem,
        f"{arch}.context_length": sizes["C"],
        f"{arch}.embedding_length": sizes["E"],
        f"{arch}.block_count": sizes["layers"],
        f"{arch}.attention.head_count": sizes["heads"],
    }


def _tokenizer(path: Path, tokens: Sequence[bytes], family: Family) -> dict[str, object]:
    """The vocabulary under GGUF's keys.

    GPT-NeoX's converter wrote its tokens decoded, bytes that are no characters lost, so another file has to help.
    """
    if set(tokens) >= CONTINUATION_BYTES:
        return _metadata(tokens, family.pre)
    beside = path.with_name("tokenizer.json")
    if not beside.exists():
        raise _Damaged(
            f"does not hold its whole vocabulary; put the model's tokenizer.json beside it, in {path.parent}"
        )
    return metadata_of(beside, len(tokens), family.pre)


def _metadata(tokens: Sequence[bytes], pre: str) -> dict[str, object]:
    merges = merges_of(tokens)
    made = {left + right for left, right in merges}
    first = {token: id for id, token in reversed(list(enumerate(tokens)))}
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": tuple(
            printable(token) if token and first[token] == id else f"[PAD{id}]" for id, token in enumerate(tokens)
        ),
        "tokenizer.ggml.token_type": tuple(
            UNUSED if not token or first[token] != id else CONTROL if _is_control(token, made) else NORMAL
            for id, token in enumerate(tokens)
        ),
        "tokenizer.ggml.merges": tuple(f"{printable(left)} {printable(right)}" for left, right in merges),
    }


def _is_control(token: bytes, made: Container[bytes]) -> bool:
    return len(token) > 2 and token.startswith(b"<") and token.endswith(b">") and token not in made
