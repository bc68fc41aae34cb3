"""What a model file holds, what it will cost in memory, and how it wants to be prompted: `infill-ls models inspect`.

Only the header is read, so this takes a second or less for a file of any size, and it is safe for a damaged one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from lsp_server.errors import InfillError, ModelFileError
from lsp_server.fim import FimTemplate, recognise, stated_sentinels
from lsp_server.formats.ggml import GgmlFile, is_legacy, read_ggml
from lsp_server.formats.gguf import check_model, read_gguf
from lsp_server.models.files import ModelFile, engine_of
from lsp_server.models.notes import ModelNotes, notes_beside
from lsp_server.tokenization import Tokenizer

# llama.cpp keeps the keys and values of what it has read as f16.
LLAMA_CPP_KV_NUMBER_BYTES = 2
DEFAULT_CONTEXT = 2048
GB = 10**9
MB = 10**6


@dataclass(frozen=True, slots=True)
class Inspection:
    """One model file; counts are of tokens where nothing else is said."""

    path: Path
    n_file_bytes: int
    format: str
    engine: str
    name: str
    architecture: str
    n_weights: int
    n_weight_bytes: int
    bytes_by_type: tuple[tuple[str, int], ...]  # "Q4_K" → bytes, the most first
    context_length: int
    kv_bytes_per_token: int  # an upper bound where layers look at a part of the context only
    vocabulary: str
    n_vocab: int
    template: FimTemplate | None
    sentinels: tuple[tuple[str, int], ...]  # how the vocabulary writes them → their ids
    notes: tuple[str, ...]  # what is uncertain
    complaints: tuple[str, ...]  # why it cannot be used; empty for a good file

    @property
    def bits_per_weight(self) -> float:
        return 8 * self.n_weight_bytes / self.n_weights if self.n_weights else 0.0

    def memory_bytes(self, n_context: int) -> int:
        """The weights, and the keys and values of `n_context` tokens; the engine's own buffers come on top."""
        return self.n_weight_bytes + n_context * self.kv_bytes_per_token


def inspect(path: Path) -> Inspection:
    """Read a file's header and say all it tells. Raises ModelFileError where it is not a whole model file."""
    file = read_ggml(path) if is_legacy(path) else read_gguf(path)
    notes: list[str] = []
    complaints: list[str] = []
    tokenizer = _tokenizer(file, notes, complaints)
    beside = _notes_beside(path, complaints)
    template = _template(file, tokenizer, beside, complaints) if tokenizer else None
    by_type = Counter[str]()
    for tensor in file.tensors:
        by_type[tensor.type.name] += tensor.n_bytes
    kv_numbers = sum(_kv_numbers(file.architecture, file.metadata))
    return Inspection(
        path=path,
        n_file_bytes=path.stat().st_size,
        format="legacy GGML" if isinstance(file, GgmlFile) else f"GGUF version {file.version}",
        engine=engine_of(file),
        name=str(file.metadata.get("general.name") or path.stem),
        architecture=file.architecture,
        n_weights=sum(prod(tensor.shape) for tensor in file.tensors),
        n_weight_bytes=by_type.total(),
        bytes_by_type=tuple(by_type.most_common()),
        context_length=file.context_length,
        kv_bytes_per_token=kv_numbers * _kv_number_bytes(file),
        vocabulary=_vocabulary(file.metadata),
        n_vocab=tokenizer.n_vocab if tokenizer else _length(file.metadata.get("tokenizer.ggml.tokens")),
        template=template,
        sentinels=_sentinels(template, file.metadata),
        notes=(*notes, *_trained_for(beside)),
        complaints=tuple(complaints),
    )


def printed(inspection: Inspection, n_context: int | None = None) -> str:
    """The table for a terminal, with the memory at `n_context` tokens (2048 where that is not given)."""
    rows = list(_rows(inspection, n_context))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _rows(found: Inspection, n_context: int | None) -> Iterator[tuple[str, str]]:
    yield "file", f"{found.path} ({found.format}, {size(found.n_file_bytes)})"
    yield "model", found.name
    yield "architecture", f"{found.architecture or 'not named'}, run by {found.engine}"
    if found.n_weights:
        yield "quantization", _quantization(found)
    yield "context", f"{found.context_length:,} tokens" if found.context_length else "not named"
    yield "vocabulary", f"{found.n_vocab:,} tokens, {found.vocabulary}"
    yield "prompts", _prompts(found.template) if found.template else "none for filling in the middle"
    for text, id in found.sentinels:
        yield "", f"{id:>6} {text}"
    if found.n_weights:
        yield "memory", _memory(found, n_context)
    yield from _labelled("note", found.notes)
    yield from _labelled("trouble", found.complaints)


