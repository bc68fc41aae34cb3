"""What every editor is started with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from surroundings import SHAPES, own_environment

if TYPE_CHECKING:
    from nvim import Neovim, Setup


@pytest.fixture
def editor_env(tmp_path: Path) -> dict[str, str]:
    return own_environment(tmp_path)


@pytest.fixture(scope="session")
def running_neovim(setup: Setup, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neovim]:
    """One Neovim for all the tests of a setup, so that its server loads the model once."""
    from nvim import Neovim

    folder = tmp_path_factory.mktemp("neovim")
    (folder / "first.py").write_text("")
    editor = Neovim(setup, folder / "first.py", env=own_environment(folder))
    editor.until_ready()
    yield editor
    editor.close()


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    file = tmp_path / "shapes.py"
    file.write_text(SHAPES, "utf-8")
    return file


@pytest.fixture
def editor(running_neovim: Neovim, shapes: Path) -> Iterator[Neovim]:
    """The running Neovim with `shapes` open, and nothing else."""
    running_neovim.open(shapes)
    yield running_neovim
    assert running_neovim.complaint() == ""
