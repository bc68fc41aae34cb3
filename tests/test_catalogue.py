"""The catalogue of models: every entry is whole, and the list shows what a person chooses by."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lsp_server.errors import UsageError
from lsp_server.fim import FAMILIES
from lsp_server.models.catalogue import RUNS, CatalogueEntry, catalogue, find, listing, next_step

ENTRIES = list(catalogue().values())


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_entry_is_whole(entry: CatalogueEntry):
    kinds = {"title": str, "repository": str, "size": int, "licence": str, "context": int, "note": str}
    assert {key: type(getattr(entry, key)) for key in kinds} == kinds
    assert {type(getattr(entry, key)) for key in ("exact", "gated", "verified")} == {bool}
    assert re.fullmatch(r"[a-z0-9.-]+", entry.name)
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", entry.repository)
    assert entry.files and all(re.fullmatch(r"[\w.-]+\.(gguf|bin|safetensors|json)", name) for name in entry.files)
    assert re.fullmatch(r"([0-9a-f]{64})?", entry.sha256)
    assert entry.runs in RUNS and entry.family in {family.name for family in FAMILIES}
    assert 10**8 < entry.size < 30 * 10**9 and entry.title and entry.licence


def test_what_runs_as_it_is_is_one_file_in_a_format_that_is_read():
    endings = {"llama.cpp": ".gguf", "ctransformers": ".bin"}
    for entry in ENTRIES:
        if entry.runs in endings:
            assert len(entry.files) == 1 and entry.files[0].endswith(endings[entry.runs]), entry.name


FAMILIES_IN_USE = ("starcoder2", "starcoder", "santacoder", "refact", "fim-neox", "qwen-coder", "deepseek-coder")
FAMILIES_IN_USE += ("codellama", "codegemma", "granite", "mellum", "seed-coder")


@pytest.mark.parametrize("family", FAMILIES_IN_USE)
def test_the_models_that_people_use_are_there(family):
    assert any(entry.family == family for entry in ENTRIES)


def test_the_list_shows_what_a_person_chooses_by():
    lines = listing(lambda entry: Path("here") if entry.name == "refact-1.6b" else None).splitlines()
    shown = {line[1:].split()[0]: line for line in lines[1 : len(ENTRIES) + 1]}
    assert shown.keys() == catalogue().keys()
    assert shown["refact-1.6b"].startswith("✓")
    assert " ".join(shown["mellum-4b"].split()) == "mellum-4b ~4.3 GB 8,192 mellum spm Apache 2.0 as it is"
    assert "gated" in shown["starcoderbase-1b-original"]
    assert max(map(len, lines)) <= 132


def test_a_name_that_is_not_there_gets_the_nearest():
    with pytest.raises(UsageError, match=r"no model 'Refact' in the catalogue; did you mean refact-1.6b"):
        find("Refact")
    with pytest.raises(UsageError, match="`infill-ls models list` shows them all"):
        find("gpt-99")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("refact-1.6b", "infill-ls complete FILE:LINE --model /cache/x/f"),
        ("fim-neox-1.3b", "infill-ls models convert /cache/x fim-neox-1.3b.gguf"),
        ("starcoder-gptq", "serve /cache/x on a machine with a GPU"),
    ],
)
def test_what_to_do_next_depends_on_how_the_model_runs(name, says):
    assert says in next_step(find(name), Path("/cache/x/f"))
