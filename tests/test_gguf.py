"""Model files: what is read of a sound one, and the sentence that each kind of unsound one gets."""

from __future__ import annotations

import os
import struct
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.errors import ModelFileError
from lsp_server.formats.gguf import check_model, read_gguf
from lsp_server.models.packaged import packaged_model
from lsp_server.tokenization import Tokenizer
from tests.vocabularies import VOCABULARIES, gguf

HUGE = 2**63
F32, Q8_0, WITHDRAWN = 0, 8, 4


def u32(n):
    return struct.pack("<I", n)


def u64(n):
    return struct.pack("<Q", n)


def text(value):
    return u64(len(value.encode())) + value.encode()


def value(of):
    """A metadata value, with its type before it."""
    match of:
        case bool():
            return u32(7) + struct.pack("<?", of)
        case int():
            return u32(4) + u32(of)
        case float():
            return u32(6) + struct.pack("<f", of)
        case str():
            return u32(8) + text(of)
        case [str(), *_]:
            return u32(9) + u32(8) + u64(len(of)) + b"".join(map(text, of))
        case [int(), *_]:
            return u32(9) + u32(5) + u64(len(of)) + struct.pack(f"<{len(of)}i", *of)
    raise TypeError(of)


def tensor(name, shape, type, offset):
    return text(name) + u32(len(shape)) + b"".join(map(u64, shape)) + u32(type) + u64(offset)


def file(metadata, tensors=(), n_data_bytes=0, version=3):
    """A GGUF file in bytes; `metadata` values may be bytes, which stand for themselves, type included."""
    entries = [text(key) + (of if isinstance(of, bytes) else value(of)) for key, of in metadata.items()]
    header = b"GGUF" + u32(version) + u64(len(tensors)) + u64(len(metadata)) + b"".join([*entries, *tensors])
    return header + bytes(-len(header) % 32) + bytes(n_data_bytes)


MODEL = {
    "general.architecture": "llama",
    "llama.context_length": 2048,
    "llama.embedding_length": 8,
    "llama.attention.head_count": 2,
    "tokenizer.ggml.tokens": ["a", "b", "▁ü"],
    "tokenizer.ggml.token_type": [1, 1, 1],
}
WEIGHTS = [tensor("norm", (8,), F32, 0), tensor("embeddings", (32, 3), Q8_0, 32)]


def sound(**changed):
    return file(MODEL | {key.replace("__", "."): of for key, of in changed.items()}, WEIGHTS, 160)


def read(tmp_path, content):
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    return read_gguf(path)


def complaint(tmp_path, content):
    """The one sentence about a file that is refused, without its path."""
    with pytest.raises(ModelFileError) as caught:
        check_model(read(tmp_path, content))
    _, sentence = str(caught.value).split("model.gguf ", 1)
    assert "\n" not in sentence and ";" in sentence, "one sentence that says what to do"
    return sentence


# --- what is read ---


def test_the_metadata_are_plain_values(tmp_path):
    metadata = read(tmp_path, sound(a__flag=True, a__share=0.5, a__ids=[-1, 2])).metadata
    assert metadata["general.architecture"] == "llama"
    assert metadata["tokenizer.ggml.tokens"] == ("a", "b", "▁ü")
    assert (metadata["a.flag"], metadata["a.share"], metadata["a.ids"]) == (True, 0.5, (-1, 2))


def test_the_tensors_have_names_shapes_types_and_places(tmp_path):
    header = read(tmp_path, sound())
    norm, embeddings = header.tensors
    assert (norm.name, norm.shape, norm.type.name, norm.offset, norm.n_bytes) == ("norm", (8,), "F32", 0, 32)
    assert (embeddings.type.name, embeddings.offset, embeddings.n_bytes) == ("Q8_0", 32, 3 * 34)
    assert header.data_offset % 32 == 0
    check_model(header)


def test_version_2_is_read_as_well(tmp_path):
    assert read(tmp_path, file(MODEL, version=2)).version == 2


def test_bytes_that_are_no_text_survive(tmp_path):
    token = read(tmp_path, sound(general__name=u32(8) + u64(2) + b"\xff\xfe")).metadata["general.name"]
    assert token.encode("utf-8", "surrogateescape") == b"\xff\xfe"


