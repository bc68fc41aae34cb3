"""Where a server's token comes from: the environment, the system's keyring, or a file that only its owner can read.

Never from a workspace, and never the token itself in a setting: settings are synchronised, shared and shown.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lsp_server.errors import SettingsError

KEYRING_USER = "infill-ls"
MAX_TOKEN_BYTES = 1 << 14


@dataclass(frozen=True, slots=True)
class Secret:
    """A token that no log, trace or error shows by accident."""

    value: str = field(default="", repr=False)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __str__(self) -> str:
        return "(a token)" if self.value else "(no token)"

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.value}"} if self.value else {}

    def hidden_in(self, text: str) -> str:
        """The text without the token, should a server have sent it back."""
        return text.replace(self.value, "***") if self.value else text


def read_token(source: str) -> Secret:
    """`env:NAME`, `keyring:SERVICE`, `file:PATH`, or nothing at all; may block. Raises SettingsError."""
    if not source:
        return Secret()
    kind, colon, name = source.partition(":")
    reader = SOURCES.get(kind)
    if not colon or not name or reader is None:
        # What stands there may be the token itself, so it is not repeated.
        raise SettingsError("backend.servers: token says where the token is: env:NAME, keyring:SERVICE or file:PATH")
    token = reader(name).strip()
    if not token or not token.isascii() or not token.isprintable():
        raise SettingsError(f"backend.servers: {kind}:{name} holds no usable token; store one there")
    return Secret(token)


def _from_environment(name: str) -> str:
    if name not in os.environ:
        raise SettingsError(f"backend.servers: the environment has no {name}; set it before the editor starts")
    return os.environ[name]


def _from_keyring(service: str) -> str:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError as error:
        raise SettingsError(
            "backend.servers: keyring: needs the package keyring; install infill-ls[keyring]"
        ) from error
    try:
        token = keyring.get_password(service, KEYRING_USER)
    except (KeyringError, RuntimeError) as error:
        raise SettingsError(
            f"backend.servers: the keyring could not be read ({type(error).__name__}); unlock it"
        ) from error
    if token is None:
        raise SettingsError(
            f"backend.servers: the keyring has nothing for {service};"
            f" store it with: keyring set {service} {KEYRING_USER}"
        )
    return token


def _from_file(name: str) -> str:
    path = Path(name).expanduser()
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            data = file.read(MAX_TOKEN_BYTES)
    except (OSError, ValueError) as error:
        raise SettingsError(f"backend.servers: the token file {path} cannot be read; correct its path") from error
    if os.name == "posix" and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsError(f"backend.servers: others may read the token file {path}; run: chmod 600 {path}")
    return data.decode("utf-8", "replace")


SOURCES: dict[str, Callable[[str], str]] = {
    "env": _from_environment,
    "keyring": _from_keyring,
    "file": _from_file,
}
