"""Every setting: its type, its default, what it does, and whether a workspace may change it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar

T = TypeVar("T")
Range: TypeAlias = tuple[int, int]  # both ends included


def option(default: T, doc: str, *, user_only: bool = False, within: Range | None = None) -> T:
    """One setting: its default, a sentence for the reference, and whether a workspace may change it."""
    metadata = {"doc": doc, "user_only": user_only, "within": within}
    result: T = field(default=default, metadata=metadata)
    return result


@dataclass(frozen=True, slots=True)
class ModelSettings:
    path: str = option("", "The model, a GGUF file. Empty: the small one in the package.", user_only=True)
    family: str = option("", "The FIM family, where it is not recognised from the file.", user_only=True)
    order: Literal["", "psm", "spm", "spm2"] = option(
        "", "The order of the prompt's segments. Empty: the family's own.", user_only=True
    )
    windowTokens: int = option(
        0,
        "Tokens of prompt and answer together, at most. 0: what the model was trained for, up to 2048.",
        user_only=True,
        within=(0, 1_048_576),
    )
    engine: Literal["auto", "llama.cpp", "native", "llama-server", "ctransformers"] = option(
        "auto",
        "What runs the model. native: llama.cpp compiled for this machine, from infill-ls[native]. llama-server is for"
        " platforms where llama.cpp's C API is missing.",
        user_only=True,
    )
    mixing: Literal["auto", "on", "off"] = option(
        "auto",
        "Let what you have open in the editor have a say in each token. auto: where that was measured to help, as with"
        " the model in the package.",
        user_only=True,
    )
    threads: int = option(0, "Threads that compute. 0: one less than there are cores.", user_only=True, within=(0, 256))


@dataclass(frozen=True, slots=True)
class SuggestSettings:
    enabled: bool = option(True, "Suggest while typing. A request made by hand is always answered.")
    popup: Literal["auto", "always", "never"] = option(
        "auto",
        "Offer suggestions in the completion popup too (textDocument/completion). auto: only to editors that cannot"
        " show them inline.",
    )
    ahead: bool = option(
        True, "Compute what comes after a suggestion, and the window at the cursor, while nothing else is asked."
    )
    minConfidence: int = option(
        30,
        "How sure the model has to be of its first tokens, in per cent, for a suggestion to be shown. A request made by"
        " hand is answered in any case, and so is one whose server tells no probabilities.",
        within=(0, 100),
    )
    inComments: bool = option(False, "Suggest in comments too. A request made by hand is answered there in any case.")
    maxTokens: int = option(96, "Tokens written at most; the line begun is still ended.", within=(1, 4096))
    maxTimeMs: int = option(2500, "Milliseconds spent at most; the line begun is still ended.", within=(1, 600_000))


@dataclass(frozen=True, slots=True)
class LatencySettings:
    targetMs: int = option(
        600,
        "Milliseconds in which a suggestion should be there while typing: its length is fitted to the speed of this"
        " machine, and the first one in a file may see less of it. 0: as long as it takes.",
        within=(0, 600_000),
    )
    debounceMs: int = option(
        150,
        "Milliseconds that writing waits at most where another key is to be expected before it is done. 0: none.",
        within=(0, 10_000),
    )


@dataclass(frozen=True, slots=True)
class LogSettings:
    level: Literal["error", "warning", "info", "debug"] = option("info", "What is logged, to stderr and to the file.")
    file: str = option(
        "", 'The log file. Empty: infill-ls.log in the platform\'s log folder. "-": none.', user_only=True
    )


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """One model server, a table in `backend.servers`. The token is never in here, only where it is found."""

    url: str = ""
    dialect: str = "llama.cpp"
    model: str = ""  # the server's name for it, where it serves several
    family: str = ""  # as model.family, where the prompt is a text
    order: str = ""  # as model.order
    vocabulary: str = ""  # a GGUF file of the same model, of which only the vocabulary is read
    role: Literal["primary", "fallback", "hedge"] = "primary"
    weight: int = 1
    token: str = ""  # env:NAME, keyring:SERVICE or file:PATH
    caFile: str = ""
    clientCert: str = ""
    clientKey: str = ""
    proxy: str = ""  # empty: as HTTPS_PROXY and its kin say
    http2: bool = False
    connectMs: int = 1500
    firstTokenMs: int = 0  # 0: as long as suggest.maxTimeMs


@dataclass(frozen=True, slots=True)
class BackendSettings:
    servers: tuple[ServerSettings, ...] = option(
        (), "Model servers, each a table (see the README). Empty: the model runs in this process.", user_only=True
    )
    promptTokens: int = option(
        2048, "Tokens of prompt that servers are sent at most.", user_only=True, within=(64, 1_048_576)
    )
    local: bool = option(True, "Let the model in this process answer while no server does.", user_only=True)
    hedge: bool = option(False, "Ask a second server when the first is slower than it usually is.", user_only=True)
    otherFilesTokens: int = option(
        0,
        "Tokens of other open files in the same language that a server is sent along at most; llama.cpp takes them, at"
        " /infill. 0: none.",
        user_only=True,
        within=(0, 1_048_576),
    )
    neverSend: tuple[str, ...] = option(
        (), "Files that are never sent to servers, as globs, beside keys and credentials.", user_only=True
    )


@dataclass(frozen=True, slots=True)
class UsageSettings:
    enabled: bool = option(
        True,
        "Count on this machine, for `infill-ls stats`, what was shown, taken and kept. Nothing is sent anywhere.",
        user_only=True,
    )


@dataclass(frozen=True, slots=True)
class Settings:
    model: ModelSettings = ModelSettings()
    suggest: SuggestSettings = SuggestSettings()
    latency: LatencySettings = LatencySettings()
    backend: BackendSettings = BackendSettings()
    log: LogSettings = LogSettings()
    usage: UsageSettings = UsageSettings()
