"""A picture of a replay: how long suggestions took, and what was evaluated for them, by the kind of the stroke."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

from tests.bench.replay import MODEL, Request


def plot(requests: Sequence[Request], kinds: Mapping[str, str], path: Path) -> None:
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
    for kind, name in kinds.items():
        answered = [request for request in requests if request.kind == kind and request.was_answered]
        by_model = [request for request in answered if request.source == MODEL]
        if answered:
            left.ecdf([request.answer_ms for request in answered], label=f"{name} ({len(answered)})")
        if by_model:
            right.ecdf([100 * request.n_evaluated / request.n_prompt for request in by_model], label=name)
    left.set(xscale="log", xlabel="milliseconds from the stroke to the suggestion", ylabel="share of the answers")
    right.set(xscale="symlog", xlim=(0, 100), xlabel="% of the prompt evaluated", ylabel="share of the model's answers")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    left.legend(loc="lower right", fontsize="small")
    figure.savefig(path, dpi=130)
