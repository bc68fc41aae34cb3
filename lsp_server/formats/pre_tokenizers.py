"""What the names in a GGUF file's `tokenizer.ggml.pre` stand for: how text is cut into words before bytes are paired.

The file holds the name alone. The patterns are those of the models' own tokenizer.json files, under the names that
llama.cpp gives them.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PreTokenizer:
    """Each pattern cuts what the one before it left; what it does not match stays a word as well."""

    patterns: tuple[str, ...]
    whole_words: bool = False  # a word that is a token stays one, whatever the merges would make of it
    adds_bos: bool = False  # where the file does not say whether prompts begin with that token


def _llama3(digits: str, line_ends: str = r"[\r\n]*") -> str:
    """The pattern that came with cl100k; later vocabularies vary how many digits make a word."""
    return (
        rf"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{digits}"
        rf"| ?[^\s\p{{L}}\p{{N}}]+{line_ends}|\s*[\r\n]+|\s+(?!\S)|\s+"
    )


def _by_case(tail: str, digits: str) -> str:
    """A word ends where small letters are followed by a capital, as in o200k."""
    start, capitals, small = r"[^\r\n\p{L}\p{N}]?", r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
    return (
        rf"{start}[{capitals}]*[{small}]+{tail}|{start}[{capitals}]+[{small}]*{tail}"
        rf"|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )


GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
HAN = r"[一-龥ࠀ-一가-퟿]+"
# The letters that have a case, and what stands between the letters and digits of ASCII and its full-width twin.
CASED, MARKS = r"\s?[\p{Lu}\p{Ll}\p{Lt}]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+"
ASCII_MARKS = r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]"

PRE_TOKENIZERS = {
    name: row
    for names, row in (
        ("gpt-2 phi-2 mpt olmo jais trillion mellum exaone4 granite-docling", PreTokenizer((GPT2,))),
        ("starcoder refact command-r smollm codeshell exaone minerva-7b mellum2", PreTokenizer((r"\p{N}", GPT2))),
        ("deepseek-coder", PreTokenizer((r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", HAN, r"\p{N}"))),
        ("deepseek-llm", PreTokenizer((r"[\r\n]", CASED, MARKS, r"\s+$", HAN, r"\p{N}+"))),
        (
            "deepseek-v3 hunyuan-dense",
            PreTokenizer(
                (
                    r"\p{N}{1,3}",
                    r"[一-龥぀-ゟ゠-ヿ]+",
                    rf"{ASCII_MARKS}[A-Za-z]+|[^\r\n\p{{L}}\p{{P}}\p{{S}}]?[\p{{L}}\p{{M}}]+"
                    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
                )
            ),
        ),
        ("qwen2 deepseek-r1-qwen megrez stablelm2 hunyuan solar-open grok-2", PreTokenizer((_llama3(r"\p{N}"),))),
        (
            "qwen35",
            PreTokenizer(
                (_llama3(r"\p{N}").replace(r"\p{L}+", r"[\p{L}\p{M}]+").replace(r"[^\s\p{L}", r"[^\s\p{L}\p{M}"),)
            ),
        ),
        (
            "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral lfm2",
            PreTokenizer((_llama3(r"\p{N}{1,3}"),), whole_words=True, adds_bos=True),
        ),
        ("dbrx smaug-bpe chatglm-bpe", PreTokenizer((_llama3(r"\p{N}{1,3}"),))),
        ("glm4 glm5", PreTokenizer((_llama3(r"\p{N}{1,3}"),), whole_words=True)),
        ("seed-coder", PreTokenizer((_llama3(r"\p{N}", "").replace(r"[^\s\p{L}\p{N}]", r"[^\s\p{L}\p{N}\r\n]"),))),
        ("tekken", PreTokenizer((_by_case("", r"\p{N}"),), whole_words=True, adds_bos=True)),
        ("gpt-4o llama4", PreTokenizer((_by_case(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?", r"\p{N}{1,3}"),))),
        (
            "bailingmoe bailingmoe2",
            PreTokenizer((_llama3(r"\p{N}").replace(r"\s*[\r\n]+", r"\s*[\r\n]"),)),
        ),
        ("falcon", PreTokenizer((r"[\p{P}\$\+<=>\^~\|`]+", GPT2, r"[0-9][0-9][0-9]"))),
        # What llama.cpp does with files that say no more than this.
        ("default", PreTokenizer((r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"))),
    )
    for name in names.split()
}

# Files from before April 2024 do not name their pre-tokenizer. An architecture says enough where it has one vocabulary.
# BigCode's split digits and then cut as GPT-2 does (SantaCoder's tokenizer is called digit-bytelevel-bpe); GPT-NeoX's
# cuts as GPT-2 does.
BY_ARCHITECTURE = {
    "starcoder": "starcoder",
    "starcoder2": "starcoder",
    "refact": "refact",
    "codeshell": "codeshell",
    "gptneox": "gpt-2",
    "gpt2": "gpt-2",
    "mpt": "gpt-2",
    "falcon": "falcon",
    "qwen2": "qwen2",
}
# DeepSeek-Coder's architecture is that of many, but nobody else had this token then.
DEEPSEEK_CODER_TOKEN = "<｜fim▁hole｜>"


def pre_tokenizer(metadata: Mapping[str, object], tokens: Container[str]) -> tuple[PreTokenizer, tuple[str, ...]]:
    """How to cut words for a byte-level vocabulary, and what is uncertain about it: a sentence, or nothing."""
    name = metadata.get("tokenizer.ggml.pre")
    if isinstance(name, str) and name in PRE_TOKENIZERS:
        return PRE_TOKENIZERS[name], ()
    if name:
        return PRE_TOKENIZERS["gpt-2"], (f"the model's way to cut words, {name!r}, is not known here; GPT-2's is used",)
    guess = BY_ARCHITECTURE.get(str(metadata.get("general.architecture")), "")
    if DEEPSEEK_CODER_TOKEN in tokens:
        guess = "deepseek-coder"
    note = f"the model file does not say how its vocabulary cuts words; {guess or 'gpt-2'!r} is assumed"
    return PRE_TOKENIZERS[guess or "gpt-2"], (note,)
