"""Rows of numbers as the bytes of one ggml type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lsp_server.errors import EngineUnavailable, ModelFileError
from lsp_server.inference.quantizer import quantizer
from lsp_server.models.convert.mixtures import CODES
from lsp_server.models.convert.tensors import Floats

Encoder: TypeAlias = Callable[[Floats], NDArray[Any]]


def encoder(type: str) -> Encoder:
    """Raises EngineUnavailable for a K quant where llama.cpp's C functions are missing."""
    if type in PLAIN:
        return PLAIN[type]
    try:
        return quantizer(CODES[type])
    except EngineUnavailable:
        return _without_the_library(type)


def _f32(rows: Floats) -> NDArray[Any]:
    return rows


def _f16(rows: Floats) -> NDArray[Any]:
    if np.abs(rows).max() > np.finfo(np.float16).max:
        raise ModelFileError("the model holds numbers that are too large for f16; choose --quant bf16, or q8_0")
    return rows.astype(np.float16)


def _bf16(rows: Floats) -> NDArray[Any]:
    """The upper half of each f32, rounded to the nearest, and to the even one of two that are as near."""
    bits = np.ascontiguousarray(rows).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


PLAIN: dict[str, Encoder] = {"F32": _f32, "F16": _f16, "BF16": _bf16}


def _without_the_library(type: str) -> Encoder:
    from gguf import GGMLQuantizationType
    from gguf.quants import quantize

    if type.endswith("_K"):
        raise EngineUnavailable(
            f"{type} takes llama.cpp's own quantizer, which it does not offer on this platform; choose --quant q8_0,"
            " or convert on Linux or macOS"
        )
    return lambda rows: quantize(rows, GGMLQuantizationType[type])
