"""The prompt of every family, written out, and how the family is told from the model file."""

from __future__ import annotations

import pytest

from lsp_server.errors import ModelLacksFim, SettingsError
from lsp_server.fim import FAMILIES, LAYOUTS, STATED, FimTemplate, recognise, stated_sentinels
from lsp_server.models.notes import notes_beside
from lsp_server.models.packaged import packaged_model
from tests.vocabularies import PACKAGED, gguf, tokenizer

BIGCODE = ("<fim_prefix>", "<fim_middle>", "<fim_suffix>")
PIPES = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
ROWS = {row.name: row for row in FAMILIES}


class Vocabulary:
    """A vocabulary of these tokens, and `n_text` others before them."""

    def __init__(self, *tokens, n_text=100):
        self.tokens = {text: id for id, text in enumerate(tokens, n_text)}
        self.n_vocab = n_text + len(tokens)

    def written(self, ids):
        """Ids as a prompt one can read; the prefix is id 1, the suffix id 2, what was begun id 3."""
        texts = {id: text for text, id in self.tokens.items()} | {1: " prefix ", 2: " suffix ", 3: " begun "}
        return "".join(texts.get(id, f"[{id}]") for id in ids)


def template(vocabulary, model="", **options):
    architecture, _, name = model.partition(" ")
    return recognise(architecture, name, vocabulary.tokens.get, vocabulary.n_vocab, **options)


def prompt(tokens, model="", **options):
    """How the model is asked, written out, with the family it is taken for."""
    vocabulary = Vocabulary(*tokens)
    found = template(vocabulary, model, **options)
    return found.family, vocabulary.written(found.render([1], [2]))


@pytest.mark.parametrize(
    ("model", "tokens", "family", "written"),
    [
        (
            "starcoder santacoder",
            ("<fim-prefix>", "<fim-middle>", "<fim-suffix>"),
            "santacoder",
            "<fim-prefix><fim-suffix> suffix <fim-middle> prefix ",
        ),
        ("starcoder StarCoderBase-1B", BIGCODE, "starcoder", "<fim_prefix><fim_suffix> suffix <fim_middle> prefix "),
        ("starcoder2 starcoder2-3b", BIGCODE, "starcoder2", "<fim_prefix><fim_suffix> suffix <fim_middle> prefix "),
        ("refact Refact", BIGCODE, "refact", "<fim_suffix> suffix <fim_prefix> prefix <fim_middle>"),
        ("llama Mellum-4b-base", BIGCODE, "mellum", "<fim_suffix> suffix <fim_prefix> prefix <fim_middle>"),
        ("llama granite-3b-code-base", BIGCODE, "granite", "<fim_prefix> prefix <fim_suffix> suffix <fim_middle>"),
        ("starcoder granite-20b-code", BIGCODE, "granite", "<fim_prefix> prefix <fim_suffix> suffix <fim_middle>"),
        ("stablelm model", BIGCODE, "stable-code", "<fim_prefix> prefix <fim_suffix> suffix <fim_middle>"),
        ("qwen2 CodeQwen1.5", BIGCODE, "starcoder-like", "<fim_prefix> prefix <fim_suffix> suffix <fim_middle>"),
        ("qwen2 Qwen2.5-Coder", PIPES, "qwen-coder", "<|fim_prefix|> prefix <|fim_suffix|> suffix <|fim_middle|>"),
        ("qwen3moe Qwen3-Coder", PIPES, "qwen-coder", "<|fim_prefix|> prefix <|fim_suffix|> suffix <|fim_middle|>"),
        ("gemma codegemma-2b", PIPES, "codegemma", "<|fim_prefix|> prefix <|fim_suffix|> suffix <|fim_middle|>"),
        ("granitehybrid Granite 4", PIPES, "granite-4", "<|fim_prefix|> prefix <|fim_suffix|> suffix <|fim_middle|>"),
        (
            "llama CodeLlama-7b",
            ("▁<PRE>", "▁<MID>", "▁<SUF>", "▁<EOT>"),
            "codellama",
            "▁<PRE>▁<SUF> suffix ▁<MID> prefix ",
        ),
        (
            "llama deepseek-coder-1.3b",
            ("<｜fim▁hole｜>", "<｜fim▁begin｜>", "<｜fim▁end｜>"),
            "deepseek-coder",
            "<｜fim▁begin｜> prefix <｜fim▁hole｜> suffix <｜fim▁end｜>",
        ),
        ("llama Codestral-22B", ("[PREFIX]", "[MIDDLE]", "[SUFFIX]"), "codestral", "[SUFFIX] suffix [PREFIX] prefix "),
        (
            "llama Seed-Coder-8B",
            ("<[fim-prefix]>", "<[fim-suffix]>", "<[fim-middle]>"),
            "seed-coder",
            "<[fim-suffix]> suffix <[fim-prefix]> prefix <[fim-middle]>",
        ),
        (
            "gptneox FIM-NeoX-1.3B",
            ("<|SUF|>", "<|PRE|>", "<|MID|>"),
            "fim-neox",
            "<|SUF|> suffix <|PRE|> prefix <|MID|>",
        ),
        (
            "glm4moe GLM-4.5-Air",
            ("<|code_prefix|>", "<|code_middle|>", "<|code_suffix|>"),
            "glm",
            "<|code_prefix|> prefix <|code_suffix|> suffix <|code_middle|>",
        ),
        (
            "falcon-h1 Falcon-H1-Tiny-Coder",
            ("<|prefix|>", "<|middle|>", "<|suffix|>"),
            "falcon-coder",
            "<|prefix|> prefix <|suffix|> suffix <|middle|>",
        ),
    ],
)
def test_each_family_is_asked_in_its_own_way(model, tokens, family, written):
    assert prompt(tokens, model) == (family, written)


