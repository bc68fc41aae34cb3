"""Settings: later wins, every complaint names its key, and a workspace chooses nothing that matters."""

from __future__ import annotations

from pathlib import Path

import pytest

from lsp_server import settings
from lsp_server.settings import Settings, merge

README = Path(__file__).parent.parent / "README.md"


def test_nested_and_dotted_keys_mean_the_same():
    nested, _ = merge(Settings(), {"suggest": {"maxTokens": 7}})
    dotted, _ = merge(Settings(), {"suggest.maxTokens": 7})
    wrapped, _ = merge(Settings(), {"infill": {"suggest": {"maxTokens": 7}}})
    assert nested == dotted == wrapped
    assert nested.suggest.maxTokens == 7


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"suggest": {"maxToken": 7}}, "suggest.maxToken: there is no such setting"),
        ({"sugest": {"maxTokens": 7}}, "sugest: there is no such setting"),
        ({"suggest": {"maxTokens": "many"}}, "suggest.maxTokens: expected a whole number, got 'many'"),
        ({"suggest": {"maxTokens": True}}, "suggest.maxTokens: expected a whole number, got True"),
        ({"suggest": {"maxTokens": 0}}, "suggest.maxTokens: expected a number from 1 to 4,096, got 0"),
        ({"model.threads": 100_000}, "model.threads: expected a number from 0 to 256, got 100000"),
        ({"suggest": {"popup": "often"}}, 'suggest.popup: expected "auto" or "always" or "never", got \'often\''),
        ({"suggest": 3}, "suggest: expected a table of settings, got 3"),
        ([], "infill: expected a table of settings, got []"),
    ],
)
def test_what_cannot_be_used_is_named_and_left_as_it_was(values, complaint):
    merged, complaints = merge(Settings(), values)
    assert complaints == (complaint,)
    assert merged == Settings()


def test_the_good_keys_beside_a_bad_one_are_taken():
    merged, complaints = merge(Settings(), {"suggest": {"maxTokens": 5, "nonsense": 1}})
    assert merged.suggest.maxTokens == 5
    assert len(complaints) == 1


@pytest.mark.parametrize("key", ["model.path", "model.engine", "model.family", "model.windowTokens", "log.file"])
def test_a_workspace_chooses_no_model_and_no_file(key):
    value = 100 if key == "model.windowTokens" else "llama-server" if key == "model.engine" else "/evil"
    merged, complaints = merge(Settings(), {key: value}, from_workspace=True)
    assert merged == Settings()
    assert complaints[0].startswith(f"{key}: ignored, since a workspace may not set it")


def test_a_workspace_may_switch_suggestions_off():
    merged, complaints = merge(Settings(), {"suggest.enabled": False}, from_workspace=True)
    assert not merged.suggest.enabled and not complaints


def test_nothing_said_changes_nothing():
    assert merge(Settings(), None) == (Settings(), ())
    assert merge(Settings(), {}) == (Settings(), ())


def test_the_users_file_is_read(tmp_path):
    path = tmp_path / "infill-ls.toml"
    path.write_text('[suggest]\nmaxTokens = 9\n[model]\npath = "m.gguf"\n')
    read, complaints = settings.from_file(path)
    assert (read.suggest.maxTokens, read.model.path, complaints) == (9, "m.gguf", ())


def test_a_users_file_that_is_not_there_or_broken_leaves_the_defaults(tmp_path):
    assert settings.from_file(tmp_path / "none.toml") == (Settings(), ())
    broken = tmp_path / "broken.toml"
    broken.write_text("= =")
    read, complaints = settings.from_file(broken)
    assert read == Settings() and "could not be read" in complaints[0]


def test_the_readme_holds_the_reference_as_it_is():
    assert settings.reference() in README.read_text("utf-8")
