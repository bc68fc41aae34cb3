"""Text to ids and back: equal to the models' own tokenizers, and deaf to control tokens in what a user wrote."""

from __future__ import annotations

import inspect
import os
import re
from contextlib import contextmanager
from ctypes import POINTER, c_bool, c_char_p, c_int32, c_void_p
from functools import cache
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.errors import EngineUnavailable, ModelFileError
from lsp_server.formats.pre_tokenizers import PRE_TOKENIZERS
from lsp_server.inference.llama_api import load_api
from lsp_server.tokenization import MAX_CACHED_LINE_LENGTH, Tokenizer
from tests.vocabularies import BYTE_LEVEL, PACKAGED, VOCABULARIES, expected_ids, gguf, tokenizer, vocabulary_path

HUGE_ID = 2**31
ALL = (*VOCABULARIES, PACKAGED)
SOURCE = inspect.getsource(inspect)
CODE = 'def area(r: float) -> float:\n\t"""π·r² – für 漢字 🎉"""\n    return 3.14159 * r ** 2\r\n\n\n'

SPOOFS = (
    "<|endoftext|><fim_prefix><fim_middle><fim_suffix><fim_pad><file_sep><repo_name><filename><reponame>"
    "<|fim_prefix|><|fim_suffix|><|fim_middle|><|im_start|><|im_end|><fim-prefix><fim-suffix><fim-middle>"
    "<｜fim▁begin｜><｜fim▁hole｜><｜fim▁end｜><｜end▁of▁sentence｜><|EOT|>[PAD32022][PAD50277][PAD151650]"
    " <PRE> <SUF> <MID> <EOT>[PREFIX][SUFFIX]<s></s><unk><pad><|SUF|><|PRE|><|MID|>"
)


def decoded(of, ids):
    return b"".join(map(of.piece, ids))


def with_changes(name, **changes):
    """A tokenizer whose file says something else; None for what it no longer says."""
    metadata = dict(gguf(name).metadata) | {f"tokenizer.ggml.{key}": value for key, value in changes.items()}
    return Tokenizer.from_gguf({key: value for key, value in metadata.items() if value is not None})


# --- the same ids as the model's own tokenizer ---


@pytest.mark.parametrize("name", [name for name in VOCABULARIES if expected_ids(name)])
def test_the_ids_are_those_of_the_models_own_tokenizer(name):
    found = [(text, tokenizer(name).encode(text, opens=True)) for text, _ in expected_ids(name)]
    assert len(found) == 46
    assert found == expected_ids(name)


def test_five_of_the_vocabularies_came_with_expected_ids():
    assert [name for name in VOCABULARIES if not expected_ids(name)] == ["gpt-neox"]


# Without GPT-NeoX's, whose file does not say how words are cut: llama.cpp takes another way then.
@pytest.mark.parametrize("name", [name for name in ALL if name != "gpt-neox"])
def test_the_ids_of_source_files_are_those_of_llama_cpp(name):
    with llama_cpp_vocabulary(name) as tokenize:
        for path, text in corpus():
            assert tokenizer(name).encode(text, opens=True) == tokenize(text), path


@cache
def corpus():
    """This project's own files and some of Python's, but for those that spell control tokens (llama.cpp reads them)."""
    folders = (Path(__file__).parent.parent / "lsp_server", Path(__file__).parent)
    own = [path for folder in folders for path in sorted(folder.glob("*.py"))]
    pythons = [Path(inspect.__file__).with_name(f"{name}.py") for name in ("argparse", "_pydecimal", "turtle")]
    texts = [(path, path.read_bytes().decode()[:20_000]) for path in (*own, *pythons)]
    return [(path, text) for path, text in texts if not re.search(r"<\||<｜|\[PAD|</s>", text)]


@contextmanager
def llama_cpp_vocabulary(name):
    """llama.cpp's own tokenizer with the vocabulary of a file."""
    try:
        api = load_api()
    except EngineUnavailable as error:
        pytest.skip(str(error))
    api.llama_tokenize.argtypes = (c_void_p, c_char_p, c_int32, POINTER(c_int32), c_int32, c_bool, c_bool)
    params = api.llama_model_default_params()
    params.vocab_only = True
    model = c_void_p(api.llama_model_load_from_file(os.fsencode(vocabulary_path(name)), params))

    def tokenize(text):
        content = text.encode()
        ids = (c_int32 * (len(content) + 1))()
        n = api.llama_tokenize(api.llama_model_get_vocab(model), content, len(content), ids, len(ids), False, False)
        return ids[:n]

    yield tokenize
    api.llama_model_free(model)


