"""Reading tensors out of the two kinds of file that checkpoints come in.

safetensors: the length of a header in JSON, the header, the data (huggingface/safetensors, "Format"). It is read here
with plain file operations: the library that belongs to it has no bfloat16 for NumPy, and maps the whole file.

PyTorch's own files are Python pickles, which can run any code when they are opened. They are loaded with
`weights_only=True` and nothing else, which admits tensors alone; that takes PyTorch itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from lsp_server.errors import ModelFileError
from lsp_server.models.convert.tensors import Array, Floats, StoredTensor

MAX_HEADER_BYTES = 100_000_000  # as the format's own library has it
# bfloat16 is the upper half of a float32.
BF16 = "BF16"
DTYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    BF16: np.uint16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U8": np.uint8,
    "BOOL": np.bool_,
}


@dataclass(frozen=True, slots=True)
class SafeTensor:
    path: Path
    dtype: str
    shape: tuple[int, ...]
    offset: int  # bytes from the start of the file

    def raw(self) -> Array:
        return self._slice(0, self.shape[0])

    def read(self, start: int, stop: int) -> Floats:
        rows = self._slice(start, stop)
        if self.dtype == BF16:
            return (rows.astype(np.uint32) << 16).view(np.float32)
        return rows.astype(np.float32, copy=False)

    def _slice(self, start: int, stop: int) -> Array:
        dtype, rest = np.dtype(DTYPES[self.dtype]).newbyteorder("<"), self.shape[1:]
        n_row = prod(rest)
        with self.path.open("rb") as file:
            file.seek(self.offset + start * n_row * dtype.itemsize)
            numbers = np.fromfile(file, dtype, (stop - start) * n_row)
        return numbers.reshape(stop - start, *rest)


def read_safetensors(path: Path) -> dict[str, StoredTensor]:
    """The tensors of a file by name. Raises ModelFileError for a file that is cut off or damaged."""
    damaged = f"{path} is cut off or damaged; download it again"
    n_file_bytes = path.stat().st_size
    with path.open("rb") as file:
        n_header_bytes = int.from_bytes(file.read(8), "little")
        if not 2 <= n_header_bytes <= min(MAX_HEADER_BYTES, n_file_bytes - 8):
            raise ModelFileError(damaged)
        header = file.read(n_header_bytes)
    try:
        entries = json.loads(header)
        start = 8 + n_header_bytes
        return {name: _entry(path, start, of) for name, of in entries.items() if name != "__metadata__" and _full(of)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelFileError(damaged) from error


def _full(entry: Mapping[str, Any]) -> bool:
    """False for tensors without numbers, and for single numbers, which models have no use for."""
    return bool(entry["shape"]) and prod(entry["shape"]) > 0


def _entry(path: Path, start: int, entry: Mapping[str, Any]) -> SafeTensor:
    dtype, shape, (begin, end) = entry["dtype"], tuple(int(n) for n in entry["shape"]), entry["data_offsets"]
    if dtype not in DTYPES:
        raise ModelFileError(f"{path} stores numbers as {dtype}, which cannot be converted; choose another checkpoint")
    if min(shape) < 0 or begin < 0 or end - begin != prod(shape) * np.dtype(DTYPES[dtype]).itemsize:
        raise ValueError("sizes contradict each other")
    if start + end > path.stat().st_size:
        raise ValueError("the data end before they should")
    return SafeTensor(path, dtype, shape, start + begin)


class TorchTensor:
    def __init__(self, tensor: Any) -> None:
        self._tensor = tensor
        self.shape: tuple[int, ...] = tuple(tensor.shape)

    def raw(self) -> Array:
        array: Array = self._tensor.numpy()
        return array

    def read(self, start: int, stop: int) -> Floats:
        rows: Floats = self._tensor[start:stop].float().contiguous().numpy()
        return rows


def read_torch(path: Path) -> dict[str, StoredTensor]:
    """The tensors of a PyTorch file by name. Raises ModelFileError, also where PyTorch is not installed."""
    try:
        import torch  # type: ignore[import-not-found, unused-ignore]  # it may be there or not
    except ImportError:
        raise ModelFileError(
            f"{path.name} is a PyTorch file, and reading it takes PyTorch; install it with"
            " `pip install 'infill-ls[torch]'`, or download the same model as safetensors"
        ) from None
    try:
        try:
            tensors = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError:  # written before PyTorch 1.6, which cannot be mapped
            tensors = torch.load(path, map_location="cpu", weights_only=True)
        return {name: TorchTensor(of) for name, of in tensors.items() if isinstance(of, torch.Tensor) and of.dim()}
    except Exception as error:  # the errors of pickle are of any kind
        raise ModelFileError(f"{path} cannot be read as tensors alone; download the model as safetensors") from error
