"""The Python packages that bring llama.cpp: is one there, is it the right one, can this machine run it?"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from lsp_server.errors import EngineUnavailable


@dataclass(frozen=True, slots=True)
class Wheel:
    """A Python package with llama.cpp's library in it, and the one version of it that this program knows."""

    name: str  # for pip
    version: str
    module: str  # for Python
    libraries: tuple[str, ...]  # patterns in the module's folder
    for_any_processor: bool  # built elsewhere, and so for what most processors have

    @property
    def pip_install(self) -> str:
        return f"pip install {self.name}=={self.version}"

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


XLLAMACPP = Wheel("xllamacpp", "2026.10.11549", "xllamacpp", ("xllamacpp*.so",), for_any_processor=True)
# What `pip install infill-ls[native]` compiles on the user's own machine.
LLAMA_CPP_PYTHON = Wheel(
    "llama-cpp-python",
    "0.3.36",
    "llama_cpp",
    ("lib/libllama.so", "lib/libllama.dylib"),
    for_any_processor=False,
)


def check_installation(wheel: Wheel = XLLAMACPP) -> Path:
    """The folder of the package. Raises EngineUnavailable where it is missing, of another version, or useless here."""
    reinstall = f"install it with `{wheel.pip_install}`"
    try:
        installed = version(wheel.name)
    except PackageNotFoundError:
        raise EngineUnavailable(f"llama.cpp is missing (the Python package {wheel.name}); {reinstall}") from None
    if installed != wheel.version:
        raise EngineUnavailable(f"{wheel.name} {installed} is not the version that this program knows; {reinstall}")
    spec = find_spec(wheel.module)  # which does not import it: the environment must be prepared first
    if spec is None or not spec.submodule_search_locations:
        raise EngineUnavailable(f"{wheel.name} is damaged; re{reinstall}")
    if wheel.for_any_processor and _lacks_avx2():
        raise EngineUnavailable("this processor lacks AVX2, which llama.cpp needs here; use a model server instead")
    return Path(spec.submodule_search_locations[0])


def prepare_environment() -> None:
    """To be called before the library is loaded. What the user has set in the environment stays."""
    # Threads of OpenMP wait for each other in a busy loop by default. Where another process wants the core, two threads
    # took 211 ms for a token, and 70 ms with this.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # Should an assertion in there fail, it would start a debugger on this process before ending it.
    os.environ.setdefault("GGML_NO_BACKTRACE", "1")


def why_it_does_not_load(error: Exception, wheel: Wheel = XLLAMACPP) -> str:
    if "libgomp" in str(error):
        return "llama.cpp needs the system library libgomp; install it (the package is called libgomp1 or libgomp)"
    return f"llama.cpp's library does not load ({error}); reinstall {wheel.name}"


def _lacks_avx2(cpu_info: Path = Path("/proc/cpuinfo")) -> bool:
    """The builds for x86-64 take AVX2 for granted and end the process without it. Known on Linux only."""
    try:
        flags = re.search(r"^flags\s*:(.*)$", cpu_info.read_text(), re.MULTILINE)
    except OSError:
        return False
    return flags is not None and "avx2" not in flags[1].split()
