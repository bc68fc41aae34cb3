"""What many tests share: the model in the package, loaded once, and a server that runs it for all who connect."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from lsp_server.assemble import load_engine
from lsp_server.models.packaged import packaged_model
from lsp_server.pipeline import Engine
from lsp_server.settings import Settings
from tests.wire import Connection, Server, port_of


@pytest.fixture(scope="session")
def model_path() -> str:
    return str(packaged_model())


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    loaded = load_engine(Settings())
    yield loaded
    loaded.backend.close()


@pytest.fixture(scope="session")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a server that shows whatever the model says, and leaves its log where nobody minds."""
    home = tmp_path_factory.mktemp("home")
    settings = home / "XDG_CONFIG_HOME" / "infill-ls" / "infill-ls.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("[suggest]\nminConfidence = 0\n")
    return {name: str(home / name) for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")}


@pytest.fixture(scope="session", autouse=True)
def counts_of_nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Suggestions made for tests are not counted among the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(scope="session")
def tcp(env: dict[str, str]) -> Iterator[Server]:
    """One process with the model loaded, for all tests that can share it."""
    server = Server("--tcp", "127.0.0.1:0", "--clientProcessId", str(os.getpid()), env=env)
    with Connection(port_of(server)) as first:
        first.initialize()
        assert first.is_ready()
    yield server
    server.kill()


@pytest.fixture
def editor(tcp: Server) -> Iterator[Connection]:
    """A connection to it on which nothing has been said yet: an editor of its own."""
    with Connection(port_of(tcp)) as connection:
        yield connection
