"""One model server as the user names it, with what can be said of it before anything is sent."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from lsp_server.errors import SettingsError

Role = Literal["primary", "fallback", "hedge"]
PRIVATE_NAMES = ("localhost", ".localhost", ".local", ".lan", ".internal", ".home.arpa")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a server is and how it is reached. The token itself is not in here, only where it is found."""

    url: str
    dialect: str = "llama.cpp"
    model: str = ""  # the server's name for it, where it serves several
    family: str = ""  # as in fim.py, where the prompt is a text
    order: str = ""
    vocabulary: str = ""  # a GGUF file, of which only the vocabulary is read, or a tokenizer.json
    role: Role = "primary"
    weight: int = 1  # a server of weight 2 gets twice the requests of one of weight 1
    token: str = ""  # env:NAME, keyring:SERVICE or file:PATH
    ca_file: str = ""  # a certificate authority's certificate, trusted beside the usual ones
    client_cert: str = ""
    client_key: str = ""
    proxy: str = ""  # empty: as HTTPS_PROXY and its kin say
    http2: bool = False
    connect_s: float = 1.5
    first_token_s: float = 0.0  # 0: as long as a whole suggestion may take

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def name(self) -> str:
        """Scheme, host and port: for messages."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    def at(self, path: str) -> str:
        """The address of `path`. A URL may end in the /v1 that documentation of servers likes to show."""
        return self.url.rstrip("/").removesuffix("/v1") + path


def check(endpoint: Endpoint) -> None:
    """Raises SettingsError for a URL that cannot be used."""
    try:
        parts = urlsplit(endpoint.url)
        _ = parts.port
    except ValueError as error:
        raise SettingsError(f"backend.servers: {endpoint.url!r} is no URL; write http://HOST:PORT") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"backend.servers: {endpoint.url!r} is no URL; write http://HOST:PORT or https://HOST")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise SettingsError(
            f"backend.servers: the URL of {parts.hostname} holds more than an address;"
            " name a source of the token instead"
        )


def is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def warning(endpoint: Endpoint) -> str:
    """Said once: what goes to this server can be read on the way. "" where it cannot, or stays in the house."""
    host = endpoint.host
    if urlsplit(endpoint.url).scheme == "https" or is_loopback(host) or _is_private(host):
        return ""
    return f"your code goes to {host} unencrypted, for all to read on the way; use https:// or a tunnel"


def _is_private(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith(PRIVATE_NAMES)