def _labelled(label: str, sentences: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for number, sentence in enumerate(sentences):
        yield "" if number else label, sentence


def _quantization(found: Inspection) -> str:
    """The types that hold most of the model; norms and biases stay f32 and take next to nothing."""
    large = [(name, n) for name, n in found.bytes_by_type if n >= found.n_weight_bytes / 100]
    shares = ", ".join(f"{name} {n / found.n_weight_bytes:.0%}" for name, n in large)
    weights = f"{found.n_weights / 1e6:,.0f} M weights of {found.bits_per_weight:.1f} bits"
    return f"{shares} of {size(found.n_weight_bytes)}: {weights}"


def _prompts(template: FimTemplate) -> str:
    stable = (
        "the suffix first, so that a keystroke costs a keystroke" if template.stable == "suffix" else "the prefix first"
    )
    return f"{template.family}, order {template.order}: {stable}"


def _memory(found: Inspection, n_context: int | None) -> str:
    n_context = min(n_context or DEFAULT_CONTEXT, found.context_length or DEFAULT_CONTEXT)
    whole = found.context_length
    sizes = f"{size(found.memory_bytes(n_context))} at {n_context:,} tokens"
    if whole > n_context:
        sizes += f", {size(found.memory_bytes(whole))} at all {whole:,}"
    return f"{sizes} (weights {size(found.n_weight_bytes)}, then {found.kv_bytes_per_token / 1e3:,.1f} kB a token)"


def size(n_bytes: int) -> str:
    """In decimal units, as download pages write it."""
    return f"{n_bytes / GB:.2f} GB" if n_bytes >= GB else f"{n_bytes / MB:.1f} MB"


def _tokenizer(file: ModelFile, notes: list[str], complaints: list[str]) -> Tokenizer | None:
    try:
        if not isinstance(file, GgmlFile):
            check_model(file)
    except ModelFileError as error:
        complaints.append(str(error).removeprefix(f"{file.path} "))
    try:
        tokenizer = Tokenizer.from_gguf(file.metadata)
    except ModelFileError as error:
        complaints.append(str(error))
        return None
    notes.extend(tokenizer.notes)
    return tokenizer


def _notes_beside(path: Path, complaints: list[str]) -> ModelNotes:
    try:
        return notes_beside(path)
    except ModelFileError as error:
        complaints.append(str(error))
        return ModelNotes()


def _template(file: ModelFile, tokenizer: Tokenizer, beside: ModelNotes, complaints: list[str]) -> FimTemplate | None:
    try:
        return recognise(
            file.architecture,
            str(file.metadata.get("general.name", "")),
            tokenizer.id_of,
            tokenizer.n_vocab,
            family=beside.family,
            order=beside.order,
            bos_id=tokenizer.bos_id,
            stated=stated_sentinels(file.metadata),
        )
    except InfillError as error:
        complaints.append(str(error))
        return None


def _trained_for(beside: ModelNotes) -> tuple[str, ...]:
    if not beside.window_tokens:
        return ()
    return (f"trained for windows of {beside.window_tokens:,} tokens, says the file of notes beside it",)


def _sentinels(template: FimTemplate | None, metadata: Mapping[str, object]) -> tuple[tuple[str, int], ...]:
    texts = metadata.get("tokenizer.ggml.tokens")
    if template is None or not isinstance(texts, tuple):
        return ()
    ids = (template.prefix_id, template.suffix_id, template.middle_id)
    return tuple((str(texts[id]), id) for id in ids if id is not None)


def _vocabulary(metadata: Mapping[str, object]) -> str:
    kind = str(metadata.get("tokenizer.ggml.model", "of an unnamed kind"))
    if kind == "gpt2":
        return f"byte-level BPE, words cut as by {metadata.get('tokenizer.ggml.pre', 'nobody says whom')}"
    return "SentencePiece" if kind == "llama" else kind


def _kv_numbers(architecture: str, metadata: Mapping[str, object]) -> Iterator[int]:
    """How many numbers each layer keeps for each token: keys and values of every key-value head."""
    n_layers = _whole(metadata.get(f"{architecture}.block_count"))
    n_heads = _per_layer(metadata.get(f"{architecture}.attention.head_count"), n_layers)
    n_kv_heads = _per_layer(metadata.get(f"{architecture}.attention.head_count_kv"), n_layers) or n_heads
    n_embedding = _whole(metadata.get(f"{architecture}.embedding_length"))
    for n_head, n_kv_head in zip(n_heads, n_kv_heads, strict=False):
        plain = n_embedding // n_head if n_head else 0
        key = _whole(metadata.get(f"{architecture}.attention.key_length")) or plain
        value = _whole(metadata.get(f"{architecture}.attention.value_length")) or plain
        yield n_kv_head * (key + value)


def _kv_number_bytes(file: ModelFile) -> int:
    return file.kv_number_bytes if isinstance(file, GgmlFile) else LLAMA_CPP_KV_NUMBER_BYTES


def _per_layer(value: object, n_layers: int) -> tuple[int, ...]:
    if isinstance(value, tuple):
        return tuple(_whole(number) for number in value)
    return (_whole(value),) * n_layers if _whole(value) else ()


def _whole(value: object) -> int:
    return value if type(value) is int and value > 0 else 0


def _length(value: object) -> int:
    return len(value) if isinstance(value, tuple) else 0
