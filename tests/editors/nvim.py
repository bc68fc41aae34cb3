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
from pathlib import Path
from typing import Any

import msgpack
from screen import Screen

CLIENT = Path(__file__).parents[2] / "editor-clients" / "neovim"
PATIENCE_S = 30.0
REQUEST, RESPONSE, NOTIFICATION = 0, 1, 2
START = (
    f"set runtimepath^={CLIENT}",
    # Counts the models that are ready: each server reports progress while it loads one.
    "let g:models_ready = 0 | autocmd LspProgress end let g:models_ready += 1",
    # A message too long for its line must not wait for a key.
    "set messagesopt=wait:0,history:500",
)
# A style of its own tells the suggestion from everything else that Neovim draws in its dim colour.
OWN_STYLE = "highlight ComplHint guifg=#8b949e gui=italic"


def find() -> str | None:
    """The Neovim named by INFILL_NVIM, or the one on the path; None where it is missing or older than 0.12."""
    path = os.environ.get("INFILL_NVIM") or shutil.which("nvim")
    if path is None:
        return None
    shown = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = shown.split()[1].removeprefix("v").split(".")[:2]
    return path if (int(major), int(minor)) >= (0, 12) else None


class Neovim:
    """One running Neovim with nothing in it but our client, in a terminal of `width` by `height`."""

    def __init__(
        self,
        program: str,
        *files: Path,
        env: Mapping[str, str],
        folder: Path | None = None,
        commands: Sequence[str] = (),
        width: int = 160,
        height: int = 40,
    ) -> None:
        options = [
            "--embed",
            "--clean",
            "-n",
            *(word for command in (*START, *commands) for word in ("--cmd", command)),
        ]
        self._process = subprocess.Popen(
            [program, *options, *map(str, files)],
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
        shown = [line for line in self.screen().lines()[:-2] if line != "~"]
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

    def until_ready(self) -> None:
        self.until("the model", lambda: self.eval("g:models_ready") > 0)

    def close(self) -> str:
        """End it; returns the last error message that it has shown."""
        complaint = str(self.eval("v:errmsg"))
        self._send("nvim_command", "qall!")
        try:
            self._process.wait(PATIENCE_S)
        finally:
            self._process.kill()
            self._process.stdin.close()
            self._process.stdout.close()
        return complaint

    def _state(self) -> str:
        """For a failed test: the screen, the messages, and what the server wrote to stderr."""
        log = Path(self.eval("v:lua.vim.lsp.log.get_filename()"))
        logged = log.read_text("utf-8") if log.exists() else ""
        messages = self._ask("nvim_exec2", "messages", {"output": True})["output"]
        return "\n".join([*self.screen().lines(), "-- messages --", messages, "-- log --", logged[-2000:]])

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
