"""Legacy GGML files: what is read of a sound one, and the sentence that each kind of unsound one gets."""

from __future__ import annotations

import json
from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.errors import ModelFileError
from lsp_server.formats.byte_level import PRINTABLE_BYTES, merges_of, printable
from lsp_server.formats.ggml import GgmlFile, read_ggml
from lsp_server.formats.ggml_families import STARCODER as FAMILY
from lsp_server.formats.ggml_families import shapes_of
from lsp_server.formats.gguf import Tensor
from lsp_server.formats.tensor_types import TENSOR_TYPES
from lsp_server.models.files import engine_of, read_model
from lsp_server.models.packaged import packaged_model
from lsp_server.tokenization import Tokenizer
from tests.ggml_files import F16, Q4_0, Q8_0, SENTINELS, STARCODER_TOKENS, gpt_neox, starcoder
from tests.vocabularies import PACKAGED, gguf, tokenizer

STARCODER, GPT_NEOX = starcoder(), gpt_neox()
V_AT, C_AT, E_AT, HEADS_AT, LAYERS_AT, FTYPE_AT = (4 * n for n in range(1, 7))


def read(tmp_path, content) -> GgmlFile:
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    return read_ggml(path)


def complaint(tmp_path, content):
    """The one sentence about a file that is refused, without its path."""
    with pytest.raises(ModelFileError) as caught:
        read(tmp_path, content)
    _, sentence = str(caught.value).split("model.bin ", 1)
    assert "\n" not in sentence and ";" in sentence, "one sentence that says what to do"
    return sentence


def patched(content, at, number):
    return content[:at] + pack("<i", number) + content[at + 4 :]


# --- what is read ---


@pytest.mark.parametrize(("content", "architecture"), [(STARCODER, "starcoder"), (GPT_NEOX, "gptneox")])
def test_the_family_and_the_sizes_are_read_under_the_names_of_gguf(tmp_path, content, architecture):
    file = read(tmp_path, content)
    assert file.architecture == architecture
    assert file.context_length == file.metadata[f"{architecture}.context_length"] == 64
    assert file.metadata[f"{architecture}.block_count"] == file.metadata[f"{architecture}.attention.head_count"] == 2
    assert file.metadata["general.name"] == "model"


@pytest.mark.parametrize(("ftype", "stored_as"), [(0, "F32"), (F16, "F16"), (Q4_0, "Q4_0"), (Q8_0, "Q8_0")])
def test_matrices_are_quantized_and_the_rest_is_not(tmp_path, ftype, stored_as):
    types = {tensor.name: tensor.type.name for tensor in read(tmp_path, starcoder(ftype=ftype)).tensors}
    assert types["model/wte"] == types["model/h1/mlp/c_fc/w"] == stored_as
    assert types["model/wpe"] == types["model/h0/ln_1/g"] == "F32"


def test_santacoder_ties_its_output_to_its_embeddings(tmp_path):
    at = STARCODER.index(b"model/lm_head") - 20
    assert len(read(tmp_path, STARCODER[:at]).tensors) == len(read(tmp_path, STARCODER).tensors) - 1


# --- the vocabulary ---


@pytest.mark.parametrize("name", ["starcoder", "gpt-neox", PACKAGED])
def test_the_merges_come_out_of_the_order_of_the_tokens_as_they_were(name):
    back = {character: byte for byte, character in PRINTABLE_BYTES.items()}
    texts, merges = (gguf(name).metadata[f"tokenizer.ggml.{column}"] for column in ("tokens", "merges"))
    tokens = [bytes(map(back.get, text)) if set(text) <= back.keys() else text.encode() for text in texts]
    made = [f"{printable(left)} {printable(right)}" for left, right in merges_of(tokens)]
    assert made == list(dict.fromkeys(merges))


