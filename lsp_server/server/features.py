"""The methods that the server answers. Each handler reads what belongs to its moment and does not wait."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from lsprotocol import types
from lsprotocol.types import ErrorCodes

from lsp_server.server import legacy
from lsp_server.server.clients import client_named
from lsp_server.server.commands import COMMANDS, execute
from lsp_server.server.configuration import section_of
from lsp_server.server.normalise import TriggerKinds, only_what_is_read
from lsp_server.server.protocol import Refused
from lsp_server.server.report import trace_as_json
from lsp_server.server.session import STATUS, Session
from lsp_server.server.suggest import Suggester
from lsp_server.settings import SECTION
from lsp_server.text import Encoding

TRACE = "infill/trace"
DID_MOVE_CURSOR = "infill/didMoveCursor"
ENCODINGS: tuple[Encoding, ...] = ("utf-8", "utf-16", "utf-32")
# The popup is worth a look wherever a word or an expression begins.
TRIGGER_CHARACTERS = [".", "(", "[", "{", "=", ",", ":", " "]


def register(session: Session) -> None:
    """Teach a session every method."""
    suggester = Suggester(session)
    handlers: dict[str, Callable[..., object]] = {
        types.INITIALIZE: _initialize,
        types.INITIALIZED: _initialized,
        types.SET_TRACE: _set_trace,
        types.WORKSPACE_DID_CHANGE_CONFIGURATION: _did_change_configuration,
        types.TEXT_DOCUMENT_DID_OPEN: _did_open,
        types.TEXT_DOCUMENT_DID_CHANGE: partial(_did_change, suggester),
        types.TEXT_DOCUMENT_DID_CLOSE: partial(_did_close, suggester),
        types.WORKSPACE_EXECUTE_COMMAND: execute,
        DID_MOVE_CURSOR: partial(_did_move_cursor, suggester),
        STATUS: _status,
        TRACE: _trace,
        legacy.ACCEPT_COMPLETION: _llm_ls_accepted,
        legacy.REJECT_COMPLETION: _llm_ls_rejected,
        legacy.DID_PARTIALLY_ACCEPT: _did_partially_accept,
    }
    for method, handler in handlers.items():
        session.protocol.fm.features[method] = partial(handler, session)
    session.protocol.fm.features[types.TEXT_DOCUMENT_INLINE_COMPLETION] = suggester.inline
    session.protocol.fm.features[types.TEXT_DOCUMENT_COMPLETION] = suggester.popup
    session.protocol.fm.features[legacy.GET_COMPLETIONS] = suggester.generated
    session.protocol.normalise = {
        legacy.GET_COMPLETIONS: partial(_llm_ls_place, session),
        types.INITIALIZE: only_what_is_read,
        types.TEXT_DOCUMENT_INLINE_COMPLETION: partial(_inline_params, session, TriggerKinds()),
    }
    session.protocol.own_params = dict.fromkeys(
        (DID_MOVE_CURSOR, legacy.GET_COMPLETIONS), types.TextDocumentPositionParams
    )
    session.protocol.on_rejected = partial(_rejected, session)


def _initialize(session: Session, params: types.InitializeParams) -> types.InitializeResult:
    name = params.client_info.name if params.client_info else None
    session.client = client_named(name)
    session.wants_status = not session.client.warns_of_unknown
    session.capabilities = params.capabilities
    session.encoding = _encoding(params.capabilities)
    session.trace_value = params.trace or types.TraceValue.Off
    if params.process_id is not None:
        session.on_editor_process(params.process_id)
    session.speaks_copilot = legacy.speaks_copilot(params.initialization_options)
    session.configuration.set_options(legacy.own_options(params.initialization_options))
    session.settings_changed()
    return types.InitializeResult(_capabilities(session), types.ServerInfo(session.name, session.version))


def _capabilities(session: Session) -> types.ServerCapabilities:
    return types.ServerCapabilities(
        position_encoding=session.encoding,
        text_document_sync=types.TextDocumentSyncOptions(True, types.TextDocumentSyncKind.Incremental),
        inline_completion_provider=types.InlineCompletionOptions(work_done_progress=False),
        completion_provider=types.CompletionOptions(TRIGGER_CHARACTERS) if _wants_popup(session) else None,
        execute_command_provider=types.ExecuteCommandOptions(list(COMMANDS)),
    )


def _wants_popup(session: Session) -> bool:
    """Never both for one editor, unless its user asks for it."""
    document = session.capabilities.text_document
    shows_inline = document is not None and document.inline_completion is not None
    return {"always": True, "never": False, "auto": not shows_inline}[session.settings.suggest.popup]


def _encoding(capabilities: types.ClientCapabilities) -> Encoding:
    """The first that the editor names and we know: it has a reason for its order, and for us they are all the same."""
    offered = (capabilities.general and capabilities.general.position_encodings) or ()
    return next((known for item in offered for known in ENCODINGS if known == item), "utf-16")


def _initialized(session: Session, params: types.InitializedParams) -> None:
    session.begin()


def _set_trace(session: Session, params: types.SetTraceParams) -> None:
    session.trace_value = params.value


def _did_change_configuration(session: Session, params: types.DidChangeConfigurationParams) -> None:
    """Use the settings that came along, where they are ours; many editors send an empty table, or other servers'."""
    if isinstance(params.settings, Mapping) and SECTION in params.settings:
        session.configuration.set_workspace(section_of(params.settings))
        session.settings_changed()
    else:
        session.protocol.start(session.pull_settings)