def test_every_family_can_be_recognised_by_a_test_above():
    (mark,) = test_each_family_is_asked_in_its_own_way.pytestmark
    assert {case[2] for case in mark.args[1]} == set(ROWS)


@pytest.mark.parametrize("row", FAMILIES, ids=lambda row: row.name)
def test_every_row_can_be_used(row):
    assert row.orders and set(row.orders) <= set(LAYOUTS)
    assert row.sentinels.middle or set(row.orders) <= {"spm"}, "without a middle token only spm says where to begin"


# --- real vocabularies ---


@pytest.mark.parametrize(
    ("name", "family", "order", "ids"),
    [
        ("starcoder", "starcoder2", "spm2", (1, 3, 2)),
        ("refact", "refact", "spm", (1, 3, 2)),
        ("deepseek-coder", "deepseek-coder", "psm", (32016, 32015, 32017)),
    ],
)
def test_real_models_are_recognised_from_their_files(name, family, order, ids):
    found = of_file(name)
    assert (found.family, found.order) == (family, order)
    assert (found.prefix_id, found.suffix_id, found.middle_id) == ids
    assert found.end_ids.issuperset(ids)


def of_file(name, model_name=None, **options):
    header, of = gguf(name), tokenizer(name)
    model_name = model_name or header.metadata["general.name"]
    return recognise(header.architecture, model_name, of.id_of, of.n_vocab, bos_id=of.bos_id, **options)


def test_a_prompt_begins_with_the_token_that_the_file_wants_there():
    found = of_file("deepseek-coder")
    assert found.render([7], [8, 9]) == (32013, 32016, 7, 32015, 8, 9, 32017)
    assert found.n_overhead == 4


def test_the_model_in_the_package_is_asked_as_its_notes_say():
    found = of_file(PACKAGED, order=notes_beside(packaged_model()).order)
    assert found.family.startswith("starcoder") and found.order == "spm2"
    assert found.render([7], [8, 9]) == (1, 3, 8, 9, 2, 7)
    assert found.n_overhead == 3


def test_fim_neox_has_its_sentinels_where_its_vocabulary_ends():
    found = of_file("gpt-neox", "FIM-NeoX-1.3B")
    assert found.render([7], [8, 9]) == (50277, 8, 9, 50278, 7, 50279)


@pytest.mark.parametrize("name", ["gpt-neox", "qwen2", "llama-spm"])
def test_a_model_without_sentinels_is_refused_with_a_sentence(name):
    with pytest.raises(ModelLacksFim, match=r"was not trained to fill in the middle .* choose another model"):
        of_file(name)


def test_ids_outside_the_vocabulary_are_no_sentinels():
    with pytest.raises(ModelLacksFim):
        template(Vocabulary(n_text=50279), "gptneox FIM-NeoX-1.3B")
    assert template(Vocabulary(n_text=50280), "gptneox FIM-NeoX-1.3B").middle_id == 50279


# --- what is not enough ---