def test_a_text_has_the_ids_that_it_has_with_the_gguf_of_the_same_model(tmp_path):
    back = {character: byte for byte, character in PRINTABLE_BYTES.items()}
    texts = gguf("starcoder").metadata["tokenizer.ggml.tokens"]
    file = read(tmp_path, starcoder([bytes(map(back.get, text)) for text in texts], E=2, heads=1, layers=1))
    legacy, modern = Tokenizer.from_gguf(file.metadata), tokenizer("starcoder")
    code = "def grüße(n: int = 1234):\n    return '<fim_middle>' * n  # 漢字\n\n\tpass"
    assert legacy.encode(code) == modern.encode(code)
    assert legacy.id_of("<fim_middle>") == modern.id_of("<fim_middle>") in legacy.control_ids


def test_ids_beyond_the_vocabulary_repeat_its_last_token_and_are_never_text(tmp_path):
    tokens = [*STARCODER_TOKENS, b"end", b"end", b"end"]
    legacy = Tokenizer.from_gguf(read(tmp_path, starcoder(tokens)).metadata)
    assert legacy.n_vocab == len(tokens)
    assert legacy.id_of("end") == len(tokens) - 3
    assert {len(tokens) - 2, len(tokens) - 1} <= legacy.control_ids


LOSSY = [*SENTINELS, *(bytes([byte]).decode(errors="replace").encode() for byte in range(256))]


def test_a_vocabulary_that_lost_its_bytes_asks_for_the_file_that_has_them(tmp_path):
    assert "put the model's tokenizer.json beside it" in complaint(tmp_path, gpt_neox(LOSSY))


@pytest.mark.parametrize("merge", ["r e", ["r", "e"]])
def test_a_vocabulary_that_lost_its_bytes_is_read_from_tokenizer_json(tmp_path, merge):
    texts = [*(byte.decode() for byte in SENTINELS), *PRINTABLE_BYTES.values()]
    added = [{"id": id, "content": text.decode(), "special": True} for id, text in enumerate(SENTINELS)]
    model = {"vocab": {text: id for id, text in enumerate(texts)}, "merges": [merge]}
    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": model, "added_tokens": added}))
    metadata = read(tmp_path, gpt_neox([*LOSSY, b""])).metadata
    assert metadata["tokenizer.ggml.tokens"] == (*texts, f"[PAD{len(texts)}]")
    assert metadata["tokenizer.ggml.merges"] == ("r e",)
    assert Tokenizer.from_gguf(metadata).id_of("<fim_prefix>") == 1


@pytest.mark.parametrize("content", ["", "[]", '{"model": {"vocab": {"a": 9999}, "merges": []}}'])
def test_a_tokenizer_json_of_another_kind_is_named(tmp_path, content):
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ModelFileError, match=r"tokenizer.json is not the tokenizer.json of a byte-level model"):
        read(tmp_path, gpt_neox(LOSSY))


# --- what is refused ---


@pytest.mark.parametrize("content", [STARCODER, GPT_NEOX], ids=["starcoder", "gptneox"])
@pytest.mark.parametrize("share", [0.0005, 0.01, 0.1, 0.5, 0.9, 0.99999])
def test_a_file_that_was_cut_off_is_refused_wherever_it_ends(tmp_path, content, share):
    assert "download it again" in complaint(tmp_path, content[: max(8, int(len(content) * share))])


