"""What can go wrong, each with one sentence that says what to do.

    InfillError
    ├── SettingsError          a setting that cannot be used, named by its key
    ├── UsageError             a command line or a document that cannot be used
    └── EngineError            the model or its backend
        ├── ModelFileError     missing, truncated, corrupt, or not a model this program can run
        ├── ModelLacksFim      a sound model that was not trained to fill in the middle
        ├── EngineUnavailable  the inference library is missing or is not the version we know
        ├── ModelReplaced      the model was taken out for another while it wrote
        └── BackendError       a model server
            ├── BackendUnavailable  not there, or it broke off
            ├── BackendLoading      there, with its model not yet loaded
            ├── BackendBusy         there, and it asks to be left alone for a while
            ├── BackendTimeout      too slow
            ├── BackendRefused      it understood and said no: credentials, model, size, certificate, redirect
            └── BackendGarbled      what it sent is not what its dialect says

No suggestion is not an error: it is `None` with a `Reason` (see trace.py).
"""

from __future__ import annotations


class InfillError(Exception):
    """`str(error)` is one sentence for the user."""


class SettingsError(InfillError):
    pass


class UsageError(InfillError):
    pass


class EngineError(InfillError):
    pass


class ModelFileError(EngineError):
    pass


class ModelLacksFim(EngineError):
    pass


class EngineUnavailable(EngineError):
    pass


class ModelReplaced(EngineError):
    code = "model-loading"


class BackendError(EngineError):
    """A model server failed; `code` is that of the `Reason` for an empty answer.

    `wait_s` is the pause that the server asked for, and `again` says that the same request may work at once.
    """

    code = "backend-failed"

    def __init__(self, sentence: str, wait_s: float | None = None, *, again: bool = False) -> None:
        super().__init__(sentence)
        self.wait_s = wait_s
        self.again = again


class BackendUnavailable(BackendError):
    code = "backend-unavailable"


class BackendLoading(BackendError):
    code = "backend-loading"


class BackendBusy(BackendError):
    code = "backend-busy"


class BackendTimeout(BackendError):
    code = "backend-timeout"


class BackendRefused(BackendError):
    code = "backend-refused"


class BackendGarbled(BackendError):
    code = "backend-garbled"
