"""What many tests share: the model in the package, loaded once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lsp_server.assemble import load_engine
from lsp_server.models.packaged import packaged_model
from lsp_server.pipeline import Engine
from lsp_server.settings import Settings


@pytest.fixture(scope="session")
def model_path() -> str:
    return str(packaged_model())


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    loaded = load_engine(Settings())
    yield loaded
    loaded.backend.close()
