"""Fail where tests that matter most did not run: not_skipped.py REPORT.xml..., which are pytest's JUnit reports."""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

ALWAYS = (
    "tests.test_architecture",
    "tests.editors.test_emacs",
    "tests.editors.test_neovim",
    "tests.editors.test_neovim_commands",
    "tests.editors.test_neovim_trouble",
    "tests.editors.test_vim",
    "tests.editors.test_vscode",
    "tests.remote.test_heavy_servers",
)


def ran(report: Path) -> Iterator[str]:
    for case in ElementTree.parse(report).iter("testcase"):
        if case.find("skipped") is None:
            yield case.get("classname", "")


def main(reports: list[str]) -> int:
    counts = Counter(module for report in map(Path, reports) if report.exists() for module in ran(report))
    for module in ALWAYS:
        print(f"{module}: {counts[module]} tests ran")
    return 0 if all(counts[module] for module in ALWAYS) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
