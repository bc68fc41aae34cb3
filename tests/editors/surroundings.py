"""What every editor needs: our server on its path, and a home of its own that holds nobody's settings."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import pytest

# A file to write on in: what comes next is for the model to say.
SHAPES = """\
class Rectangle:
    def __init__(self, width, height):
        self.width = width
        self.height = height

    def area(self):
        return self.width * self.height

    def perimeter(self):
"""
SHIM = f'#!/bin/sh\nexec "{sys.executable}" -m lsp_server "$@"\n'


def missing(what: str, remedy: str) -> NoReturn:
    """A newcomer without the editor skips its tests; `.ci/run` sets INFILL_CI, and there they fail."""
    message = f"{what} is missing; {remedy}"
    if os.environ.get("INFILL_CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message, allow_module_level=True)


def own_environment(folder: Path) -> dict[str, str]:
    """The environment an editor is started in, with all that it writes below `folder`; it shows all suggestions."""
    programs, home = folder / "bin", folder / "home"
    programs.mkdir()
    (programs / "infill-ls").write_text(SHIM)
    (programs / "infill-ls").chmod(0o755)
    own = {f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("CONFIG", "CACHE", "DATA", "STATE")}
    settings = home / "config" / "infill-ls" / "infill-ls.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("[suggest]\nminConfidence = 0\n")
    return {**own, "HOME": str(home), "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
