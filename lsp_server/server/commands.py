"""`workspace/executeCommand`: what a user can do from the editor, and how the editor says what it did."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

from lsprotocol import types
from lsprotocol.types import ErrorCodes, LSPErrorCodes

from lsp_server.errors import InfillError
from lsp_server.server.candidates import candidates, chosen
from lsp_server.server.offers import ACCEPTED
from lsp_server.server.protocol import Later, Refused
from lsp_server.server.report import explanation
from lsp_server.server.session import Session

Arguments: TypeAlias = Sequence[Any]


def execute(session: Session, params: types.ExecuteCommandParams) -> object:
    """The command's result, or what will find it."""
    command = COMMANDS.get(params.command)
    if command is None:
        raise Refused(ErrorCodes.InvalidParams, f"there is no command {params.command}")
    return command(session, params.arguments or ())


def _accepted(session: Session, arguments: Arguments) -> None:
    session.tracker.accepted(_text(ACCEPTED, arguments))


def _enable(session: Session, arguments: Arguments) -> dict[str, Any]:
    session.switch(True, _text("infill.enable", arguments, optional=True) or None)
    return session.status()


def _disable(session: Session, arguments: Arguments) -> dict[str, Any]:
    session.switch(False, _text("infill.disable", arguments, optional=True) or None)
    return session.status()


def _reload(session: Session, arguments: Arguments) -> dict[str, Any]:
    try:
        session.change_model(session.model.reload)
    except InfillError as error:
        raise _failed(error) from None
    return session.status()


def _switch_model(session: Session, arguments: Arguments) -> Later:
    name = _text("infill.switchModel", arguments, optional=True)

    async def switch() -> dict[str, Any]:
        try:
            path = await asyncio.to_thread(chosen, name, session.settings)
            session.change_model(partial(session.model.switch, path))
        except InfillError as error:
            raise _failed(error) from None
        return session.status()

    return switch


def _models(session: Session, arguments: Arguments) -> Later:
    async def list_them() -> list[dict[str, Any]]:
        try:
            rows = await asyncio.to_thread(candidates, session.settings)
        except InfillError as error:
            raise _failed(error) from None
        return [row.as_json(session.model.engine) for row in rows]

    return list_them


def _status(session: Session, arguments: Arguments) -> dict[str, Any]:
    return session.status()


def _explain(session: Session, arguments: Arguments) -> str:
    document = session.documents.get(_text("infill.explain", arguments))
    if document is None or document.trace is None:
        return "nothing was asked in this document yet\n"
    return explanation(document.trace, document.asked, session.model.engine)


COMMANDS: dict[str, Callable[[Session, Arguments], object]] = {
    ACCEPTED: _accepted,
    "infill.enable": _enable,
    "infill.disable": _disable,
    "infill.reload": _reload,
    "infill.switchModel": _switch_model,
    "infill.models": _models,
    "infill.status": _status,
    "infill.explain": _explain,
}


def _text(command: str, arguments: Arguments, *, optional: bool = False) -> str:
    """The first argument; "" where it may be left out, and was."""
    first = arguments[0] if arguments else None
    if isinstance(first, str):
        return first
    if optional and first is None:
        return ""
    raise Refused(ErrorCodes.InvalidParams, f"the first argument of {command} has to be a text")


def _failed(error: InfillError) -> Refused:
    return Refused(LSPErrorCodes.RequestFailed, f"infill-ls: {error}")
