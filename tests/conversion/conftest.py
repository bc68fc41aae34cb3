"""Conversions are compared with the results of `torch` and `transformers`: `pytest -m conversion`."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from tests.conversion.agreement import TABLE

# Where they are missing, there is nothing to collect here: naming this folder to pytest then fails.
if find_spec("torch") is None or find_spec("transformers") is None:
    collect_ignore_glob = ["test_*.py"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "conversion: compares converted models with PyTorch's results (takes torch)")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TABLE:
        terminalreporter.section("how often the converted model chooses the original's next token")
        for line in TABLE:
            terminalreporter.write_line(line)
