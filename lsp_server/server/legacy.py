"""The shapes of the messages that other servers' clients send: llm-ls's, and those that Copilot's added to the LSP.

llm-ls takes flat parameters in camelCase and answers in snake_case. Its clients (llm.nvim, llm-vscode, llm-intellij)
choose model, address, token and tokenizer with each request; here the user's own settings do, so all that is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from lsprotocol.types import ErrorCodes

from lsp_server.formatting import unit_of
from lsp_server.server.protocol import Refused

GET_COMPLETIONS = "llm-ls/getCompletions"
ACCEPT_COMPLETION = "llm-ls/acceptCompletion"
REJECT_COMPLETION = "llm-ls/rejectCompletion"
DID_PARTIALLY_ACCEPT = "textDocument/didPartiallyAcceptCompletion"
DID_CHANGE_STATUS = "didChangeStatus"

NO_COMPLETIONS: dict[str, Any] = {"request_id": str(UUID(int=0)), "completions": []}
CHOICES = ("model", "backend", "url", "apiToken", "api_token", "tokenizerConfig", "tokenizer_config")
CHOICES_IGNORED = (
    "infill-ls: the model, address and token that this editor sends are not used;"
    " set model.path or backend.servers in infill-ls.toml"
)


def place_only(params: Any) -> Any:
    """`llm-ls/getCompletions` as the LSP has it; one version of llm.nvim sends document and position under "1"."""
    if not isinstance(params, Mapping):
        return params
    place = params["1"] if "textDocument" not in params and isinstance(params.get("1"), Mapping) else params
    return {key: place[key] for key in ("textDocument", "position") if key in place}


def chooses(params: Any) -> bool:
    """Whether the client means to choose what answers."""
    return isinstance(params, Mapping) and any(params.get(key) for key in CHOICES)


def completions(request_id: str, text: str) -> dict[str, Any]:
    return {"request_id": request_id, "completions": [{"generated_text": text}]}


def request_id(method: str, params: Any) -> str:
    """Of `acceptCompletion` and `rejectCompletion`, which answer null."""
    value = params.get("requestId") if isinstance(params, Mapping) else None
    if not isinstance(value, str):
        raise _invalid(method, "requestId")
    return value


def item_id(params: Any) -> str:
    """Of `{item: {command: {arguments: [id]}}}`; clients send the whole item, or no more than this."""
    value = params
    for key in ("item", "command", "arguments"):
        value = value.get(key) if isinstance(value, Mapping) else None
    if not isinstance(value, list) or not value or not isinstance(value[0], str):
        raise _invalid(DID_PARTIALLY_ACCEPT, "item.command")
    return value[0]


def accepted_units(params: Any) -> int:
    """UTF-16 units of the item's text that were taken so far, counted from where its range begins."""
    value = params.get("acceptedLength")
    if type(value) is not int or value < 0:
        raise _invalid(DID_PARTIALLY_ACCEPT, "acceptedLength")
    return value


def indent_unit(params: Any) -> str:
    """One step of indentation by the `formattingOptions` of a request; "" where it has none that can be read."""
    options = params.get("formattingOptions") if isinstance(params, Mapping) else None
    if not isinstance(options, Mapping) or not isinstance(options.get("insertSpaces"), bool):
        return ""
    return unit_of(options.get("tabSize"), options["insertSpaces"])


def change_of_status(status: Mapping[str, Any]) -> dict[str, Any]:
    """`didChangeStatus` out of what `infill/status` says."""
    kind = {"ready": "Normal", "loading": "Normal", "off": "Inactive", "error": "Error"}[status["state"]]
    return {"kind": kind, "message": status["message"], "busy": status["working"] or status["state"] == "loading"}


def speaks_copilot(options: Any) -> bool:
    """By the `initializationOptions` that such a client sends."""
    return isinstance(options, Mapping) and "editorPluginInfo" in options


def own_options(options: Any) -> Any:
    """Without what such a client says of itself, which is no setting."""
    if not speaks_copilot(options):
        return options
    return {key: value for key, value in options.items() if key not in ("editorInfo", "editorPluginInfo")}


def _invalid(method: str, place: str) -> Refused:
    return Refused(ErrorCodes.InvalidParams, f"the parameters of {method} are not valid: see {place}")
