"""What a Neovim user asks of the client beside suggestions: how it is, on and off, why, which model; `:checkhealth`."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
from surroundings import SHAPES, missing, own_environment

if find_spec("msgpack") is None:
    missing("msgpack", "pip install -e '.[dev,editors]' brings it")

import nvim
from nvim import CLIENT, Neovim, Setup

pytestmark = nvim.in_each_setup()

MODEL = "fim-4m-python-q8_0"


def said(editor: Neovim, keys: str, wanted: str) -> str:
    """Press keys, and wait until `wanted` is said once more; returns all that was said so far."""
    n_before = editor.messages().count(wanted)
    editor.type(keys)
    return str(editor.until(repr(wanted), lambda: editor.messages().count(wanted) > n_before and editor.messages()))


def statusline(editor: Neovim) -> str:
    return str(editor.lua("return require('infill').statusline()"))


def test_status_names_the_model_and_where_it_runs(editor: Neovim) -> None:
    assert f"infill: {MODEL} is ready (local)" in said(editor, ":Infill status<CR>", "is ready")
    editor.until("the status line", lambda: statusline(editor) == "infill")


def test_toggle_switches_everything_off_and_on_again(editor: Neovim) -> None:
    said(editor, ":Infill toggle<CR>", "infill: off")
    editor.until("the status line", lambda: statusline(editor) == "infill: off")
    said(editor, ":Infill toggle<CR>", "infill: on")
    editor.until("the status line", lambda: statusline(editor) == "infill")


def test_toggle_switches_one_language_off_and_on_again(editor: Neovim) -> None:
    said(editor, ":Infill toggle python<CR>", "infill: off for python")
    editor.until("the status line", lambda: statusline(editor) == "infill: off")
    assert "off for python" in said(editor, ":Infill<CR>", "is ready")
    said(editor, ":Infill toggle python<CR>", "infill: on for python")
    editor.until("the status line", lambda: statusline(editor) == "infill")


def test_explain_opens_a_page_about_the_last_request(editor: Neovim) -> None:
    editor.type("Goreturn 2 * (self.")
    ghost = str(editor.until("a suggestion", editor.ghost))
    editor.type("<Esc>:Infill explain<CR>")
    page = str(editor.until("the page", lambda: editor.eval("&filetype") == "infill" and editor.text()))
    assert "return 2 * (self." in page, ghost
    assert not editor.eval("&modifiable")
    editor.type("q")
    editor.until("the file again", lambda: editor.text().startswith(SHAPES))


# What the user would choose from, and the first of it chosen.
CHOOSE = """
vim.ui.select = function(list, options, choose)
  vim.g.offered = vim.tbl_map(options.format_item, list)
  choose(list[1])
