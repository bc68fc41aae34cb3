"""Neovim as its user has it: keys go in, and what counts is what stands on the screen and on the disk.

Neovim runs as the child of a user interface (`:help --embed`) spoken to in MessagePack-RPC (`:help msgpack-rpc`).
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import psutil
import pytest
from screen import Screen
from surroundings import missing

CLIENT = Path(__file__).parents[2] / "editor-clients" / "neovim"
PATIENCE_S = 30.0
REQUEST, RESPONSE, NOTIFICATION = 0, 1, 2
START = (
    # Counts the models that are ready: each server reports progress while it loads one.
    "let g:models_ready = 0 | autocmd LspProgress end let g:models_ready += 1",
    # A message too long for its line must not wait for a key.
    "if exists('+messagesopt') | set messagesopt=wait:0,history:500 | else | set cmdheight=4 | endif",
)
# A style of its own tells the suggestion from everything else that Neovim draws in its dim colour.
OWN_STYLE = "highlight ComplHint guifg=#8b949e gui=italic"


@dataclass(frozen=True)
class Setup:
    """A Neovim, and who draws the suggestions in it."""

    name: str
    program: str
    commands: tuple[str, ...] = ()


def setups() -> list[Setup]:
    """Each way that suggestions are drawn: by the Neovim of INFILL_NVIM (or the path) itself, which takes 0.12, by our
    plugin in it, and by our plugin in the older one of INFILL_NVIM_OLD, where there is one."""
    program, older = os.environ.get("INFILL_NVIM") or shutil.which("nvim"), os.environ.get("INFILL_NVIM_OLD")
    if program is None or _version(program) < (0, 12):
        missing("Neovim 0.12", "INFILL_NVIM=$(bash .ci/install-neovim.sh) brings it")
    if older is None and os.environ.get("INFILL_CI"):
        missing("an older Neovim", "INFILL_NVIM_OLD=$(bash .ci/install-neovim.sh trixie) brings it")
    ours = Setup("our-drawing", program, ("lua vim.g.infill = {builtin = false}",))
    return [Setup("built-in", program), ours, *([Setup("older", older)] if older else [])]


def in_each_setup() -> pytest.MarkDecorator:
    """For the tests of one module, all with the same running Neovim: the fixture `editor`."""
    return pytest.mark.parametrize("setup", setups(), ids=lambda setup: setup.name, scope="session")


def _version(program: str) -> tuple[int, ...]:
    shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in shown.split()[1].removeprefix("v").split(".")[:2])


class Neovim:
    """One running Neovim with nothing in it but our client, in a terminal of `width` by `height`."""

    def __init__(
        self,
        setup: Setup,
        *files: Path,
        env: Mapping[str, str],
        client: Path | None = CLIENT,
        folder: Path | None = None,
        commands: Sequence[str] = (),
        width: int = 160,
        height: int = 40,
    ) -> None:
        commands = (*([f"set runtimepath^={client}"] if client else []), *START, *setup.commands, *commands)
        options = ["--embed", "--clean", "-n", *(word for command in commands for word in ("--cmd", command))]
        self._process = subprocess.Popen(
            [setup.program, *options, *map(str, files)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **env},
            cwd=folder,
            bufsize=0,
        )
        self._incoming = msgpack.Unpacker()
        self._n_requests = 0
        self._screen = Screen()
        self._ask("nvim_ui_attach", width, height, {"rgb": True, "ext_linegrid": True, "ext_hlstate": True})
        self._ask("nvim_command", OWN_STYLE)

    def type(self, keys: str) -> None:
        """Press keys, in Neovim's notation."""
        self._ask("nvim_input", keys)

    def screen(self) -> Screen:
        """The screen as it is now."""
        self._ask("nvim_command", "redraw")
        return self._screen

    def text(self) -> str:
        """The buffer."""
        return "".join(f"{line}\n" for line in self._ask("nvim_buf_get_lines", 0, 0, -1, True))

    def page(self) -> str:
        """What the screen shows as the file's text, with the suggestion."""
        n_lines = self.eval("&lines - &cmdheight - 1")  # above the status line
        shown = [line for line in self.screen().lines()[:n_lines] if line != "~"]
        return "".join(f"{line}\n" for line in shown)

    def ghost(self) -> str:
        """The suggestion on the screen; "" where there is none."""
        return "\n".join(self.screen().drawn_with("ComplHint"))

    def eval(self, expression: str) -> Any:
        return self._ask("nvim_eval", expression)

    def until(self, what: str, condition: Callable[[], Any]) -> Any:
        """What `condition` returns, as soon as that is something."""
        deadline = time.monotonic() + PATIENCE_S
        while not (result := condition()):
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {PATIENCE_S:.0f} s for {what}\n{self._state()}")
            time.sleep(0.02)
        return result

    def lua(self, code: str) -> Any:
        """What this piece of Lua returns."""
        return self._ask("nvim_exec_lua", code, [])

    def open(self, file: Path) -> None:
        """Open this file and no other, and wait until suggestions are made for it."""
        self.type("<C-\\><C-n>")
        self._ask("nvim_command", f"silent %bwipeout! | edit {file}")
        self.until_attached()

    def until_attached(self) -> None:
        self.until("the server to know the file", lambda: self.lua("return require('infill.server').client(0) ~= nil"))
        # Inline completion is switched on in a callback of its own, after that; one scheduled now comes behind it.
        self.lua("vim.g.is_idle = false; vim.schedule(function() vim.g.is_idle = true end)")
        self.until("its callbacks", lambda: self.eval("g:is_idle"))

    def servers(self) -> list[psutil.Process]:
        """The processes that it has started."""
        return psutil.Process(self._process.pid).children()

    def until_ready(self) -> None:
        self.until("the model", lambda: self.eval("g:models_ready") > 0)

    def messages(self) -> str:
        """All that was said to the user."""
        return str(self._ask("nvim_exec2", "messages", {"output": True})["output"])

    def complaint(self) -> str:
        """The last error message; forgotten with this."""
        complaint = str(self.eval("v:errmsg"))
        self._ask("nvim_command", "let v:errmsg = ''")
        return complaint

    def close(self) -> None:
        self._send("nvim_command", "qall!")
        try:
            self._process.wait(PATIENCE_S)
        finally:
            self._process.kill()
            self._process.stdin.close()
            self._process.stdout.close()

    def _state(self) -> str:
        """For a failed test: the screen, the messages, and what the server wrote to stderr."""
        log = Path(self.lua("return (vim.lsp.log.get_filename or vim.lsp.get_log_path)()"))
        logged = log.read_text("utf-8") if log.exists() else ""
        return "\n".join([*self.screen().lines(), "-- messages --", self.messages(), "-- log --", logged[-2000:]])

    def _ask(self, method: str, *arguments: Any) -> Any:
        number = self._send(method, *arguments)
        while True:
            kind, *rest = self._next_message()
            if kind == NOTIFICATION and rest[0] == "redraw":
                self._screen.draw(rest[1])
            elif kind == RESPONSE and rest[0] == number:
                if rest[1]:
                    raise AssertionError(f"{method}: {rest[1]}")
                return rest[2]

    def _send(self, method: str, *arguments: Any) -> int:
        self._n_requests += 1
        self._process.stdin.write(msgpack.packb([REQUEST, self._n_requests, method, arguments]))
        return self._n_requests

    def _next_message(self) -> list[Any]:
        while True:
            for message in self._incoming:
                return message
            readable, _, _ = select.select([self._process.stdout], [], [], PATIENCE_S)
            received = os.read(self._process.stdout.fileno(), 65536) if readable else b""
            if not received:
                raise AssertionError(
                    "Neovim has ended" if readable else "Neovim does not answer: it may wait for a key"
                )
            self._incoming.feed(received)
