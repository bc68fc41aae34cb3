"""VS Code knows settings only from an extension's manifest, so ours declares each of the server's."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from lsp_server import __version__
from lsp_server.settings import Option, options

EXTENSION = Path(__file__).parents[1] / "editor-clients" / "vscode"
MANIFEST = EXTENSION / "package.json"
COMMAND = {
    "type": "string",
    "default": "infill-ls",
    "scope": "machine",
    "description": "The program: a name on the path, or an absolute path.",
}
TYPES = {bool: "boolean", int: "integer", str: "string", tuple: "array"}


def manifest() -> dict[str, Any]:
    result: dict[str, Any] = json.loads(MANIFEST.read_text("utf-8"))
    return result


def wanted() -> dict[str, dict[str, Any]]:
    """What the manifest's `contributes.configuration.properties` has to hold."""
    return {"infill.command": COMMAND} | {f"infill.{item.key}": as_property(item) for item in options()}


def as_property(item: Option) -> dict[str, Any]:
    """One setting. "machine" is the scope of what VS Code takes from no workspace."""
    values = re.findall(r'"([^"]*)"', item.type)
    return {
        "type": TYPES[type(item.default)],
        **({"enum": values} if values else {}),
        **({"items": {"type": "object" if "tables" in item.type else "string"}} if item.default == () else {}),
        "default": [] if item.default == () else item.default,
        "scope": "machine" if item.user_only else "window",
        "description": item.doc,
    }


def test_the_manifest_declares_every_setting_of_the_server() -> None:
    declared = manifest()["contributes"]["configuration"]["properties"]
    assert declared == wanted(), "python -m tests.test_vscode_manifest writes them down"


def test_what_decides_which_program_runs_is_no_workspaces_to_choose() -> None:
    declared = manifest()["contributes"]["configuration"]["properties"]
    assert {declared[key]["scope"] for key in ("infill.command", "infill.model.path")} == {"machine"}


def test_the_extension_and_the_server_are_one_version() -> None:
    assert manifest()["version"] == __version__


def test_the_lock_file_names_no_place_to_download_from() -> None:
    assert '"resolved"' not in (EXTENSION / "package-lock.json").read_text("utf-8")


if __name__ == "__main__":
    updated = manifest()
    updated["contributes"]["configuration"]["properties"] = wanted()
    MANIFEST.write_text(json.dumps(updated, indent=2, ensure_ascii=False) + "\n", "utf-8")
