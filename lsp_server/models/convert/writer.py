"""Writing a GGUF file as a whole or not at all.

It grows under another name in the same folder and takes its own at the end, so whoever opens it sees a whole model.
Whatever ends the writing early, an error, Ctrl-C, a request to terminate or a full disk, removes what was written.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO, TypeAlias

import numpy as np

from lsp_server.errors import ModelFileError, UsageError
from lsp_server.formats.gguf import DEFAULT_ALIGNMENT, check_model, read_gguf
from lsp_server.formats.tensor_types import TENSOR_TYPES
from lsp_server.models.convert.encoding import encoder
from lsp_server.models.convert.mixtures import CODES
from lsp_server.models.convert.tensors import Tensor, chunks

Progress: TypeAlias = Callable[[int, int], None]  # numbers written, of all

ROOM_TO_SPARE_BYTES = 1 << 26  # the header, most of it the vocabulary, and what others write meanwhile


@dataclass(frozen=True, slots=True)
class Plan:
    """A file that could be written."""

    architecture: str
    metadata: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    types: Mapping[str, str]  # name of a tensor → of its ggml type

    def n_bytes(self, name: str) -> int:
        block = TENSOR_TYPES[CODES[self.types[name]]]
        return prod(self.tensors[name].shape) // block.n_elements * block.n_bytes

    @property
    def n_numbers(self) -> int:
        return sum(prod(tensor.shape) for tensor in self.tensors.values())


def write(plan: Plan, out: Path, on_progress: Progress | None = None) -> int:
    """Write the file, check it, and give it its name. Its size in bytes.

    Raises UsageError for a place where nothing can be written, ModelFileError for a checkpoint that holds nonsense.
    """
    _check_place(plan, out)
    with _failures_named(out), _terminated_by_exception(), _beside(out) as part:
        _write_header(plan, part)
        with part.open("ab") as file:
            for done in _write_tensors(plan, file):
                if on_progress:
                    on_progress(done, plan.n_numbers)
            file.flush()
            os.fsync(file.fileno())
        check_model(read_gguf(part))
        n_bytes = part.stat().st_size
        os.replace(part, out)
    return n_bytes


def _check_place(plan: Plan, out: Path) -> None:
    if out.suffix != ".gguf":
        raise UsageError(f"{out} does not end in .gguf; name the file that is to be written")
    if out.is_dir() or not out.parent.is_dir():
        raise UsageError(f"{out} cannot be written, since {'it' if out.is_dir() else out.parent} is no {_kind(out)}")
    needed = sum(map(plan.n_bytes, plan.tensors)) + ROOM_TO_SPARE_BYTES
    free = shutil.disk_usage(out.parent).free
    if free < needed:
        raise UsageError(
            f"{out.parent} has room for {free / 1e9:.1f} GB and {needed / 1e9:.1f} GB are needed;"
            " make room, or choose a smaller --quant"
        )


def _kind(out: Path) -> str:
    return "file" if out.is_dir() else "folder"


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """An empty file with a name of its own, gone at the end where it was not renamed."""
    handle, name = tempfile.mkstemp(prefix=f"{out.stem}.", suffix=".part", dir=out.parent)
    os.close(handle)
    part = Path(name)
    try:
        part.chmod(0o666 & ~_umask())  # as any other new file
        yield part
    finally:
        part.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def _failures_named(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        place, reason = error.filename or out, error.strerror or error
        raise UsageError(f"the conversion ended at {place} ({reason}); nothing was left behind") from error


@contextmanager
def _terminated_by_exception() -> Iterator[None]:
    """Let SIGTERM unwind the stack, as SIGINT does, so that what has to be cleaned up is."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _write_header(plan: Plan, path: Path) -> None:
    from gguf import GGMLQuantizationType, GGUFWriter

    writer = GGUFWriter(path, plan.architecture)
    adders: dict[type, Callable[[str, Any], None]] = {
        bool: writer.add_bool,
        int: writer.add_uint32,
        float: writer.add_float32,
        str: writer.add_string,
        list: writer.add_array,
    }
    try:
        for key, value in plan.metadata.items():
            adders[type(value)](key, value)
        for name, tensor in plan.tensors.items():
            type_of = GGMLQuantizationType(CODES[plan.types[name]])
            writer.add_tensor_info(name, tensor.shape, np.dtype(np.float32), plan.n_bytes(name), type_of)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
    finally:
        writer.close()


def _write_tensors(plan: Plan, file: BinaryIO) -> Iterator[int]:
    """Append the data; yields how many numbers are done."""
    _pad(file)
    done = 0
    for name, tensor in plan.tensors.items():
        encode = encoder(plan.types[name])
        for rows in chunks(tensor):
            if not np.isfinite(rows).all():
                raise ModelFileError(f"the checkpoint is damaged ({name} is not made of numbers); download it again")
            file.write(np.ascontiguousarray(encode(rows)).data)
            done += rows.size
            yield done
        _pad(file)


def _pad(file: BinaryIO) -> None:
    file.write(bytes(-file.tell() % DEFAULT_ALIGNMENT))
