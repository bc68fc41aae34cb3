"""JSON-RPC with the LSP's lifecycle: every request is answered exactly once, whatever it holds.

pygls brings the types' converter, the table of features and the requests from the server to the client. Its message
loop is not used: a request whose parameters it cannot read gets no answer there, its documents split lines at form
feeds, and whatever goes wrong is logged with the values, which are the user's code.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from enum import Enum
from functools import cache
from typing import Any, TypeAlias

from cattrs import Converter
from cattrs.errors import ClassValidationError, IterableValidationError
from lsprotocol import types
from lsprotocol.types import ErrorCodes, LSPErrorCodes
from pygls.protocol import LanguageServerProtocol, default_converter

logger = logging.getLogger(__name__)

MsgId: TypeAlias = int | float | str
Later: TypeAlias = Callable[[], Awaitable[object]]  # what a handler returns when the answer takes time


@cache
def shared_converter() -> Converter:
    """The types' converter, strict: on its own it would take a null for the text "None". One for all sessions."""
    converter: Converter = default_converter()  # type: ignore[no-untyped-call]  # pygls left it without types
    for type_ in (str, int, bool):
        converter.register_structure_hook(type_, _exactly)
    return converter


def _exactly(value: Any, type_: type) -> Any:
    if issubclass(type_, Enum):
        return type_(value)
    if type(value) is not type_:
        raise TypeError(f"expected {type_.__name__}")
    return value