def test_another_alignment_is_heeded(tmp_path):
    header = read(tmp_path, file(MODEL | {"general.alignment": 64}, [tensor("norm", (8,), F32, 0)], 96))
    assert header.data_offset % 64 == 0


def test_the_model_in_the_package_is_sound():
    header = read_gguf(packaged_model())
    check_model(header)
    assert (header.architecture, header.context_length, len(header.tensors)) == ("llama", 2048, 56)
    assert header.data_offset + sum(tensor.n_bytes for tensor in header.tensors) <= packaged_model().stat().st_size


@pytest.mark.parametrize("name", VOCABULARIES)
def test_a_vocabulary_is_read_but_is_no_model(name):
    header = gguf(name)
    assert len(header.metadata["tokenizer.ggml.tokens"]) > 30_000
    with pytest.raises(ModelFileError, match="holds a vocabulary but no weights"):
        check_model(header)


# --- what is no GGUF file at all ---


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"\n<!DOCTYPE html><title>model.gguf</title>", "is a web page"),
        (b"<html>Sign in", "is a web page"),
        (b"lmgg" + bytes(100), "is a legacy GGML file (ggml)"),
        (b"fmgg" + bytes(100), "is a legacy GGML file (ggmf)"),
        (b"tjgg" + bytes(100), "is a legacy GGML file (ggjt)"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
        (b"PK\x03\x04" + bytes(100), "is a zip archive"),
        (b"\x00\x01" * 100, "is not a GGUF file"),
        (b"GG", "is not a GGUF file"),
        (b"GGUF", "ends too early"),
        (b"GGUF" + u32(1) + bytes(100), "is a GGUF file of version 1, which llama.cpp no longer reads"),
        (b"GGUF" + struct.pack(">I", 3) + bytes(100), "is a big-endian GGUF file"),
        (b"GGUF" + u32(4) + bytes(100), "is a GGUF file of version 4"),
        (b"GGUF" + u32(0) + bytes(100), "is a GGUF file of version 0"),
    ],
)
def test_another_kind_of_file_is_called_by_its_name(tmp_path, content, sentence):
    assert complaint(tmp_path, content).startswith(sentence)


def test_a_missing_file_a_folder_and_a_device_are_told_apart(tmp_path):
    for path, sentence in (
        (tmp_path / "none.gguf", "does not exist"),
        (tmp_path, "is a folder"),
        (Path(os.devnull), "is not a file"),
        (tmp_path / "a\0b", "cannot be read"),
    ):
        with pytest.raises(ModelFileError, match=sentence):
            read_gguf(path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="nothing is unreadable here")
