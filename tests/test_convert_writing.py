"""Writing a model file: nothing is left of one that was interrupted, and little of it is in memory at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lsp_server.models.convert import convert, writer
from tests.small_checkpoints import (
    N_LAYERS,
    WIDTH,
    bigcode_tensors,
    checkpoint,
    complaint,
)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return checkpoint(tmp_path / "starcoder-small")


# --- nothing half-written ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_an_interrupted_conversion_leaves_what_was_there_before(
    interruption: type[BaseException], small: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.gguf"
    out.write_bytes(b"the model of yesterday")

    def interrupt(done: int, total: int) -> None:
        if done > total // 2:
            raise interruption

    with pytest.raises(interruption):
        convert(small, out, on_progress=interrupt)
    assert out.read_bytes() == b"the model of yesterday"
    assert sorted(os.listdir(tmp_path)) == ["out.gguf", small.name]


IN_A_PROCESS = """
    import sys, time
    from pathlib import Path
    from lsp_server.models.convert import convert

    def say(done, total):
        print("writing", flush=True)
        time.sleep(PAUSE_S)

    if LIMIT:
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))
    convert(Path(sys.argv[1]), Path(sys.argv[2]), "f32", say)
"""


def started(source: Path, out: Path, pause_s: float = 0.0, limit: int = 0) -> subprocess.Popen:
    code = f"PAUSE_S, LIMIT = {pause_s}, {limit}\n{textwrap.dedent(IN_A_PROCESS)}"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", code, str(source), str(out)], **pipes)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends processes without asking")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_conversion_that_is_ended_by_a_signal_leaves_nothing(number: int, small: Path, tmp_path: Path) -> None:
    with started(small, tmp_path / "out.gguf", pause_s=0.2) as process:
        assert process.stdout.readline() == "writing\n"
        assert len(list(tmp_path.glob("*.part"))) == 1
        process.send_signal(number)
        process.communicate(timeout=20)
    assert process.returncode not in (0, None) and os.listdir(tmp_path) == [small.name]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit on Windows")
def test_a_disk_that_is_full_is_told_in_a_sentence_and_leaves_nothing(small: Path, tmp_path: Path) -> None:
    with started(small, tmp_path / "out.gguf", limit=100_000) as process:
        _, errors = process.communicate(timeout=20)
    assert f"the conversion ended at {tmp_path / 'out.gguf'} (File too large); nothing was left behind" in errors
    assert os.listdir(tmp_path) == [small.name]


def test_a_disk_without_room_is_noticed_before(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**6))
    assert "has room for 0.0 GB and 0.1 GB are needed" in complaint(lambda: convert(small, tmp_path / "out.gguf"))
    assert os.listdir(tmp_path) == [small.name]


def test_a_folder_that_cannot_be_written_is_named(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path / "out.part"))

    monkeypatch.setattr(writer.tempfile, "mkstemp", refuse)
    assert f"{tmp_path / 'out.part'} (Permission denied)" in complaint(lambda: convert(small, tmp_path / "out.gguf"))


def test_a_new_file_has_the_rights_of_any_other(small: Path, tmp_path: Path) -> None:
    convert(small, tmp_path / "out.gguf")
    (tmp_path / "other").touch()
    assert (tmp_path / "out.gguf").stat().st_mode == (tmp_path / "other").stat().st_mode


# --- memory -----------------------------------------------------------------------------------------------------------


# The most memory that the process held, in kB: getrusage would count what the process before `exec` held, too.
PEAK = """
    import re, sys
    from pathlib import Path
    from lsp_server.models.convert import convert
    convert(Path(sys.argv[1]), Path(sys.argv[2]), "q4_0")
    print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def peak_bytes(source: Path, out: Path) -> int:
    command = [sys.executable, "-c", textwrap.dedent(PEAK), str(source), str(out)]
    return 1000 * int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_a_large_tensor_is_never_in_memory_as_a_whole(small: Path, tmp_path: Path) -> None:
    n = 800_000
    wide = {f"transformer.h.{i}.mlp.c_fc.bias": np.zeros(n, np.float16) for i in range(N_LAYERS)}
    for i in range(N_LAYERS):
        wide[f"transformer.h.{i}.mlp.c_fc.weight"] = np.zeros((n, WIDTH), np.float16)
        wide[f"transformer.h.{i}.mlp.c_proj.weight"] = np.zeros((WIDTH, n), np.float16)
    large = checkpoint(tmp_path / "large", bigcode_tensors() | wide, n_inner=n)
    extra = peak_bytes(large, tmp_path / "large.gguf") - peak_bytes(small, tmp_path / "small.gguf")
    assert extra < n * WIDTH * 4 / 2
