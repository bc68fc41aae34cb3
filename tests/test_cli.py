"""The command line as a person uses it: real files, the real model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lsp_server.cli import main
from tests.small_checkpoints import checkpoint

CART = Path(__file__).parent / "samples" / "cart.py"


@pytest.fixture(autouse=True)
def no_config_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_complete_prints_the_file_with_the_suggestion_in_it(capsys):
    assert run("complete", f"{CART}:29") == 0
    printed = capsys.readouterr().out
    assert "def total_cents(self) -> int:" in printed
    assert "+ 29" in printed and "┃" in printed and "fim" in printed


def test_a_checkpoint_is_converted_and_the_next_step_is_said(tmp_path, capsys):
    source, target = checkpoint(tmp_path / "starcoder-small"), tmp_path / "small.gguf"
    assert run("models", "convert", source, target, "--quant", "q4_0") == 0
    printed = capsys.readouterr().out
    assert f"{target} (" in printed and f"--model {target}" in printed and "starcoder prompts" in printed
    assert run("models", "inspect", target) == 0
    assert "starcoder-small" in capsys.readouterr().out


def test_the_file_is_not_changed():
    before = CART.read_bytes()
    run("complete", f"{CART}:29")
    assert CART.read_bytes() == before


def test_json_holds_what_explain_shows(capsys):
    assert run("complete", f"{CART}:29", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["suggestion"]
    assert answer["window"]["prefix"].endswith("for item in self.items:\n            ")
    assert 0 < answer["tokens"]["prompt"] <= answer["tokens"]["budget"]
    assert answer["reason"]["code"] and set(answer["stages_ms"]) >= {"context", "generation"}


def test_explain_shows_the_window_and_why_it_stopped(capsys):
    run("complete", f"{CART}:29", "--explain")
    printed = capsys.readouterr().out
    for shown in ("lines kept", "tokens", "time", "stopped", "│ class Cart:"):
        assert shown in printed


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("nowhere.py:1", "there is no such file"),
        ("nowhere.py", "say where the cursor is"),
        (f"{CART}:99999", "so there is no line 99999"),
        (f"{CART}:0", "so there is no line 0"),
        (f"{CART}:1:999", "so there is no column 999"),
        (f"{CART.parent}:1", "is not a regular file"),
    ],
)
def test_a_place_that_is_none_gets_one_sentence(place, sentence, capsys):
    assert run("complete", place) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("data", "sentence"),
    [(b"a\0b", "is a binary file"), (b"caf\xe9 = 1\n", "is not UTF-8 text"), (b"\xed\xa0\x80", "is not UTF-8 text")],
)
def test_a_file_that_is_no_text_gets_one_sentence(tmp_path, data, sentence, capsys):
    path = tmp_path / "bad.py"
    path.write_bytes(data)
    assert run("complete", f"{path}:1") == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    ["", "\n", "x", "x = 1\r\ny = \r\n", "\tif x:\n\t\t", "# 😋😋 \n", "a\fb\nc\n", "def f(", "}" * 200, "x" * 100_000],
)
@pytest.mark.parametrize("name", ["odd.py", "odd.xyz", "odd"])
def test_odd_files_get_a_suggestion_or_a_reason(tmp_path, text, name, capsys):
    path = tmp_path / name
    path.write_bytes(text.encode())
    assert run("complete", f"{path}:1") in (0, 1)
    assert capsys.readouterr().out


def test_five_megabytes_are_answered(tmp_path, capsys):
    path = tmp_path / "large.py"
    path.write_text("value = compute(1, 2, 3)\n" * 200_000)
    assert run("complete", f"{path}:100000", "--json") in (0, 1)
    assert json.loads(capsys.readouterr().out)["elapsed_ms"] < 5000


@pytest.mark.parametrize(
    ("data", "sentence"),
    [(b"", "is empty"), (b"GGUF\x03\0\0\0", "ends too early"), (b"<html>", "is a web page"), (None, "does not exist")],
)
def test_a_model_that_is_none_gets_one_sentence(tmp_path, data, sentence, capsys):
    path = tmp_path / "model.gguf"
    if data is not None:
        path.write_bytes(data)
    assert run("complete", f"{CART}:29", "--model", path) == 3
    error = capsys.readouterr().err
    assert sentence in error and "model.gguf" in error and error.count("\n") == 1


def test_doctor_ends_with_a_real_suggestion(capsys):
    assert run("doctor") == 0
    printed = capsys.readouterr().out
    assert "tokens/s" in printed and "✓ answer" in printed and "All is well." in printed


def test_doctor_says_what_is_wrong(capsys, tmp_path):
    assert run("doctor", "--model", tmp_path / "none.gguf") == 3
    assert "✗ model" in capsys.readouterr().out


def test_settings_are_listed(capsys):
    assert run("settings") == 0
    assert "`suggest.maxTokens`" in capsys.readouterr().out


def test_colour_only_where_a_terminal_has_it():
    command = [sys.executable, "-m", "lsp_server", "complete", f"{CART}:29"]
    piped = subprocess.run(command, capture_output=True, check=True, env={**os.environ, "TERM": "xterm"})
    assert b"\033" not in piped.stdout


def test_an_output_that_cannot_show_our_signs_gets_plainer_ones():
    command = [sys.executable, "-m", "lsp_server", "complete", f"{CART}:37"]
    shown = subprocess.run(command, capture_output=True, check=True, env={**os.environ, "PYTHONIOENCODING": "cp1252"})
    assert b"if item.|name == name:|" in shown.stdout


@pytest.mark.parametrize(
    "arguments", [["complete", f"{CART}:{'1' * 5000}"], ["complete", f"{CART}:37", "--model", "~no/x"]]
)
def test_a_slip_of_the_keyboard_gets_one_sentence(arguments, capsys):
    assert run(*arguments) in (2, 3)
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("text", ["x = " + "[" * 5000, "x = " + "9" * 5001, '[log]\nfile = "a\\u0000b"'])
def test_a_settings_file_beyond_use_leaves_the_defaults(tmp_path, text, capsys):
    folder = tmp_path / "config" / "infill-ls"
    folder.mkdir(parents=True)
    (folder / "infill-ls.toml").write_text(text)
    assert run("complete", f"{CART}:37") == 0
    assert "name" in capsys.readouterr().out


def test_yaml_nested_without_end_is_answered(tmp_path):
    path = tmp_path / "deep.yaml"
    path.write_text("\n".join(" " * depth + "a:" for depth in range(300)))
    command = [sys.executable, "-m", "lsp_server", "complete", f"{path}:300"]
    assert subprocess.run(command, capture_output=True, check=False).returncode in (0, 1)


def test_what_is_in_a_file_does_not_steer_the_terminal(tmp_path, capsys):
    path = tmp_path / "bell.py"
    path.write_text("x = 1  # \x1b[2J\x07\ny = \n")
    run("complete", f"{path}:2")
    assert "\x1b" not in capsys.readouterr().out
