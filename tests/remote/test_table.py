"""The table of dialects, as users read it."""

from __future__ import annotations

from pathlib import Path

from lsp_server.backends.dialects import as_table

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_holds_the_table_of_dialects_as_it_is():
    assert as_table() in README.read_text("utf-8")
