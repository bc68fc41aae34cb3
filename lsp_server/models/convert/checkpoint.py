"""A checkpoint as its makers publish it: settings in JSON, and tensors in one file or several."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsp_server.errors import ModelFileError, UsageError
from lsp_server.models.convert.gptq import dequantized
from lsp_server.models.convert.stored import read_safetensors, read_torch
from lsp_server.models.convert.tensors import StoredTensor, Tensor

READERS = {".safetensors": read_safetensors, ".bin": read_torch, ".pt": read_torch, ".pth": read_torch}
# Looked for in this order; the first that is there names, or is, the weights.
INDICES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
PATTERNS = ("*.safetensors", "pytorch_model*.bin")

CONFIG = "config.json"
# Folders of the hub's own cache, which has the files some levels deeper, and of `models pull`.
CACHED = re.compile(r"models--.+?--(?P<name>.+)")
PULLED = re.compile(r"[\w.-]+?--(?P<name>[\w.-]+)")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    folder: Path
    name: str
    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    n_bytes: int  # of the files with the weights


def open_checkpoint(source: Path, name: str = "") -> Checkpoint:
    """Read the settings and find the tensors; GPTQ layers are seen dequantized.

    `source` is a folder, or a file with weights that has the others beside it. Raises ModelFileError and UsageError.
    """
    if not source.exists():
        raise UsageError(f"{source} does not exist; name the folder of a checkpoint, or its file with the weights")
    folder = source if source.is_dir() else source.parent
    config = read_json(folder / CONFIG)
    if not config:
        raise ModelFileError(f"{folder} has no {CONFIG}, which says what the model is; download the whole folder")
    files = _weight_files(source)
    stored: dict[str, StoredTensor] = {}
    for file in files:
        stored |= READERS[file.suffix](file)
    gptq = read_json(folder / "quantize_config.json") or config.get("quantization_config") or {}
    n_bytes = sum(file.stat().st_size for file in files)
    return Checkpoint(folder, name or _name(folder, config), config, dequantized(stored, gptq), n_bytes)


def read_json(path: Path) -> Any:
    """The object in a JSON file; {} where there is no file. Raises ModelFileError where it is damaged."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path} is damaged ({error}); download it again") from error
    if not isinstance(content, dict):
        raise ModelFileError(f"{path} is damaged (it holds no object); download it again")
    return content


def _weight_files(source: Path) -> list[Path]:
    if source.is_file():
        return [_readable(source)]
    for index in INDICES:
        if weights := read_json(source / index).get("weight_map"):
            return [_shard(source / index, name) for name in sorted(set(weights.values()))]
    for pattern in PATTERNS:
        if files := sorted(source.glob(pattern)):
            return _one_model(files)
    raise ModelFileError(f"{source} holds no weights (*.safetensors or pytorch_model*.bin); download them as well")


def _readable(file: Path) -> Path:
    if file.suffix == ".gguf":
        raise UsageError(f"{file} is a GGUF file already and needs no conversion; set model.path to it")
    if file.suffix not in READERS:
        raise UsageError(f"{file} is no checkpoint; name a folder, or a file that ends in {', '.join(READERS)}")
    return file


def _shard(index: Path, name: str) -> Path:
    file = index.parent / name
    if Path(name).name != name or file.suffix not in READERS:
        raise ModelFileError(f"{index} names {name!r}, which is not a file of weights; download it again")
    if not file.is_file():
        raise ModelFileError(f"{file} is missing, and {index.name} names it; download it as well")
    return file


def _one_model(files: list[Path]) -> list[Path]:
    """Refuse a folder with several models, such as one of GPTQ files with other group sizes."""
    if len(files) > 1 and not all(re.search(r"-\d+-of-\d+$", file.stem) for file in files):
        names = ", ".join(file.name for file in files)
        raise UsageError(f"{files[0].parent} holds several models; name one of {names} instead of the folder")
    return files


def _name(folder: Path, config: Mapping[str, Any]) -> str:
    """What people call the model: families are recognised by it."""
    place = folder.resolve()
    for part in reversed(place.parts):
        if cached := CACHED.fullmatch(part):
            return cached["name"]
    if pulled := PULLED.fullmatch(place.name):
        return pulled["name"]
    stated = str(config.get("_name_or_path", "")).replace("\\", "/").rstrip("/")
    # A path on somebody's own disk says nothing; "maker/model" does.
    return stated.rpartition("/")[2] if stated.count("/") == 1 and stated[0] not in "./~" else place.name