def _did_open(session: Session, params: types.DidOpenTextDocumentParams) -> None:
    session.tracker.closed(params.text_document.uri)
    document = session.documents.open(params.text_document)
    document.on_edit = partial(session.tracker.edited, params.text_document.uri)


def _did_change(suggester: Suggester, session: Session, params: types.DidChangeTextDocumentParams) -> None:
    session.documents.change(params, session.encoding)
    suggester.edited(params.text_document.uri)


def _did_move_cursor(suggester: Suggester, session: Session, params: types.TextDocumentPositionParams) -> None:
    """For clients that say so when the cursor has moved without an edit."""
    suggester.moved(params.text_document.uri, params.position)


def _did_close(suggester: Suggester, session: Session, params: types.DidCloseTextDocumentParams) -> None:
    suggester.drop(params.text_document.uri)
    session.tracker.closed(params.text_document.uri)
    session.documents.close(params.text_document.uri)


def _status(session: Session, params: Any) -> dict[str, Any]:
    session.wants_status = True
    return session.status()


def _trace(session: Session, params: Any) -> dict[str, Any] | None:
    """The last request's trace for {textDocument: {uri}}; null where nothing was asked yet."""
    identifier = params.get("textDocument") if isinstance(params, Mapping) else None
    uri = identifier.get("uri") if isinstance(identifier, Mapping) else None
    if not isinstance(uri, str):
        raise Refused(ErrorCodes.InvalidParams, f"the parameters of {TRACE} are not valid: see textDocument.uri")
    document = session.documents.get(uri)
    return trace_as_json(document.trace, session.model.engine) if document and document.trace else None


def _inline_params(session: Session, trigger_kinds: TriggerKinds, params: Any) -> Any:
    """Formatting options, which the LSP's own parameters have no place for, count for the document from now on."""
    if unit := legacy.indent_unit(params):
        session.documents.indent_by(params.get("textDocument"), unit)
    return trigger_kinds(params)


def _llm_ls_place(session: Session, params: Any) -> Any:
    if legacy.chooses(params):
        session.tell_once(types.MessageType.Info, legacy.CHOICES_IGNORED)
    return legacy.place_only(params)


def _llm_ls_accepted(session: Session, params: Any) -> None:
    session.tracker.accepted(legacy.request_id(legacy.ACCEPT_COMPLETION, params))


def _llm_ls_rejected(session: Session, params: Any) -> None:
    session.tracker.forget(legacy.request_id(legacy.REJECT_COMPLETION, params))


def _did_partially_accept(session: Session, params: Any) -> None:
    session.tracker.partly_accepted(legacy.item_id(params), legacy.accepted_units(params))


def _rejected(session: Session, method: str, params: Any) -> None:
    if method == types.TEXT_DOCUMENT_DID_CHANGE and isinstance(params, dict):
        identifier = params.get("textDocument")
        session.documents.lose(identifier.get("uri") if isinstance(identifier, dict) else None)
