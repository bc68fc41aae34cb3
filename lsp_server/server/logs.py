"""The log, on stderr and in a file. It says what happened and how long it took, and holds nothing of the user's code.

Messages of this program name methods, figures and reason codes. The messages of exceptions can quote anything, so they
are left out: of an exception the log has the type and the places in the source. Libraries may only warn.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import traceback
from logging.handlers import RotatingFileHandler
from types import TracebackType
from typing import Any

from lsp_server.errors import InfillError
from lsp_server.settings import Settings, log_file

MAX_FILE_BYTES = 1_000_000

logger = logging.getLogger(__name__)

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def configure(settings: Settings) -> None:
    """Log by these settings from now on."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    root.setLevel(logging.WARNING)
    logging.getLogger("lsp_server").setLevel(settings.log.level.upper())
    # stderr may have been closed, and the file's folder removed: neither is a reason to end, or to write about it.
    logging.raiseExceptions = False
    _add(root, logging.StreamHandler())
    _add_file(root, settings)


def report_what_nobody_caught() -> None:
    """Have whatever ends a thread or a task logged in the same guarded way."""
    sys.excepthook = lambda kind, error, where: logger.critical("the server failed", exc_info=(kind, error, where))
    threading.excepthook = lambda args: logger.critical("a thread failed", exc_info=args.exc_value)
    asyncio.get_running_loop().set_exception_handler(_report_from_loop)


class _Guarded(logging.Formatter):
    """Writes exceptions without their messages, but for our own: those are sentences for the user."""

    def formatException(self, ei: _ExcInfo) -> str:
        kind, error, where = ei
        name = kind.__name__ if kind else "no exception"
        sentence = f": {error}" if isinstance(error, InfillError) else ""
        return "".join(traceback.format_tb(where)) + name + sentence


def _add(root: logging.Logger, handler: logging.Handler) -> None:
    handler.setFormatter(_Guarded("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)


def _add_file(root: logging.Logger, settings: Settings) -> None:
    path = log_file(settings)
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _add(root, RotatingFileHandler(path, maxBytes=MAX_FILE_BYTES, backupCount=1, encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        logger.warning("the log file %r cannot be written (%s); see log.file", str(path), why)


def _report_from_loop(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    logger.error("a task failed", exc_info=context.get("exception"))
