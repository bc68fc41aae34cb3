"""The Python package that brings llama.cpp: is it there, is it the right one, can this machine run it?"""

from __future__ import annotations

import os
import re
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from lsp_server.errors import EngineUnavailable

WHEEL = "xllamacpp"
WHEEL_VERSION = "2026.10.11549"


def check_installation() -> Path:
    """The folder of the package. Raises EngineUnavailable where it is missing, of another version, or useless here."""
    reinstall = f"install it with `pip install {WHEEL}=={WHEEL_VERSION}`"
    try:
        installed = version(WHEEL)
    except PackageNotFoundError:
        raise EngineUnavailable(f"llama.cpp is missing (the Python package {WHEEL}); {reinstall}") from None
    if installed != WHEEL_VERSION:
        raise EngineUnavailable(f"{WHEEL} {installed} is not the version that this program knows; {reinstall}")
    spec = find_spec(WHEEL)  # which does not import it: the environment must be prepared first
    if spec is None or not spec.submodule_search_locations:
        raise EngineUnavailable(f"{WHEEL} is damaged; re{reinstall}")
    if _lacks_avx2():
        raise EngineUnavailable("this processor lacks AVX2, which llama.cpp needs here; use a model server instead")
    return Path(spec.submodule_search_locations[0])


def prepare_environment() -> None:
    """To be called before the library is loaded. What the user has set in the environment stays."""
    # Threads of OpenMP wait for each other in a busy loop by default. Where another process wants the core, two threads
    # took 211 ms for a token, and 70 ms with this.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # Should an assertion in there fail, it would start a debugger on this process before ending it.
    os.environ.setdefault("GGML_NO_BACKTRACE", "1")


def why_it_does_not_load(error: Exception) -> str:
    if "libgomp" in str(error):
        return "llama.cpp needs the system library libgomp; install it (the package is called libgomp1 or libgomp)"
    return f"llama.cpp's library does not load ({error}); reinstall {WHEEL}"


def _lacks_avx2(cpu_info: Path = Path("/proc/cpuinfo")) -> bool:
    """The builds for x86-64 take AVX2 for granted and end the process without it. Known on Linux only."""
    try:
        flags = re.search(r"^flags\s*:(.*)$", cpu_info.read_text(), re.MULTILINE)
    except OSError:
        return False
    return flags is not None and "avx2" not in flags[1].split()
