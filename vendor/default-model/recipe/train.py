"""Train on prepared rows, by a schedule that counts tokens; interrupted, it goes on where it was.

    python vendor/default-model/recipe/train.py --start FILE.gguf --tokens 8e6     go on from a model file
    python vendor/default-model/recipe/train.py --shape 27m --tokens 800e6         from nothing
    python vendor/default-model/recipe/train.py                                    go on after an interruption

Everything goes to work/run: checkpoint.pt (weights and optimizers, every ten minutes), model.pt (weights, at the end).
The rate rises, stays, and falls to nothing over the second part of the tokens, so that a run can be made longer for as
long as it has not begun to fall: give --tokens again.

Matrices are trained by Muon (Jordan et al. 2024), embeddings and norms by AdamW.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# On a shared machine a thread that waits by spinning takes time from those that compute.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import torch
from export import read_weights
from model import SHAPES, Llama, Shape
from torch import Tensor
from torch.nn import functional as F

WORK = Path(__file__).parent / "work"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
MIDDLE = 2  # as prepare.py marks it
WARM_UP, STABLE = 0.03, 0.35  # shares of the tokens; what is left, the rate falls
SAVE_S = 600
VALIDATION_ROWS = 64


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run was begun with; kept in its checkpoint."""

    shape: Shape
    n_tokens: float
    muon_rate: float
    adam_rate: float
    middle_weight: float  # of a token of the middle in the loss; the others weigh 1
    batch_rows: int  # for one step
    micro_rows: int  # at a time


class Run:
    """The state of a training run: weights, optimizers, and how many tokens they have seen."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.model = Llama(plan.shape).to(DEVICE)
        self.n_seen = 0
        matrices = [p for p in self.model.blk.parameters() if p.dim() == 2]
        norms = [p for p in self.model.parameters() if p.dim() == 1]
        self.muon = torch.optim.Muon(matrices, lr=plan.muon_rate, weight_decay=0.01, momentum=0.95)
        self.adam = torch.optim.AdamW(
            [
                {"params": [self.model.token_embd.weight], "peak": plan.adam_rate},
                {"params": norms, "peak": 3 * plan.adam_rate},
            ],
            lr=plan.adam_rate,
            betas=(0.9, 0.95),
            weight_decay=0.0,
        )

    def set_rate(self) -> None:
        share = rate(self.n_seen / self.plan.n_tokens)
        for group in self.muon.param_groups:
            group["lr"] = self.plan.muon_rate * share
        for group in self.adam.param_groups:
            group["lr"] = group["peak"] * share

    def step(self) -> None:
        for optimizer in (self.muon, self.adam):
            optimizer.step()
            optimizer.zero_grad()

    def save(self, path: Path) -> None:
        """All or nothing: an interruption while writing leaves the file before."""
        state = {
            "plan": asdict(self.plan),
            "n_seen": self.n_seen,
            "model": self.model.state_dict(),
            "muon": self.muon.state_dict(),
            "adam": self.adam.state_dict(),
        }
        torch.save(state, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)

    @classmethod
    def load(cls, path: Path, n_tokens: float | None) -> Run:
        state: dict[str, Any] = torch.load(path, map_location=DEVICE)
        plan = state["plan"] | {"shape": Shape(**state["plan"]["shape"])}
        run = cls(Plan(**plan | ({"n_tokens": n_tokens} if n_tokens else {})))
        run.model.load_state_dict(state["model"])
        run.muon.load_state_dict(state["muon"])
        run.adam.load_state_dict(state["adam"])
        run.n_seen = state["n_seen"]
        return run


class Rows:
    """Prepared rows, in an order that the seed gives, over and over."""

    def __init__(self, paths: list[Path], seed: int = 0) -> None:
        files = [np.load(path) for path in paths]
        self.ids = np.concatenate([file["ids"] for file in files])
        self.parts = np.concatenate([file["parts"] for file in files])
        self._order = np.random.default_rng(seed).permutation(len(self.ids))

    @property
    def n_tokens(self) -> int:
        """Of one row, as a model sees it."""
        return self.ids.shape[1] - 1

    def batch(self, first: int, n_rows: int) -> tuple[Tensor, Tensor, Tensor]:
        """inputs, targets and the targets' parts: each (n_rows, n_tokens)"""
        chosen = self._order[np.arange(first, first + n_rows) % len(self.ids)]
        ids = torch.from_numpy(self.ids[chosen].astype(np.int64)).to(DEVICE)
        parts = torch.from_numpy(self.parts[chosen]).to(DEVICE)
        return ids[:, :-1].contiguous(), ids[:, 1:].contiguous(), parts[:, 1:].contiguous()


