"""Reading TOML files, on every Python that we run on."""

from __future__ import annotations

import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class UnreadableToml(Exception):
    """The file is there and cannot be used; `str(error)` says why."""


def read_toml(path: Path) -> dict[str, object]:
    """Empty where there is no such file. Raises UnreadableToml."""
    try:
        values: dict[str, object] = tomllib.loads(path.read_text("utf-8-sig"))
        return values
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:  # brackets or digits without end among them
        raise UnreadableToml(f"{path} could not be read ({error})") from error
