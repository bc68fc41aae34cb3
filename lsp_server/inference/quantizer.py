"""llama.cpp's own block quantizer, out of the library that the engine computes with."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ctypes import c_int, c_int64, c_size_t, c_void_p
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lsp_server.errors import EngineUnavailable
from lsp_server.formats.tensor_types import TENSOR_TYPES
from lsp_server.inference.llama_api import load_api

Rows: TypeAlias = NDArray[np.float32]  # (n_rows, n_per_row)
Quantizer: TypeAlias = Callable[[Rows], NDArray[np.uint8]]  # → (n_rows, bytes of a row)


def quantizer(code: int, n_threads: int = 0) -> Quantizer:
    """A function that stores rows as the ggml type `code`; the rows are divided among threads (0: one for each core).

    The numbers must be finite, since the library ends the process over others, and the length of a row a multiple of
    the type's block. Raises EngineUnavailable where the library is missing or offers no C functions (Windows).
    """
    chunk = _quantize_chunk()
    n_parts = n_threads or os.cpu_count() or 1

    def quantize(rows: Rows) -> NDArray[np.uint8]:
        rows = np.ascontiguousarray(rows, dtype=np.float32)
        n_rows, n_per_row = rows.shape
        stored = np.empty((n_rows, _row_bytes(code, n_per_row)), dtype=np.uint8)
        cuts = np.linspace(0, n_rows, min(n_parts, n_rows) + 1, dtype=int).tolist()

        def part(first: int, last: int) -> int:
            first_element = first * n_per_row
            return int(chunk(code, rows.ctypes.data, stored.ctypes.data, first_element, last - first, n_per_row, None))

        with ThreadPoolExecutor(n_parts) as threads:
            n_bytes = sum(threads.map(part, cuts, cuts[1:]))
        if n_bytes != stored.nbytes:
            raise RuntimeError(f"llama.cpp wrote {n_bytes} bytes of {stored.nbytes}")
        return stored

    return quantize


def _row_bytes(code: int, n_per_row: int) -> int:
    block = TENSOR_TYPES[code]
    if n_per_row % block.n_elements:
        raise ValueError(f"a row of {n_per_row} numbers is no multiple of {block.n_elements}, as {block.name} needs")
    return n_per_row // block.n_elements * block.n_bytes


def _quantize_chunk() -> Callable[..., int]:
    """`ggml_quantize_chunk(type, source, destination, first element, rows, row length, importance)`, as in ggml.h."""
    try:
        function: Callable[..., int] = load_api().ggml_quantize_chunk
    except AttributeError as error:
        raise EngineUnavailable("the installed llama.cpp does not offer its quantizer; reinstall infill-ls") from error
    function.restype = c_size_t  # type: ignore[attr-defined]  # ctypes
    function.argtypes = [c_int, c_void_p, c_void_p, c_int64, c_int64, c_int64, ctypes.c_void_p]  # type: ignore[attr-defined]
    return function