# Told by llama.cpp for the same file; its tokens for runs of spaces come before anything else.
def test_runs_of_spaces_that_are_tokens_of_their_own():
    assert tokenizer("gpt-neox").encode("if x:\n" + 7 * " " + "return") == [338, 1269, 27, 187, 50271, 2309]


def test_a_word_that_is_a_token_may_stay_one_whatever_its_merges_say():
    word = tokenizer(PACKAGED).id_of("return")
    assert with_changes(PACKAGED, pre="llama-bpe", merges=("Ġ Ġ",)).encode("return") == [word]
    assert len(with_changes(PACKAGED, pre="starcoder", merges=("Ġ Ġ",)).encode("return")) == 6


def test_of_a_merge_that_is_listed_twice_the_first_counts():
    merges = gguf(PACKAGED).metadata["tokenizer.ggml.merges"]
    assert with_changes(PACKAGED, merges=merges + merges[:50]).encode(SOURCE) == tokenizer(PACKAGED).encode(SOURCE)


# --- there and back ---


@pytest.mark.parametrize("name", ALL)
def test_source_code_comes_back_as_it_was(name):
    for text in (SOURCE, CODE, ""):
        assert decoded(tokenizer(name), tokenizer(name).encode(text)) == text.encode()


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(codec="utf-8", max_codepoint=0x3FFFF), max_size=60))
def test_any_text_comes_back_as_it_was(text):
    for name in BYTE_LEVEL:
        assert decoded(tokenizer(name), tokenizer(name).encode(text)) == text.encode()


def test_a_character_is_lost_where_the_vocabulary_lacks_its_bytes():
    unassigned = "\U00040000"     # StarCoder's was trained on no text with such a first byte
    assert decoded(tokenizer("starcoder"), tokenizer("starcoder").encode(unassigned)) == unassigned.encode()[1:]
    assert decoded(tokenizer(PACKAGED), tokenizer(PACKAGED).encode(unassigned)) == unassigned.encode()


def test_sentence_pieces_write_spaces_in_their_own_way():
    spm = tokenizer("llama-spm")
    assert decoded(spm, spm.encode("  a\n\t漢")) == "  a\n\t漢".encode()
    assert decoded(spm, spm.encode("x ▁ y")) == b"x   y"     # the one text that they cannot tell apart


def test_a_document_opens_with_a_space_where_the_vocabulary_wants_one():
    assert decoded(tokenizer("llama-spm"), tokenizer("llama-spm").encode("def", opens=True)) == b" def"
    assert decoded(tokenizer("starcoder"), tokenizer("starcoder").encode("def", opens=True)) == b"def"
    assert tokenizer("llama-spm").encode("", opens=True) == []
    gemma_like = with_changes("llama-spm", add_space_prefix=False)
    assert decoded(gemma_like, gemma_like.encode("def", opens=True)) == b"def"


@pytest.mark.parametrize("name", ALL)
def test_half_a_surrogate_pair_is_replaced(name):
    ids = tokenizer(name).encode("a = '\ud83d'\n")
    assert decoded(tokenizer(name), ids).decode() == "a = '\ufffd'\n"


@pytest.mark.parametrize("row", set(PRE_TOKENIZERS.values()), ids=lambda row: row.patterns[0])
def test_every_way_to_cut_words_loses_nothing(row):
    name = next(name for name, other in PRE_TOKENIZERS.items() if other == row)
    cut = with_changes(PACKAGED, pre=name)
    assert cut.notes == ()
    assert decoded(cut, cut.encode(CODE + SOURCE[:3000])) == (CODE + SOURCE[:3000]).encode()


# --- what a user wrote stays text ---


@pytest.mark.parametrize("name", ALL)
def test_control_tokens_in_a_text_stay_text(name):
    of = tokenizer(name)
    own = "".join(gguf(name).metadata["tokenizer.ggml.tokens"][id] for id in sorted(of.control_ids)[:300])
    for text in (SPOOFS, own, SPOOFS.replace(">", ">\n"), own.replace("<", " <")):
        ids = of.encode(text)
        assert not of.control_ids.intersection(ids)
        if name in BYTE_LEVEL:
            assert decoded(of, ids) == text.encode()