def test_a_file_without_permission(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(sound())
    path.chmod(0)
    with pytest.raises(ModelFileError, match="Permission denied"):
        read_gguf(path)


# --- damage ---


def test_a_file_cut_off_anywhere_is_refused(tmp_path):
    content = sound()
    for n_bytes in (*range(4, len(content) - 26, 7), len(content) - 27):
        assert complaint(tmp_path, content[:n_bytes]).startswith("ends too early")
    check_model(read(tmp_path, content[:-26]))     # the padding behind the last tensor may be missing


@pytest.mark.parametrize(
    "content",
    [
        b"GGUF" + u32(3) + u64(HUGE) + u64(0),
        b"GGUF" + u32(3) + u64(0) + u64(HUGE),
        b"GGUF" + u32(3) + u64(0) + u64(60_000),
        file({"a": u32(8) + u64(HUGE)}),
        file({"a": u32(9) + u32(8) + u64(HUGE)}),
        file({"a": u32(9) + u32(8) + u64(1 << 22) + bytes(1 << 16)}),
        file({"a": u32(9) + u32(0) + u64(HUGE)}),
        file({"a": u32(9) + u32(12) + u64(2**61)}),
        file({}, [u64(HUGE)]),
        file({}, [tensor("t", (2**40,), F32, 0)]),
        file({}, [tensor("t", (2**32, 2**32, 2**32, 2**32), F32, 0)]),
    ],
)
def test_counts_that_the_file_cannot_hold_are_refused_at_once(tmp_path, content):
    assert complaint(tmp_path, content).startswith(("ends too early", "is damaged (its counts are out of bounds)"))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (file({"a": u32(13)}), "a value of its header has no known type"),
        (file({"a": u32(9) + u32(9) + u64(1)}), "a value of its header has no known type"),
        (file({"general.alignment": 48}), "alignment is not a power of two"),
        (file({"general.alignment": 0}), "alignment is not a power of two"),
        (file({"general.alignment": "32"}), "alignment is not a power of two"),
        (b"GGUF" + u32(3) + u64(0) + u64(2) + 2 * (text("a") + value(1)), "stands there twice"),
        (file({}, [tensor("t", (8,), F32, 0), tensor("t", (8,), F32, 32)], 64), "two tensors have one name"),
        (file({}, [tensor("t", (1, 1, 1, 1, 1), F32, 0)]), "has 5 dimensions"),
        (file({}, [tensor("t", (0,), F32, 0)]), "name or shape"),
        (file({}, [tensor("t" * 64, (8,), F32, 0)], 64), "name or shape"),
        (file({}, [tensor("t", (33,), Q8_0, 0)], 64), "is out of place"),
        (file({}, [tensor("t", (8,), F32, 32)], 96), "is out of place"),
        (file({}, [tensor("t", (8,), F32, 0), tensor("u", (8,), F32, 0)], 96), "is out of place"),
        (file({}, [tensor("t", (8,), WITHDRAWN, 0)], 32), "stores 't' in an unknown way (4)"),
        (file({}, [tensor("t", (8,), 99, 0)], 32), "stores 't' in an unknown way (99)"),
    ],
)
def test_a_damaged_header_is_refused(tmp_path, content, sentence):
    assert sentence in complaint(tmp_path, content)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"general__architecture": ""}, "does not name its architecture"),
        ({"general__architecture": "other"}, "does not say how much it can read (other.context_length)"),
        ({"llama__context_length": 0}, "does not say how much it can read"),
        ({"llama__context_length": "long"}, "does not say how much it can read"),
        ({"llama__attention__head_count": 0}, "llama.attention.head_count is not a positive number"),
        ({"llama__attention__head_count": [0, 0]}, "llama.attention.head_count is not a positive number"),
        ({"llama__block_count": 513}, "llama.block_count is 513"),
        ({"llama__embedding_length": "8"}, "llama.embedding_length is not a positive number"),
        ({"split__count": 2}, "is one part of a model"),
        ({"tokenizer__ggml__tokens": "a"}, "has no vocabulary"),
        ({"tokenizer__ggml__tokens": [1, 2, 3]}, "has no vocabulary"),
        ({"tokenizer__ggml__tokens": ["a", "b", "a"]}, "holds a token twice"),
        ({"tokenizer__ggml__token_type": [1, 1]}, "does not cover the vocabulary"),
    ],
)
def test_a_sound_header_of_what_is_no_model_is_refused(tmp_path, changed, sentence):
    assert sentence in complaint(tmp_path, sound(**changed))


def test_no_model_has_this_many_entries(tmp_path):
    content = file({str(i): True for i in range(70_000)})
    assert complaint(tmp_path, content).startswith("is damaged (its counts are out of bounds)")


def test_a_number_for_each_layer_is_a_size_as_well(tmp_path):
    check_model(read(tmp_path, sound(llama__attention__head_count=[2, 0, 2])))


# --- damage that nobody thought of ---


@cache
def packaged_header():
    return packaged_model().read_bytes()[: read_gguf(packaged_model()).data_offset]


def places():
    """Half of the places at either end of the header, where its structure is dense, the others anywhere."""
    n = len(packaged_header())
    return st.integers(0, 3000) | st.integers(n - 4000, n - 1) | st.integers(0, n - 1)


def outcome(path):
    try:
        header = read_gguf(path)
        check_model(header)
        Tokenizer.from_gguf(header.metadata)
        return "sound"
    except ModelFileError as error:
        return str(error)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged") / "model.gguf"


@settings(max_examples=150, deadline=None)
@given(damage=st.dictionaries(places(), st.integers(0, 255), max_size=4))
def test_flipped_bytes_are_refused_or_harmless(scratch, damage):
    content = bytearray(packaged_header())
    for place, byte in damage.items():
        content[place] = byte
    scratch.write_bytes(content)
    os.truncate(scratch, packaged_model().stat().st_size)
    assert "\n" not in outcome(scratch)


@settings(max_examples=100, deadline=None)
@given(n_bytes=places())
def test_a_header_cut_off_anywhere_is_refused(scratch, n_bytes):
    scratch.write_bytes(packaged_header()[:n_bytes])
    assert outcome(scratch) != "sound"