def rate(share: float) -> float:
    """Of the peak rate, after that share of the tokens: up, level, and down to nothing in a line."""
    if share < WARM_UP:
        return (share + 1e-3) / WARM_UP
    return min(1.0, max(0.0, (1 - share) / (1 - STABLE)))


def losses(model: Any, batch: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """The loss of each target, and what it belongs to: both (rows * tokens,)"""
    inputs, targets, parts = batch
    with torch.autocast(DEVICE, torch.bfloat16):
        logits = model(inputs)
    loss = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none")
    return loss, parts.flatten()


def weighted(loss: Tensor, parts: Tensor, middle_weight: float) -> Tensor:
    """The mean over all that is no padding."""
    weights = (parts > 0).float() + (middle_weight - 1) * (parts == MIDDLE).float()
    return (loss * weights).sum() / weights.sum()


@torch.no_grad()
def validate(model: Llama, rows: Rows, n_micro: int) -> str:
    seen = [losses(model, rows.batch(first, n_micro)) for first in range(0, VALIDATION_ROWS, n_micro)]
    loss, parts = torch.cat([each for each, _ in seen]), torch.cat([each for _, each in seen])
    return f"held out: middle {loss[parts == MIDDLE].mean():.3f}, context {loss[parts == 1].mean():.3f}"


def train(run: Run, rows: Rows, held_out: Rows, folder: Path) -> None:
    plan, began, saved = run.plan, time.monotonic(), time.monotonic()
    n_before, smooth = run.n_seen, 0.0
    model = torch.compile(run.model)
    print(validate(run.model, held_out, plan.micro_rows), flush=True)
    for number in _steps(run, rows.n_tokens):
        run.set_rate()
        loss = _step(run, model, rows)
        smooth = loss if not smooth else 0.95 * smooth + 0.05 * loss
        if number % 20 == 19:
            speed = (run.n_seen - n_before) / (time.monotonic() - began)
            left_min = (plan.n_tokens - run.n_seen) / speed / 60
            print(
                f"{run.n_seen / 1e6:.2f} M tokens, loss {smooth:.3f}, {speed:.0f}/s, {left_min:.0f} min left",
                flush=True,
            )
        if time.monotonic() - saved > SAVE_S:
            run.save(folder / "checkpoint.pt")
            saved = time.monotonic()
            print(validate(run.model, held_out, plan.micro_rows), flush=True)
    run.save(folder / "model.pt")
    print(validate(run.model, held_out, plan.micro_rows), flush=True)


def _steps(run: Run, row_tokens: int) -> Iterator[int]:
    number = 0
    while run.n_seen < run.plan.n_tokens:
        yield number
        run.n_seen += run.plan.batch_rows * row_tokens
        number += 1


def _step(run: Run, model: Any, rows: Rows) -> float:
    plan = run.plan
    first, total = run.n_seen // rows.n_tokens, 0.0
    for start in range(first, first + plan.batch_rows, plan.micro_rows):
        loss = weighted(*losses(model, rows.batch(start, plan.micro_rows)), plan.middle_weight)
        loss = loss * plan.micro_rows / plan.batch_rows
        loss.backward()
        total += loss.item()
    run.step()
    return total


def begin(options: argparse.Namespace, folder: Path) -> Run:
    if (folder / "checkpoint.pt").exists():
        return Run.load(folder / "checkpoint.pt", options.tokens)
    weights, shape = read_weights(options.start) if options.start else (None, SHAPES[options.shape])
    run = Run(
        Plan(
            shape,
            options.tokens or 8e6,
            options.muon_rate,
            options.adam_rate,
            options.middle_weight,
            options.batch_rows,
            options.micro_rows,
        )
    )
    if weights:
        run.model.load_state_dict(weights)
    return run


def main() -> None:
    options = _parse()
    torch.manual_seed(0)
    folder = WORK / options.run
    folder.mkdir(parents=True, exist_ok=True)
    run = begin(options, folder)
    print(f"{sum(p.numel() for p in run.model.parameters()) / 1e6:.2f} M parameters, {run.plan}", flush=True)
    train(run, Rows(sorted(WORK.glob("train-*.npz"))), Rows([WORK / "val.npz"]), folder)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default="run", help="the folder in work/ (run)")
    parser.add_argument("--start", type=Path, help="a model file to go on from")
    parser.add_argument("--shape", choices=SHAPES, default="4m", help="without --start (4m)")
    parser.add_argument("--tokens", type=float, help="to see in all (8e6)")
    parser.add_argument("--muon-rate", type=float, default=0.02)
    parser.add_argument("--adam-rate", type=float, default=3e-3)
    parser.add_argument("--middle-weight", type=float, default=4.0)
    parser.add_argument("--batch-rows", type=int, default=12)
    parser.add_argument("--micro-rows", type=int, default=4)
    return parser.parse_args()


if __name__ == "__main__":
    main()