@pytest.mark.parametrize("kind", [1, 3, 4])
def test_a_sentinel_is_a_control_token_whatever_its_kind_says(kind):
    kinds = (kind,) * 6 + gguf(PACKAGED).metadata["tokenizer.ggml.token_type"][6:]
    of = with_changes(PACKAGED, token_type=kinds, fim_pre_token_id=None, fim_mid_token_id=None)
    assert {0, 1, 2, 3, 4, 5} <= of.end_ids
    assert decoded(of, of.encode("<fim_prefix>x")) == b"<fim_prefix>x" and 1 not in of.encode("<fim_prefix>x")


def test_a_wrong_entry_does_not_take_a_letter_away():
    letter = tokenizer(PACKAGED).id_of("A")
    of = with_changes(PACKAGED, bos_token_id=letter)
    assert decoded(of, of.encode("AAA")) == b"AAA" and letter not in of.end_ids


def test_a_token_that_the_file_names_is_a_control_token_whatever_it_looks_like():
    tokens, kinds = (gguf(PACKAGED).metadata[f"tokenizer.ggml.{key}"] for key in ("tokens", "token_type"))
    of = with_changes(PACKAGED, tokens=("stop here", *tokens[1:]), token_type=(1, *kinds[1:]))
    assert 0 in of.control_ids & of.end_ids and of.piece(0) == b""


def test_html_is_not_mistaken_for_the_end():
    qwen = tokenizer("qwen2")
    assert qwen.id_of("</s>") is not None and qwen.id_of("</s>") not in qwen.end_ids     # its merges lead there
    assert decoded(qwen, qwen.encode("<s>gone</s>")) == b"<s>gone</s>"


# --- sentinels, ends and fillers ---


@pytest.mark.parametrize(
    ("name", "sentinels"),
    [
        ("starcoder", {"<fim_prefix>": 1, "<fim_middle>": 2, "<fim_suffix>": 3, "<fim_pad>": 4, "<file_sep>": 6}),
        ("refact", {"<fim_prefix>": 1, "<fim_middle>": 2, "<fim_suffix>": 3, "<fim_pad>": 4, "<reponame>": 18}),
        ("deepseek-coder", {"<｜fim▁begin｜>": 32016, "<｜fim▁end｜>": 32017, "<｜fim▁hole｜>": 32015}),
        ("deepseek-coder", {"<｜end▁of▁sentence｜>": 32014, "<|EOT|>": 32021}),
        (PACKAGED, {"<fim_prefix>": 1, "<fim_middle>": 2, "<fim_suffix>": 3, "<fim_pad>": 4, "<file_sep>": 5}),
        ("qwen2", {"<|endoftext|>": 151643, "<|im_start|>": 151644, "<|im_end|>": 151645}),
        ("gpt-neox", {"<|endoftext|>": 0}),
        ("llama-spm", {"</s>": 2}),
    ],
)
def test_sentinels_have_their_ids_and_end_a_text(name, sentinels):
    assert {text: tokenizer(name).id_of(text) for text in sentinels} == sentinels
    assert tokenizer(name).end_ids.issuperset(sentinels.values())
    assert {tokenizer(name).piece(id) for id in sentinels.values()} == {b""}


def test_what_is_not_in_the_vocabulary_has_no_id():
    assert tokenizer("qwen2").id_of("<|fim_prefix|>") is None


@pytest.mark.parametrize(
    ("name", "filler"), [("refact", 49152), ("deepseek-coder", 32022), ("qwen2", 151646), ("gpt-neox", 50277)]
)
def test_fillers_are_never_text_and_mean_nothing(name, filler):
    assert filler in tokenizer(name).control_ids - tokenizer(name).end_ids
    assert tokenizer(name).piece(filler) == b""


@pytest.mark.parametrize("kind", [0, 2, 5])
def test_an_unused_token_means_nothing_whatever_it_looks_like(kind):
    kinds = gguf(PACKAGED).metadata["tokenizer.ggml.token_type"]
    of = with_changes(PACKAGED, token_type=(*kinds[:-1], kind))
    assert of.n_vocab - 1 in of.control_ids - of.end_ids


@pytest.mark.parametrize("name", ALL)
def test_ends_are_control_tokens_and_most_tokens_are_neither(name):
    of = tokenizer(name)
    assert of.end_ids <= of.control_ids and len(of.control_ids) < of.n_vocab // 20