def test_two_of_three_sentinels_are_not_enough():
    with pytest.raises(ModelLacksFim):
        prompt(BIGCODE[:2], "starcoder StarCoder")


def test_mistrals_vocabulary_alone_does_not_make_a_codestral():
    with pytest.raises(ModelLacksFim):
        prompt(("[PREFIX]", "[MIDDLE]", "[SUFFIX]"), "llama Mistral-7B-v0.3")


def test_a_model_without_a_name_is_called_by_its_architecture():
    with pytest.raises(ModelLacksFim, match=r"^gpt2 was not trained"):
        prompt((), "gpt2")


# --- files that state the ids themselves ---


def test_unusual_sentinels_count_where_the_file_states_their_ids():
    assert prompt(("<a>", "<b>", "<c>"), "llama odd", stated=(100, 101, 102)) == ("stated", "<a> prefix <b> suffix <c>")
    with pytest.raises(ModelLacksFim):
        prompt(("<a>", "<b>"), "llama odd", stated=(100, 101, 102))


def test_what_a_row_knows_goes_before_what_the_file_states():
    assert prompt(BIGCODE, "refact Refact", stated=(5, 6, 7))[0] == "refact"


@pytest.mark.parametrize(
    ("metadata", "stated"),
    [
        ({"fim_pre": 1, "fim_suf": 3, "fim_mid": 2}, (1, 3, 2)),
        ({"prefix": 32007, "suffix": 32008, "middle": 32009}, (32007, 32008, 32009)),
        ({"fim_pre": 0, "fim_suf": 0, "fim_mid": 0}, None),
        ({"fim_pre": 1, "fim_suf": 3}, None),
        ({"fim_pre": "1", "fim_suf": 3, "fim_mid": 2}, None),
        ({}, None),
    ],
)
def test_stated_ids_are_read_from_the_metadata(metadata, stated):
    assert stated_sentinels({f"tokenizer.ggml.{key}_token_id": id for key, id in metadata.items()}) == stated


# --- the user knows better ---


@pytest.mark.parametrize(
    ("order", "written"),
    [
        ("psm", "<fim_prefix> prefix <fim_suffix> suffix <fim_middle>"),
        ("spm2", "<fim_prefix><fim_suffix> suffix <fim_middle> prefix "),
    ],
)
def test_the_order_can_be_chosen(order, written):
    assert prompt(BIGCODE, "starcoder StarCoder", order=order)[1] == written


def test_the_family_can_be_chosen():
    assert prompt(BIGCODE, "llama my-finetune", family="refact")[1].startswith("<fim_suffix>")
    assert prompt(("[PREFIX]", "[SUFFIX]"), "llama my-finetune", family="codestral")[0] == "codestral"
    assert template(Vocabulary(n_text=50280), "gptneox mine", family="fim-neox").prefix_id == 50278


def test_a_wrong_choice_is_told_the_right_ones():
    with pytest.raises(SettingsError, match=r"model\.family: there is no 'starcode'; choose one of santacoder, "):
        prompt(BIGCODE, family="starcode")
    with pytest.raises(SettingsError, match=r"model\.order: qwen-coder has no order 'spm'; choose one of psm$"):
        prompt(PIPES, "qwen2 Qwen2.5-Coder", order="spm")
    with pytest.raises(ModelLacksFim, match=r"^mine lacks the tokens of refact prompts; correct model\.family"):
        prompt(PIPES, "llama mine", family="refact")


# --- the template ---


def test_what_was_begun_stands_at_the_very_end():
    vocabulary = Vocabulary(*BIGCODE)
    for order, end in (("psm", "<fim_middle> begun "), ("spm2", "<fim_middle> prefix  begun ")):
        found = template(vocabulary, "starcoder", order=order)
        assert vocabulary.written(found.render([1], [2], [3])).endswith(end)


@pytest.mark.parametrize(("order", "stable"), [("psm", "prefix"), ("spm", "suffix"), ("spm2", "suffix")])
def test_the_stable_segment_is_the_first(order, stable):
    assert FimTemplate("any", order, 1, 2, 3).stable == stable


def test_stop_tokens_of_the_family_end_a_text_where_the_vocabulary_has_them():
    found = template(Vocabulary(*BIGCODE, "<file_sep>", "<other>"), "starcoder2")
    assert found.end_ids == {100, 101, 102, 103}


def test_the_row_for_stated_ids_has_a_name_of_its_own():
    assert STATED.name not in ROWS
