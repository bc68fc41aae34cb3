"""The tensors of a checkpoint, seen the way that the new file wants them, and read a few rows at a time.

Nothing is loaded before it is asked for, so a model never has to fit into memory: a view knows its shape, and computes
the rows `[start, stop)` from those of the tensors behind it. A vector counts as rows of one number each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Floats: TypeAlias = NDArray[np.float32]

CHUNK_NUMBERS = 1 << 22  # 16 MB as f32


class Tensor(Protocol):
    @property
    def shape(self) -> tuple[int, ...]:
        """(n_rows, …)."""

    def read(self, start: int, stop: int) -> Floats:
        """(stop - start, …)."""


class StoredTensor(Tensor, Protocol):
    """A tensor as it lies in a file."""

    def raw(self) -> Array:
        """All of it, in the type that the file has: for integers, in which GPTQ packs its numbers."""


def chunks(tensor: Tensor) -> Iterator[Floats]:
    """All rows, in arrays of about `CHUNK_NUMBERS`."""
    n_rows, *rest = tensor.shape
    step = max(1, CHUNK_NUMBERS // max(1, int(np.prod(rest))))
    for start in range(0, n_rows, step):
        yield tensor.read(start, min(start + step, n_rows))


class Joined:
    """Tensors below each other."""

    def __init__(self, parts: Sequence[Tensor]) -> None:
        self._parts = parts
        self._ends = list(accumulate(part.shape[0] for part in parts))
        self.shape = (self._ends[-1], *parts[0].shape[1:])

    def read(self, start: int, stop: int) -> Floats:
        pieces = []
        for part, end in zip(self._parts, self._ends, strict=True):
            first = end - part.shape[0]
            low, high = max(start, first), min(stop, end)
            if low < high:
                pieces.append(part.read(low - first, high - first))
        return np.concatenate(pieces)


class Reordered:
    """The rows of a tensor in another order, or some of them: row i is row `order[i]` of what is behind."""

    def __init__(self, tensor: Tensor, order: NDArray[np.intp]) -> None:
        self._tensor = tensor
        self._order = order
        self.shape = (len(order), *tensor.shape[1:])

    def read(self, start: int, stop: int) -> Floats:
        order = self._order[start:stop]
        first, last = int(order.min()), int(order.max()) + 1
        if last - first <= 3 * len(order):
            return self._tensor.read(first, last)[order - first]
        breaks = np.flatnonzero(np.diff(order) != 1) + 1
        runs = np.split(order, breaks)
        return np.concatenate([self._tensor.read(int(run[0]), int(run[-1]) + 1) for run in runs])


class Transposed:
    """A matrix that is stored with its input first, as GPT-2's Conv1D is. It is held in memory while it is read."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor
        self.shape = tensor.shape[::-1]

    @cached_property
    def _whole(self) -> Floats:
        return self._tensor.read(0, self._tensor.shape[0])

    def read(self, start: int, stop: int) -> Floats:
        rows = np.ascontiguousarray(self._whole[:, start:stop].T)
        if stop == self.shape[0]:
            del self._whole
        return rows


class CenteredRows:
    """Each row less its mean."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor
        self.shape = tensor.shape

    def read(self, start: int, stop: int) -> Floats:
        rows = self._tensor.read(start, stop)
        means: Floats = rows.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
        return rows - means


class CenteredColumns:
    """Each column less its mean: whatever the matrix is multiplied with, the result has the mean 0."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor
        self.shape = tensor.shape

    @cached_property
    def _means(self) -> Floats:
        total = sum(chunk.sum(axis=0, dtype=np.float64) for chunk in chunks(self._tensor))
        means: Floats = (total / self.shape[0]).astype(np.float32)
        return means

    def read(self, start: int, stop: int) -> Floats:
        return self._tensor.read(start, stop) - self._means