@pytest.mark.parametrize("name", ["model/ln_f/g", "model/lm_head"])
def test_a_file_that_ends_between_two_tensors_is_refused_unless_what_is_missing_may_be(tmp_path, name):
    at = STARCODER.index(name.encode()) - (20 if name.endswith("lm_head") else 16)
    if name.endswith("lm_head"):
        assert read(tmp_path, STARCODER[:at])
    else:
        assert "cut off" in complaint(tmp_path, STARCODER[:at])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"fmgg" + STARCODER[4:], "legacy LLaMA file (ggmf)"),
        (b"tjgg" + STARCODER[4:], "legacy LLaMA file (ggjt)"),
        (b"algg" + STARCODER[4:], "a legacy GGML adapter (ggla)"),
        (b"GGML" + STARCODER[4:], "not a legacy GGML file"),
        (patched(GPT_NEOX, 28, 7), "of an unknown kind"),
        (patched(GPT_NEOX, 24, 99), "its heads do not divide its width"),
        (patched(STARCODER, HEADS_AT, 3), "its heads do not divide its width"),
        (patched(STARCODER, HEADS_AT, 0), "its sizes are out of bounds"),
        (patched(STARCODER, E_AT, -32), "its sizes are out of bounds"),
        (patched(STARCODER, LAYERS_AT, 2**30), "its sizes are out of bounds"),
        (patched(STARCODER, C_AT, 2**30), "larger than ctransformers can count"),
        (patched(STARCODER, C_AT, 128), "'model/wpe' does not belong there"),
        (patched(STARCODER, LAYERS_AT, 3), "cut off"),
        (patched(STARCODER, LAYERS_AT, 1), "'model/h1/ln_1/g' does not belong there"),
        (patched(STARCODER, FTYPE_AT, 5), "an unknown way (5)"),
        (patched(STARCODER, FTYPE_AT, 1002), "blocks of version 1"),
        (patched(STARCODER, FTYPE_AT, 1), "'model/wte' is stored as F32"),
        (patched(STARCODER, 32, 2**30), "a token is longer than tokens are"),
        (STARCODER + STARCODER[-32 * 4 * len(STARCODER_TOKENS) - 33 :], "a tensor is there twice"),
        (STARCODER.replace(b"model/ln_f/b", b"model/ln_q/b"), "'model/ln_q/b' does not belong there"),
        (STARCODER + b"\0" * 100, "a tensor is not where it should be"),
    ],
)
def test_an_unsound_file_gets_its_sentence(tmp_path, content, says):
    assert says in complaint(tmp_path, content)


@settings(max_examples=200, deadline=None)
@given(at=st.integers(0, len(STARCODER) - 4), junk=st.binary(min_size=1, max_size=4))
def test_damage_anywhere_is_noticed_or_harmless(tmp_path_factory, at, junk):
    path = tmp_path_factory.getbasetemp() / "fuzzed.bin"
    path.write_bytes(STARCODER[:at] + junk + STARCODER[at + len(junk) :])
    try:
        assert read_ggml(path).tensors
    except ModelFileError as error:
        assert "\n" not in str(error)


# --- which engine ---


def test_the_engine_is_chosen_from_the_file(tmp_path):
    legacy = tmp_path / "legacy.bin"
    legacy.write_bytes(STARCODER)
    assert engine_of(read_model(legacy)) == "ctransformers"
    assert engine_of(read_model(packaged_model())) == "llama.cpp"
    assert read_model(packaged_model()).architecture == "llama"


def test_a_file_for_no_engine_gets_one_sentence(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"tjgg" + STARCODER[4:])
    with pytest.raises(ModelFileError, match=r"legacy LLaMA file \(ggjt\); look for the same model as GGUF"):
        read_model(tmp_path / "model.bin")
    with pytest.raises(ModelFileError, match="does not exist"):
        read_model(tmp_path / "nothing.gguf")


# --- files that people have ---

# The sizes that the hub gives for the five files of TheBloke/starcoder-GGML, in bytes.
STARCODER_15B = {
    "Q4_0": 10746563472,
    "Q4_1": 11916774288,
    "Q5_0": 13086985104,
    "Q5_1": 14257195920,
    "Q8_0": 20108250000,
}


def n_stored_bytes(shapes, matrix_type):
    """Of all tensors as the file has them, with their sizes and names before them."""
    types = {type.name: type for type in TENSOR_TYPES.values()}
    total = 0
    for name, shape in shapes.items():
        is_matrix = len(shape) == 2 and name != "model/wpe"
        total += 12 + 4 * len(shape) + len(name)
        total += Tensor(name, shape, types[matrix_type if is_matrix else "F32"], 0).n_bytes
    return total


def test_released_files_have_the_sizes_that_the_format_gives_them():
    shapes = shapes_of(FAMILY, {"V": 49152, "C": 8192, "E": 6144, "layers": 40})
    rest = {size - n_stored_bytes(shapes, matrix_type) for matrix_type, size in STARCODER_15B.items()}
    assert rest == {492917}, "the header and the vocabulary, which all five share"
