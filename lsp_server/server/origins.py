"""Who may connect by WebSocket: any web page can try, since browsers let pages open sockets to the local machine."""

from __future__ import annotations

from urllib.parse import urlsplit

_LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1"}
_EDITOR_SCHEMES = {"vscode-webview", "vscode-file"}


def is_local(origin: str | None) -> bool:
    """Programs send no Origin; browsers always do, and a page cannot change it. "null" is any sandboxed page."""
    if origin is None:
        return True
    try:
        parts = urlsplit(origin)
        return parts.scheme in _EDITOR_SCHEMES or (parts.scheme in {"http", "https"} and parts.hostname in _LOCAL_HOSTS)
    except ValueError:
        return False
