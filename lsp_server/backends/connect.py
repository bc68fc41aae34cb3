"""From an endpoint to a backend: its token, its vocabulary, the row of the table that fits."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

from lsp_server.backends.credentials import read_token
from lsp_server.backends.dialect import Dialect
from lsp_server.backends.dialects import choose
from lsp_server.backends.encoding import PromptEncoder
from lsp_server.backends.endpoint import Endpoint, check
from lsp_server.backends.http import Connections
from lsp_server.backends.remote import RemoteBackend
from lsp_server.backends.rendering import Rendering, as_ids, as_segments, as_text, control_texts, estimated_tokens
from lsp_server.backends.writing import Ends
from lsp_server.errors import ModelFileError, SettingsError
from lsp_server.fim import FimTemplate, recognise, stated_sentinels
from lsp_server.formats.gguf import read_gguf
from lsp_server.formats.tokenizer_json import metadata_of
from lsp_server.tokenization import Tokenizer

# How the families with byte-level vocabularies cut words, as in formats/pre_tokenizers.py.
PRE_TOKENIZERS = {
    "starcoder": "starcoder",
    "starcoder2": "starcoder",
    "refact": "refact",
    "granite": "starcoder",
    "qwen-coder": "qwen2",
    "deepseek-coder": "deepseek-coder",
}


def connect(endpoint: Endpoint) -> RemoteBackend:
    """A backend that has not asked anything yet; may block, for a keyring.

    Raises SettingsError for what cannot be used, ModelFileError and ModelLacksFim for the vocabulary.
    """
    check(endpoint)
    dialect = choose(endpoint.dialect, has_vocabulary=bool(endpoint.vocabulary), has_family=bool(endpoint.family))
    rendering, ends = PROMPTS[dialect.prompt](endpoint, dialect)
    return RemoteBackend(endpoint, dialect, rendering, ends, Connections(endpoint, read_token(endpoint.token)))


@lru_cache(4)
def read_vocabulary(endpoint: Endpoint) -> tuple[Tokenizer, FimTemplate]:
    """Raises ModelFileError, ModelLacksFim or SettingsError."""
    path = Path(endpoint.vocabulary).expanduser()
    metadata = _from_json(path, endpoint.family) if path.suffix == ".json" else read_gguf(path).metadata
    tokenizer = Tokenizer.from_gguf(metadata)
    template = recognise(
        str(metadata.get("general.architecture", "")),
        str(metadata.get("general.name", "")),
        tokenizer.id_of,
        tokenizer.n_vocab,
        family=endpoint.family,
        order=endpoint.order,
        bos_id=tokenizer.bos_id,
        stated=stated_sentinels(metadata),
    )
    return tokenizer, template


def _from_json(path: Path, family: str) -> Mapping[str, object]:
    """A tokenizer.json does not name its model, so the family has to say how words are cut."""
    if family not in PRE_TOKENIZERS:
        raise SettingsError(
            f"backend.servers: with vocabulary = {path.name}, set family to one of {', '.join(PRE_TOKENIZERS)},"
            " or name a GGUF file of the same model"
        )
    return metadata_of(path, _n_vocab(path), PRE_TOKENIZERS[family])


def _n_vocab(path: Path) -> int:
    try:
        content = json.loads(path.read_text("utf-8"))
        added = (token["id"] for token in content.get("added_tokens", ()))
        return int(max((*content["model"]["vocab"].values(), *added))) + 1
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelFileError(f"{path} is not the tokenizer.json of a byte-level model; download it again") from error


def token_counter(endpoint: Endpoint) -> Callable[[str], int]:
    """How many tokens a line is, exactly where the vocabulary is known."""
    return read_vocabulary(endpoint)[0].count_line if endpoint.vocabulary else estimated_tokens


def _ids(endpoint: Endpoint, dialect: Dialect) -> tuple[Rendering, Ends]:
    tokenizer, template = read_vocabulary(endpoint)
    ends = Ends(tokenizer.end_ids | template.end_ids, control_texts(template.family))
    return as_ids(PromptEncoder(tokenizer, template, heals=dialect.heals)), ends


def _segments(endpoint: Endpoint, dialect: Dialect) -> tuple[Rendering, Ends]:
    return as_segments, Ends(texts=control_texts(endpoint.family))


def _text(endpoint: Endpoint, dialect: Dialect) -> tuple[Rendering, Ends]:
    return as_text(endpoint.family, endpoint.order), Ends(texts=control_texts(endpoint.family))


PROMPTS = {"ids": _ids, "segments": _segments, "text": _text}
