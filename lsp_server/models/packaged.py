"""The model that comes with the package, so that the first suggestion needs no download."""

from __future__ import annotations

from pathlib import Path

from lsp_server.errors import ModelFileError

PACKAGE = Path(__file__).parent.parent
# In an installed package, and in a checkout.
FOLDERS = (PACKAGE / "default_model", PACKAGE.parent / "vendor" / "default-model")


def packaged_model() -> Path:
    """The one GGUF file of the folder. Raises ModelFileError where the installation lost it."""
    for folder in FOLDERS:
        for path in sorted(folder.glob("*.gguf")):
            return path
    raise ModelFileError("the model in the package is missing; reinstall infill-ls or set model.path to a GGUF file")
