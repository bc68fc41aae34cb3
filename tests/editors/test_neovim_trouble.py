"""Neovim with our client and a server that is missing, ends, is late, is old, or says more than the real one does now.

The user's typing is never held up, and what is wrong is said once, in one sentence.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from surroundings import missing, own_environment

if find_spec("msgpack") is None:
    missing("msgpack", "pip install -e '.[dev,editors]' brings it")

import nvim
from nvim import Neovim, Setup

pytestmark = nvim.in_each_setup()

FAKE = f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).with_name("fake_server.py")}"\n'

Open = Callable[..., Neovim]


@pytest.fixture
def open_neovim(setup: Setup, tmp_path: Path) -> Iterator[Open]:
    """Opens a file of one line in a Neovim whose `infill-ls` is a fake that does as the arguments say."""
    running: list[Neovim] = []
    file = tmp_path / "a.py"
    file.write_text("x = 1\n")

    def open_file(**how: Any) -> Neovim:
        env = own_environment(tmp_path)
        program(tmp_path).write_text(FAKE)
        told = {"FAKE_SERVER": json.dumps(how), "FAKE_SERVER_LOG": str(tmp_path / "log")}
        running.append(Neovim(setup, file, env={**env, **told}))
        running[-1].until_attached()
        return running[-1]

    yield open_file
    for editor in running:
        editor.close()


def program(folder: Path) -> Path:
    return folder / "bin" / "infill-ls"


def received(folder: Path, method: str) -> list[dict[str, Any]]:
    """What the fake was sent, by method."""
    log = folder / "log"
    lines = log.read_text("utf-8").splitlines() if log.exists() else []
    return [message for message in map(json.loads, lines) if message.get("method") == method]


def asked(folder: Path) -> list[dict[str, Any]]:
    return received(folder, "textDocument/inlineCompletion")


def test_a_missing_program_is_said_once_and_reload_finds_it(setup: Setup, tmp_path: Path) -> None:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("x = 1\n")
    env = own_environment(tmp_path)
    away = program(tmp_path).rename(tmp_path / "away")
    env["PATH"] = os.pathsep.join([f"{tmp_path}/bin", "/usr/bin", "/bin"])
    editor = Neovim(setup, tmp_path / "a.py", env=env)
    editor.until("a message", editor.messages)
    editor.type(f":edit {tmp_path}/b.py<CR>Goy = 2<Esc>")
    editor.until("what was typed", lambda: editor.text() == "x = 1\ny = 2\n")
    assert [line for line in editor.messages().splitlines() if "infill" in line and not line.startswith('"')] == [
        "infill: infill-ls is not on the path; install it, for example with `pipx install infill-ls` "
        "or `uv tool install infill-ls`"
    ]
    away.rename(program(tmp_path))
    editor.type(":Infill reload<CR>")
    editor.until_attached()
    editor.close()


def test_a_server_that_ends_at_the_first_request_is_told_of_and_left_alone(open_neovim: Open, tmp_path: Path) -> None:
    editor = open_neovim(crash=True)
    editor.type("Goabc")
    editor.until("the message", lambda: "infill_ls quit with exit code 3" in editor.messages())
    editor.type("def")
    editor.until("what was typed", lambda: editor.text() == "x = 1\nabcdef\n")
    assert len(received(tmp_path, "initialize")) == 1
    editor.type("<Esc>:Infill<CR>")
    editor.until("the way out", lambda: "`:Infill reload` starts it" in editor.messages())


def test_a_late_answer_is_not_used_for_what_was_typed_since(open_neovim: Open, tmp_path: Path) -> None:
    editor = open_neovim(texts=["late"], late_s=1)
    editor.type("Goa")
    editor.until("the first request", lambda: len(asked(tmp_path)) == 1)
    editor.type("b<Tab>")  # there is no suggestion yet
    editor.until("what was typed", lambda: editor.text().startswith("x = 1\nab"))
    before = editor.text()
    editor.until("the answer to the last request", lambda: editor.ghost() == "late")
    editor.type("<Tab>")
    editor.until("the suggestion in the text", lambda: editor.text() == before.rstrip("\n") + "late\n")


def test_typing_cancels_what_was_asked(open_neovim: Open, setup: Setup, tmp_path: Path) -> None:
    editor = open_neovim(texts=["late"], late_s=30)
    editor.type("Goa")
    editor.until("the first request", lambda: asked(tmp_path))
    # Neovim itself takes a request back only when insert mode is left; the server drops it for the next one.
    editor.type("<Esc>" if setup.name == "built-in" else "b")
    editor.until("it to be taken back", lambda: received(tmp_path, "$/cancelRequest"))
    assert received(tmp_path, "$/cancelRequest")[0]["params"] == {"id": asked(tmp_path)[0]["id"]}


def test_candidates_are_shown_in_turn_and_the_accepted_one_is_reported(open_neovim: Open, tmp_path: Path) -> None:
    editor = open_neovim(texts=["one", "two"], commands={"infill.accepted": None})
    editor.type("Goy = ")
    editor.until("the first", lambda: editor.ghost().startswith("one"))
    editor.type("<M-]>")
    editor.until("the second", lambda: editor.ghost().startswith("two"))
    editor.type("<M-[>")
    editor.until("the first", lambda: editor.ghost().startswith("one"))
    editor.type("<M-[>")
    editor.until("the second", lambda: editor.ghost().startswith("two"))
    editor.type("<Tab>")
    editor.until("it in the text", lambda: editor.text() == "x = 1\ny = two\n")
    editor.until("the report", lambda: received(tmp_path, "workspace/executeCommand"))
    params = received(tmp_path, "workspace/executeCommand")[0]["params"]
    assert params == {"command": "infill.accepted", "arguments": ["two"]}


def test_one_key_asks_by_hand(open_neovim: Open, tmp_path: Path) -> None:
    editor = open_neovim(texts=["one", "two"])
    editor.type("Goy = ")
    editor.until("a suggestion", lambda: editor.ghost().startswith("one"))
    editor.type("<C-]>")
    editor.until("it to be gone", lambda: not editor.ghost())
    editor.type("<M-Bslash>")
    editor.until("a suggestion", lambda: editor.ghost().startswith("one"))
    assert [request["params"]["context"] for request in asked(tmp_path)][-1] == {"triggerKind": 1}
    assert editor.text() == "x = 1\ny = \n"


def test_the_server_is_told_where_the_cursor_is(open_neovim: Open, tmp_path: Path) -> None:
    editor = open_neovim(texts=[])
    editor.type("$")
    editor.until("the message", lambda: received(tmp_path, "infill/didMoveCursor"))
    assert received(tmp_path, "infill/didMoveCursor")[-1]["params"] == {
        "textDocument": {"uri": (tmp_path / "a.py").as_uri()},
        "position": {"line": 0, "character": 4},
    }


def test_candidates_that_do_not_begin_with_what_was_typed_are_passed_over(open_neovim: Open, setup: Setup) -> None:
    if setup.name == "built-in":
        pytest.skip("Neovim itself asks at every key")
    editor = open_neovim(texts=["one", "two", "only"])
    editor.type("Go")
    editor.until("the first", lambda: editor.ghost().startswith("one"))
    editor.type("o<M-]>")
    editor.until("the third", lambda: editor.ghost().startswith("nly"))


def test_several_lines_by_words_and_only_the_whole_is_reported(open_neovim: Open, tmp_path: Path) -> None:
    editor = open_neovim(texts=["if ready:\n    go()"], commands={"infill.accepted": None})
    editor.type("Go")
    editor.until("the suggestion", lambda: editor.ghost() == "if ready:\n    go()")
    for text in ("if", "if ready", "if ready:", "if ready:\n    go"):
        assert not received(tmp_path, "workspace/executeCommand")
        editor.type("<M-Right>")
        editor.until(f"{text!r} in the text", lambda text=text: editor.text() == f"x = 1\n{text}\n")
        assert editor.page() == "x = 1\nif ready:\n    go()\n"
    editor.type("<M-Right>")
    editor.until("all of it in the text", lambda: editor.text() == "x = 1\nif ready:\n    go()\n")
    editor.until("the report", lambda: received(tmp_path, "workspace/executeCommand"))


def test_what_is_typed_through_is_not_asked_for_again(open_neovim: Open, setup: Setup, tmp_path: Path) -> None:
    if setup.name == "built-in":
        pytest.skip("Neovim itself asks at every key")
    editor = open_neovim(texts=["if ready:"])
    editor.type("Go")
    editor.until("the suggestion", lambda: editor.ghost() == "if ready:")
    editor.type("if <M-Right>")
    editor.until("the rest", lambda: editor.ghost() == ":")
    editor.type("x")
    editor.until("another request", lambda: len(asked(tmp_path)) == 2)


def test_something_else_is_replaced_as_the_item_says(open_neovim: Open) -> None:
    editor = open_neovim(texts=["1], key=2)"], replace_to_end=True)
    editor.type("Gof(x[])<Left><Left>")
    editor.until("the suggestion", lambda: editor.page() == "x = 1\nf(x[1], key=2)\n" and editor.ghost())
    editor.type("<Tab>")
    editor.until("it in the text", lambda: editor.text() == "x = 1\nf(x[1], key=2)\n")


def test_an_older_server_is_named_as_the_reason(open_neovim: Open) -> None:
    editor = open_neovim(texts=["y = 2"])
    editor.type(":Infill explain<CR>")
    reason = "this infill-ls is too old to know infill.explain; upgrade it"
    editor.until("the reason", lambda: reason in editor.messages())
    editor.type("Go")
    editor.until("suggestions all the same", lambda: editor.ghost() == "y = 2")
