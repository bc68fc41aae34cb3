"""From the checkpoint that a model's makers publish to the one file that this program runs: `infill-ls models convert`.

    checkpoint     finds and reads the files: safetensors, PyTorch's (stored), GPTQ (gptq)
    architectures  renames and rearranges the tensors, as views that compute a few rows at a time (tensors)
    settings       translates config.json
    vocabulary     translates tokenizer.json
    mixtures       says how many bits each tensor gets
    writer         quantizes (encoding) and writes

A tensor at most is held in memory, and most of them only in part.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsp_server.models.convert.architectures import architecture_of, converted_tensors
from lsp_server.models.convert.checkpoint import Checkpoint, open_checkpoint
from lsp_server.models.convert.mixtures import DEFAULT, MIXTURES, Mixture, mixture_named, tensor_types
from lsp_server.models.convert.vocabulary import Vocabulary, read_vocabulary
from lsp_server.models.convert.writer import Plan, Progress, write

__all__ = ["DEFAULT", "MIXTURES", "Converted", "Progress", "convert", "summary"]


@dataclass(frozen=True, slots=True)
class Converted:
    """What was written."""

    path: Path
    name: str
    architecture: str
    quantization: str
    n_bytes: int
    n_source_bytes: int
    n_weights: int
    family: str  # how it wants to be prompted; empty where it was not trained to fill in the middle
    notes: tuple[str, ...]  # what is uncertain, a sentence each


def convert(
    source: Path, out: Path, quant: str = DEFAULT, on_progress: Progress | None = None, *, name: str = ""
) -> Converted:
    """Write the checkpoint in `source`, a folder or a file with weights, to the GGUF file `out`, quantized as `quant`.

    `on_progress` is told how many numbers are written, of how many; what it raises ends the conversion. `name`: of the
    model, where its folder does not tell. Nothing is left behind by a conversion that fails or is interrupted.
    Raises UsageError, ModelFileError, and EngineUnavailable for K quants where llama.cpp's C functions are missing.
    """
    mixture = mixture_named(quant)
    checkpoint = open_checkpoint(source, name)
    architecture = architecture_of(checkpoint)
    settings = architecture.settings(checkpoint.config)
    tensors = converted_tensors(checkpoint, architecture)
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    n_vocab = shapes["token_embd.weight"][0]
    vocabulary = read_vocabulary(checkpoint, architecture.gguf, n_vocab)
    n_heads = settings["attention.head_count"]
    n_heads_per_kv = n_heads // settings.get("attention.head_count_kv", n_heads)
    types = tensor_types(shapes, mixture, settings["block_count"], n_heads_per_kv)
    metadata = _metadata(checkpoint, mixture, architecture.gguf, settings, vocabulary)
    plan = Plan(architecture.gguf, metadata, tensors, types)
    n_bytes = write(plan, out, on_progress)
    return Converted(
        path=out,
        name=checkpoint.name,
        architecture=architecture.gguf,
        quantization=mixture.name,
        n_bytes=n_bytes,
        n_source_bytes=checkpoint.n_bytes,
        n_weights=plan.n_numbers,
        family=vocabulary.template.family if vocabulary.template else "",
        notes=vocabulary.notes,
    )


def summary(made: Converted) -> str:
    """For a terminal: what was made, and the command that uses it."""
    prompts = f"{made.family} prompts" if made.family else "not trained to fill in the middle"
    use = f"infill-ls complete FILE:LINE --model {made.path}"
    setting = f"[model]\npath = {json.dumps(str(made.path.absolute()), ensure_ascii=False)}"
    return (
        f"{made.name} is at {made.path} ({made.n_bytes / 1e6:,.0f} MB, {made.n_weights / 1e6:,.0f} million numbers,"
        f" {made.quantization}, {made.architecture}, {prompts})\n"
        f"try it with `{use}`, or write it down in infill-ls.toml:\n\n{setting}"
    )


def _metadata(
    checkpoint: Checkpoint, mixture: Mixture, architecture: str, settings: dict[str, Any], vocabulary: Vocabulary
) -> dict[str, Any]:
    """Without general.architecture, which the writer puts first."""
    general = {
        "general.type": "model",
        "general.name": checkpoint.name,
        "general.file_type": mixture.file_type,
        "general.quantization_version": 2,
    }
    sizes = {f"{architecture}.{key}": value for key, value in settings.items()}
    vocabulary_metadata = {key: value for key, value in vocabulary.metadata.items() if key != "general.architecture"}
    return {**general, **sizes, **vocabulary_metadata}
