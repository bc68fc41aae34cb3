"""The loading of the model as the editor's own progress display shows it."""

from __future__ import annotations

import uuid
from typing import Any

from lsprotocol import types

from lsp_server.server.loading import SharedModel
from lsp_server.server.protocol import Protocol

REPORT_S = 0.1
ANSWER_S = 5.0  # that the editor has for making a place for it


async def show_loading(model: SharedModel, protocol: Protocol) -> None:
    """Begin, report and end one progress. For editors that announced window.workDoneProgress."""
    token = str(uuid.uuid4())
    refused = object()
    answer = await protocol.ask(
        types.WINDOW_WORK_DONE_PROGRESS_CREATE, types.WorkDoneProgressCreateParams(token), ANSWER_S, otherwise=refused
    )
    if answer is refused:
        return

    def tell(value: Any) -> None:
        protocol.notify(types.PROGRESS, types.ProgressParams(token, protocol.unstructured(value)))

    tell(types.WorkDoneProgressBegin(title="infill-ls", message=f"loading {model.name}", percentage=_percentage(model)))
    while model.is_loading:
        await model.settled(REPORT_S)
        tell(types.WorkDoneProgressReport(message=f"loading {model.name}", percentage=_percentage(model)))
    tell(types.WorkDoneProgressEnd(message=model.failure or f"{model.name} is ready"))


def _percentage(model: SharedModel) -> int:
    return 100 if not model.is_loading else min(99, int(model.fraction * 100))