end"""


def loaded_after(editor: Neovim, keys: str, wanted: str) -> None:
    n_before = editor.eval("g:models_ready")
    said(editor, keys, wanted)
    editor.until("the model", lambda: editor.eval("g:models_ready") > n_before and statusline(editor) == "infill")


def test_models_offers_a_choice_and_takes_a_name(editor: Neovim) -> None:
    editor.lua(CHOOSE)
    loaded_after(editor, ":Infill models<CR>", f"{MODEL} is the model from now on")
    assert editor.eval("g:offered")[0] == f"* {MODEL} (4 MB)"
    loaded_after(editor, f":Infill models {MODEL}<CR>", f"{MODEL} is the model from now on")
    said(editor, ":Infill models nonesuch<CR>", "infill: there is no model 'nonesuch' on this machine")


def test_reload_loads_the_model_again(editor: Neovim) -> None:
    loaded_after(editor, ":Infill reload<CR>", "the model is loaded again")


def test_a_subcommand_that_does_not_exist_is_refused_by_name(editor: Neovim) -> None:
    wanted = "there is no `:Infill nonesuch`; there is explain, models, reload, status, toggle"
    said(editor, ":Infill nonesuch<CR>", wanted)
    editor.complaint()


def test_subcommands_and_languages_are_completed(editor: Neovim) -> None:
    complete = "getcompletion('Infill {}', 'cmdline')"
    assert editor.eval(complete.format("")) == ["explain", "models", "reload", "status", "toggle"]
    assert editor.eval(complete.format("re")) == ["reload"]
    assert editor.eval(complete.format("toggle ")) == ["python"]


def test_health_names_the_program_the_keys_and_the_model(editor: Neovim, setup: Setup) -> None:
    editor.type(":checkhealth infill<CR>")
    report = str(editor.until("the report", lambda: "infill: server" in editor.text() and editor.text()))
    drawn_by = "vim.lsp.inline_completion" if setup.name == "built-in" else "this plugin"
    assert f"suggestions are drawn by {drawn_by}" in report
    assert "Tab accepts a suggestion" in report
    assert re.search(r"/bin/infill-ls: infill-ls \d", report)
    assert f"{MODEL} is ready (local)" in report
    assert "ERROR" not in report and "WARNING" not in report


def test_a_killed_server_is_started_again(editor: Neovim) -> None:
    n_before = editor.eval("g:models_ready")
    for server in editor.servers():
        server.send_signal(signal.SIGKILL)
    editor.until("the message", lambda: "infill_ls quit with exit code 0 and signal 9" in editor.messages())
    editor.until("the model", lambda: editor.eval("g:models_ready") > n_before)
    editor.until_attached()
    editor.type("Goreturn 2 * (self.")
    editor.until("a suggestion", editor.ghost)


def test_in_the_popup_for_who_wants_it_there(setup: Setup, shapes: Path, editor_env: dict[str, str]) -> None:
    options = "{server = {init_options = {suggest = {popup = 'always'}}}}"
    command = f"lua vim.g.infill = vim.tbl_extend('force', vim.g.infill or {{}}, {options})"
    editor = Neovim(setup, shapes, env=editor_env, commands=(command,))
    editor.until_ready()
    editor.until_attached()
    editor.type("Goreturn 2 * (self.<C-x><C-o>")
    word = editor.until("an entry", lambda: [entry["word"] for entry in editor.eval("complete_info().items")])[0]
    editor.type("<C-y>")
    editor.until("it in the text", lambda: editor.text() == SHAPES + f"        return 2 * (self.{word}\n")
    editor.close()


def test_a_tab_of_the_users_own_is_left_alone(setup: Setup, shapes: Path, editor_env: dict[str, str]) -> None:
    editor = Neovim(setup, shapes, env=editor_env, commands=("inoremap <Tab> mine",))
    editor.until_ready()
    editor.until_attached()
    editor.type("Goreturn 2 * (self.")
    editor.until("a suggestion", editor.ghost)
    editor.type("<Tab>")
    editor.until("the user's own", lambda: editor.text().endswith("self.mine\n"))
    editor.close()


def test_every_link_in_the_help_leads_somewhere(editor: Neovim, tmp_path: Path) -> None:
    pages = Path(shutil.copytree(CLIENT / "doc", tmp_path / "doc"))
    editor.type(f":helptags {pages}<CR>")
    editor.until("the tags", lambda: (pages / "tags").exists())
    known = (pages / "tags", Path(editor.eval("$VIMRUNTIME")) / "doc" / "tags")
    tags = {line.split("\t")[0] for file in known for line in file.read_text("utf-8").splitlines()}
    links = set(re.findall(r"(?<![|\w])\|([^|\s]+)\|", (CLIENT / "doc" / "infill.txt").read_text("utf-8")))
    assert links and (links <= tags or setup_is_older(editor)), links - tags


def setup_is_older(editor: Neovim) -> bool:
    """The help links to pages of Neovim 0.12."""
    return not editor.eval("has('nvim-0.12')")


def test_the_package_manager_of_neovim_installs_it(setup: Setup, shapes: Path, tmp_path: Path) -> None:
    if setup.name != "built-in":
        pytest.skip("vim.pack is new in Neovim 0.12")
    project = tmp_path / "project"
    shutil.copytree(CLIENT, project / "editor-clients" / "neovim")
    for arguments in ("init --quiet", "add .", "-c user.name=x -c user.email=x commit --quiet --message x"):
        subprocess.run(["git", *arguments.split()], cwd=project, check=True)
    load = "function(plugin) vim.opt.runtimepath:append(plugin.path .. '/editor-clients/neovim') end"
    command = f"lua vim.pack.add({{ 'file://{project}' }}, {{ confirm = false, load = {load} }})"
    editor = Neovim(setup, shapes, env=own_environment(tmp_path), commands=(command,), client=None)
    editor.until_ready()
    assert f"{tmp_path}/home" in editor.eval("&runtimepath")
    editor.close()
