"""What every editor is started with."""

from __future__ import annotations

from pathlib import Path

import pytest
from surroundings import own_environment


@pytest.fixture
def editor_env(tmp_path: Path) -> dict[str, str]:
    return own_environment(tmp_path)
