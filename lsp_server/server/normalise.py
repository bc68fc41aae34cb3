"""Parameters as editors really send them, made into what the specification says, before they are checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# What is read of the client's capabilities; everything below a True.
_READ: dict[str, Any] = {
    "general": {"positionEncodings": True},
    "textDocument": {"inlineCompletion": True, "completion": {"completionItem": {"documentationFormat": True}}},
    "window": {"workDoneProgress": True},
    "workspace": {"configuration": True, "didChangeConfiguration": True},
}


def only_what_is_read(params: Any) -> Any:
    """`initialize` with no more of the capabilities than the server looks at.

    A new editor announces what this version of the LSP's types has never heard of; that should not keep it out.
    """
    if not isinstance(params, dict) or "capabilities" not in params:
        return params
    return {**params, "capabilities": _pruned(params["capabilities"], _READ)}


class TriggerKinds:
    """`textDocument/inlineCompletion` with trigger kinds as the LSP counts them: 1 by hand, 2 while typing.

    vscode-languageclient before version 10 sends VS Code's own, 0 by hand and 1 while typing. Only the 0 gives that
    away; from then on that session's kinds are taken for VS Code's.
    """

    def __init__(self) -> None:
        self._counts_from_0 = False

    def __call__(self, params: Any) -> Any:
        context = params.get("context") if isinstance(params, dict) else None
        kind = context.get("triggerKind") if isinstance(context, dict) else None
        if type(kind) is not int:
            return params
        self._counts_from_0 |= kind == 0
        return {**params, "context": {**context, "triggerKind": kind + self._counts_from_0}} if context else params


def _pruned(value: Any, read: Any) -> Any:
    if read is True or not isinstance(value, Mapping):
        return value
    return {key: _pruned(value[key], of_key) for key, of_key in read.items() if key in value}
