"""The model says how sure it is of each token, where its server tells; what it is not sure of is not worth showing."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from lsp_server.stopping.written import N_PROBABILITIES, Stop, Written
from lsp_server.values import Reason


def unsure_of_the_beginning(written: Written) -> Stop | None:
    """Nothing is shown where the first tokens are unlikely together."""
    probabilities, least = written.probabilities, written.limits.min_confidence
    may_end_here = written.is_whole or written.ends_line or len(probabilities) >= N_PROBABILITIES
    if not least or not probabilities or not may_end_here:
        return None
    return Stop(Reason.UNSURE, 0) if mean_of_first(probabilities) < least else None


def mean_of_first(probabilities: Sequence[float]) -> float:
    """The geometric mean of the first probabilities; 0 where there is none."""
    first = probabilities[:N_PROBABILITIES]
    return prod(first) ** (1 / len(first)) if first else 0.0