@pytest.mark.parametrize(
    ("name", "bos_id"),
    [("deepseek-coder", 32013), ("llama-spm", 1), ("starcoder", None), ("qwen2", None), (PACKAGED, None)],
)
def test_a_prompt_begins_with_a_token_of_its_own_only_where_the_file_says_so(name, bos_id):
    assert tokenizer(name).bos_id == bos_id


def test_where_the_file_does_not_say_it_the_kind_of_vocabulary_does():
    assert with_changes("deepseek-coder", add_bos_token=None).bos_id is None
    assert with_changes("deepseek-coder", add_bos_token=None, pre="llama-bpe").bos_id == 32013
    assert with_changes("llama-spm", add_bos_token=None).bos_id == 1


# --- tokens by their beginnings ---


@pytest.mark.parametrize("wanted", [" ", " re", "def", "\n    ", "ü", "é\n", b"\xc3", "self.", "zzzzqq"])
@pytest.mark.parametrize("name", [PACKAGED, "llama-spm"])
def test_tokens_are_found_by_how_they_begin(name, wanted):
    of, start = tokenizer(name), wanted if isinstance(wanted, bytes) else wanted.encode()
    pieces = {id: of.piece(id) for id in range(of.n_vocab) if of.piece(id)}
    longer = [id for id, piece in pieces.items() if piece.startswith(start)]
    shorter = [id for id, piece in pieces.items() if start.startswith(piece) and piece != start]
    assert sorted(of.beginning_with(wanted)) == longer
    assert sorted(of.ids_that_begin(wanted)) == shorter


def test_text_that_is_owed_can_always_be_paid():
    for owed in ("x", " ", "\u2028", "€"):
        assert tokenizer(PACKAGED).beginning_with(owed) or tokenizer(PACKAGED).ids_that_begin(owed)


# --- counting ---


@pytest.mark.parametrize("name", ALL)
def test_lines_are_counted_as_they_are_encoded(name):
    for line in (*CODE.splitlines(keepends=True), "x" * (MAX_CACHED_LINE_LENGTH + 1), ""):
        counted = {tokenizer(name).count_line(line), tokenizer(name).count_line(line), tokenizer(name).count(line)}
        assert counted == {len(tokenizer(name).encode(line))}


# --- files that say too little, or nonsense ---


def test_old_files_do_not_say_how_words_are_cut():
    assert "does not say how" in tokenizer("gpt-neox").notes[0] and "'gpt-2'" in tokenizer("gpt-neox").notes[0]
    for name in ("starcoder", "refact", "deepseek-coder", "qwen2"):
        old = with_changes(name, pre=None)
        assert len(old.notes) == 1
        assert old.encode(CODE + "x = 12345") == tokenizer(name).encode(CODE + "x = 12345")


def test_an_unknown_way_to_cut_words_is_noted():
    (note,) = with_changes(PACKAGED, pre="novel").notes
    assert "'novel', is not known" in note


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "bert"},
        {"model": None},
        {"tokens": None},
        {"tokens": ()},
        {"tokens": (1, 2)},
        {"merges": None},
        {"merges": ("a b", 1)},
        {"token_type": (1,)},
        {"token_type": ("a",) * 8192},
    ],
    ids=str,
)
def test_a_vocabulary_that_cannot_be_used_gets_a_sentence(changes):
    with pytest.raises(ModelFileError, match=r"the model's vocabulary is .*;"):
        with_changes(PACKAGED, **changes)


def test_nonsense_in_a_vocabulary_does_no_harm():
    tokens = gguf(PACKAGED).metadata["tokenizer.ggml.tokens"]
    odd = with_changes(
        PACKAGED,
        tokens=("odd", "", "漢", *tokens[3:-1], "\udcff\udcfe"),
        token_type=(1, 1, 6, *chain.from_iterable(zip((6, 1), (4, 9), strict=True)), *(1,) * 8185),
        merges=("", " ", "a", "x  y", "Ġ 漢", *gguf(PACKAGED).metadata["tokenizer.ggml.merges"]),
        eos_token_id=HUGE_ID,
        pre=7,
    )
    assert max(odd.end_ids) < odd.n_vocab
    assert all(isinstance(odd.piece(id), bytes) for id in range(odd.n_vocab))
    assert decoded(odd, odd.encode(SOURCE)) == SOURCE.encode()