class Refused(Exception):
    """A request that cannot be answered: a JSON-RPC error code and a sentence."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = int(code)


class Protocol(LanguageServerProtocol):
    """One client's messages. Handlers are called in the order of arrival and must not block.

    What belongs to the moment of a request has to be read in the handler itself; it returns the result, or a callable
    for a result that takes time. `send` gets each message as JSON text.
    """

    def __init__(self, server: Any, converter: Converter) -> None:
        super().__init__(server, converter)
        self.fm.builtin_features.clear()
        self.send: Callable[[str], None] = lambda message: None
        self.on_exit: Callable[[int], None] = lambda code: None
        self.normalise: dict[str, Callable[[Any], Any]] = {}  # by method: parameters as clients really send them
        self.own_params: dict[str, Any] = {}  # by method: the types of what is not in the LSP
        self.on_rejected: Callable[[str, Any], None] = lambda method, params: None
        self.current_id: MsgId | None = None  # of the request whose handler is being called
        self._stage = "new"  # then "running", then "shut down"
        self._running: dict[MsgId, asyncio.Task[None]] = {}  # not answered yet
        self._tasks: set[asyncio.Task[None]] = set()  # not ended yet

    def receive(self, body: bytes | str) -> None:
        """Handle one message."""
        try:
            message = json.loads(body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            self._send_error(None, ErrorCodes.ParseError, "the message is not valid JSON")
            return
        if not isinstance(message, dict):
            message = {}
        msg_id, method, params = message.get("id"), message.get("method"), message.get("params")
        if message.get("jsonrpc") != "2.0" or not (msg_id is None or _is_id(msg_id)):
            msg_id = msg_id if _is_id(msg_id) else None
            self._send_error(msg_id, ErrorCodes.InvalidRequest, "this is not a JSON-RPC 2.0 message")
        elif not isinstance(method, str):
            self._receive_response(msg_id, message)
        elif "id" in message:
            self._receive_request(msg_id, method, params)
        else:
            self._receive_notification(method, params)

    def receive_broken(self) -> None:
        """Say that a message could not even be found in the stream."""
        self._send_error(None, ErrorCodes.ParseError, "the message has no valid Content-Length header")

    def answer(self, msg_id: MsgId, result: object) -> bool:
        """Answer a request at once and stop what it does; False where it has its answer already."""
        task = self._running.pop(msg_id, None)
        if task is None:
            return False
        self._send_result(msg_id, result)
        task.cancel()
        return True

    def start(self, job: Callable[[], Awaitable[object]]) -> asyncio.Task[None]:
        """Run something that no request waits for; it ends with the session."""
        return self._keep(asyncio.ensure_future(self._run_job(job)))

    def unstructured(self, value: object) -> Any:
        """As JSON has it."""
        return self._converter.unstructure(value)

    async def ask(self, method: str, params: object, timeout_s: float, otherwise: object = None) -> Any:
        """The client's answer to a request, unstructured; `otherwise` where it refused or did not answer in time."""
        future = asyncio.ensure_future(self.send_request_async(method, params))
        done, _ = await asyncio.wait({future}, timeout=timeout_s)
        if not done:
            future.cancel()
            return otherwise
        return otherwise if future.exception() else future.result()

    async def abandon(self) -> None:
        """End everything that still runs, without answers: nobody is there to read them."""
        self._running.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _receive_request(self, msg_id: Any, method: str, params: Any) -> None:
        try:
            if msg_id is None:
                raise Refused(ErrorCodes.InvalidRequest, "a request needs an id")
            self._check_lifecycle(method)
            if msg_id in self._running:
                raise Refused(ErrorCodes.InvalidRequest, "another request with this id is still running")
            self.current_id = msg_id
            outcome = self._handle(method, params)
        except Refused as refusal:
            self._send_error(msg_id, refusal.code, str(refusal))
        except Exception as error:
            self._report_failure(msg_id, method, error)
        else:
            if callable(outcome):
                self._running[msg_id] = self._keep(asyncio.ensure_future(self._run(msg_id, method, outcome)))
            else:
                self._send_result(msg_id, outcome)

    def _check_lifecycle(self, method: str) -> None:
        if self._stage == "shut down":
            raise Refused(ErrorCodes.InvalidRequest, "the server has been shut down")
        if self._stage == "new" and method != types.INITIALIZE:
            raise Refused(ErrorCodes.ServerNotInitialized, "the first request has to be initialize")
        if self._stage == "running" and method == types.INITIALIZE:
            raise Refused(ErrorCodes.InvalidRequest, "the server is initialized already")

    def _handle(self, method: str, params: Any) -> Any:
        if method == types.SHUTDOWN:
            return self._shut_down()
        handler = self.fm.features.get(method)
        if handler is None:
            raise Refused(ErrorCodes.MethodNotFound, f"there is no method {method}")
        outcome = handler(self._structured(method, params))
        if method == types.INITIALIZE:
            self._stage = "running"
        return outcome

    def _structured(self, method: str, params: Any) -> Any:
        type_: Any = self.own_params.get(method) or types.METHOD_TO_TYPES.get(method, (None, None, None))[2]
        try:
            if normalise := self.normalise.get(method):
                params = normalise(params)
            return params if type_ is None else self._converter.structure(params, type_)
        except Exception as error:
            self.on_rejected(method, params)
            place = _place(error)
            raise Refused(ErrorCodes.InvalidParams, f"the parameters of {method} are not valid{place}") from None

    def _shut_down(self) -> None:
        self._stage = "shut down"
        for msg_id, task in list(self._running.items()):
            self._cancel(msg_id, task)

    def _receive_notification(self, method: str, params: Any) -> None:
        if method == types.EXIT:
            self.on_exit(0 if self._stage == "shut down" else 1)
        elif method == types.CANCEL_REQUEST:
            msg_id = params.get("id") if isinstance(params, dict) else None
            if isinstance(msg_id, (int, float, str)) and (task := self._running.get(msg_id)):
                self._cancel(msg_id, task)
        elif self._stage == "running" and (handler := self.fm.features.get(method)):
            try:
                handler(self._structured(method, params))
            except Refused as refusal:
                logger.warning("a notification was ignored: %s", refusal)
            except Exception as error:
                logger.error("%s failed", method, exc_info=error)

    def _receive_response(self, msg_id: Any, message: dict[str, Any]) -> None:
        if "result" not in message and "error" not in message:
            self._send_error(msg_id, ErrorCodes.InvalidRequest, "the message has no method")
            return
        self._result_types.pop(msg_id, None)
        future = self._request_futures.pop(msg_id, None)
        if future is None or not future.set_running_or_notify_cancel():
            return
        if "error" in message:
            future.set_exception(Refused(0, "the client refused"))
        else:
            future.set_result(message["result"])

    def _cancel(self, msg_id: MsgId, task: asyncio.Task[None]) -> None:
        self._running.pop(msg_id, None)
        self._send_error(msg_id, LSPErrorCodes.RequestCancelled, "the request was cancelled")
        task.cancel()

    async def _run(self, msg_id: MsgId, method: str, job: Later) -> None:
        try:
            result = await job()
        except Refused as refusal:
            if self._running.pop(msg_id, None):
                self._send_error(msg_id, refusal.code, str(refusal))
        except Exception as error:
            if self._running.pop(msg_id, None):
                self._report_failure(msg_id, method, error)
        else:
            if self._running.pop(msg_id, None):
                self._send_result(msg_id, result)

    async def _run_job(self, job: Later) -> None:
        try:
            await job()
        except Exception as error:
            logger.error("a task of the session failed", exc_info=error)

    def _keep(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _report_failure(self, msg_id: MsgId, method: str, error: Exception) -> None:
        logger.error("%s failed", method, exc_info=error)
        self._send_error(msg_id, ErrorCodes.InternalError, f"{type(error).__name__} in the server; its log says where")

    def _send_result(self, msg_id: MsgId, result: object) -> None:
        self._send_data({"jsonrpc": "2.0", "id": msg_id, "result": self.unstructured(result)})

    def _send_error(self, msg_id: MsgId | None, code: int, sentence: str) -> None:
        self._send_data({"jsonrpc": "2.0", "id": msg_id, "error": {"code": int(code), "message": sentence}})

    def _send_data(self, data: Any) -> None:
        # Everything outside of ASCII is escaped, so that lone surrogates can be sent too.
        self.send(json.dumps(self.unstructured(data), separators=(",", ":")))


def _place(error: BaseException) -> str:
    """Where in the parameters the trouble is: names of fields, never what they hold."""
    names: list[str] = []
    while isinstance(error, (ClassValidationError, IterableValidationError)):
        inner = next(iter(error.group_exceptions()[0]), None)
        if inner is None:
            break
        error, note = inner
        names.append(str(getattr(note, "name", "") or "an item"))
    return f": see {'.'.join(names)}" if names else ""


def _is_id(value: object) -> bool:
    return isinstance(value, (int, float, str)) and not isinstance(value, bool)


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")
