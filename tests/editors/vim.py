"""Vim as its user has it: keys go into a terminal, and what counts is what stands on its screen and on the disk.

The buffer is asked for through one of Vim's own channels (`:help channel-commands`), which leaves the mode as it is.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import shutil
import socket
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
import pyte
from surroundings import missing

CLIENT = Path(__file__).parents[2] / "editor-clients" / "vim"
PATIENCE_S = 30.0
WIDTH, HEIGHT = 120, 40
SEPARATE_S = 0.05  # between an escape and what follows, so that Vim does not take both for one key
# A style of its own tells the suggestion from everything else.
VIMRC = """\
source $VIMRUNTIME/defaults.vim
set runtimepath^={client}
set ttimeoutlen=10 noruler noshowcmd autoindent expandtab shiftwidth=4
highlight InfillGhost ctermfg=5 cterm=italic
autocmd VimEnter * let g:asking = ch_open('{asking}')
"""


def program() -> str:
    """The Vim of INFILL_VIM, or the one on the path, if it is new enough and was built with what the client needs."""
    found = os.environ.get("INFILL_VIM") or shutil.which("vim")
    check = "if !has('patch-9.0.1378') || !has('channel') || !has('textprop') | cquit | endif"
    if not found or subprocess.run([found, "--clean", "-es", "-c", check, "-c", "qall!"], check=False).returncode:
        missing("Vim 9", "INFILL_VIM=$(bash .ci/install-vim.sh) brings it")
    return found


class Screen(pyte.Screen):  # type: ignore[misc]  # pyte has no types
    def select_graphic_rendition(self, *attributes: int, private: bool = False) -> None:
        """Colours; xterm's questions about its keys look like them."""
        if not private:
            super().select_graphic_rendition(*attributes)


class Vim:
    """One running Vim with nothing in it but our client."""

    def __init__(self, file: Path, *, env: Mapping[str, str]) -> None:
        self._screen, self._lock = Screen(WIDTH, HEIGHT), threading.Lock()
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(PATIENCE_S)
        asking = f"127.0.0.1:{listener.getsockname()[1]}"
        (Path(env["HOME"]) / ".vimrc").write_text(VIMRC.format(client=CLIENT, asking=asking), "utf-8")
        self._terminal, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
        self._process = subprocess.Popen(
            [program(), "-n", "-i", "NONE", str(file)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "LC_ALL": "C.UTF-8", **env, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._channel, _ = listener.accept()
        self._channel.settimeout(PATIENCE_S)
        listener.close()

    def type(self, keys: str) -> None:
        """Press keys. Those without a letter are written as Vim writes them, `<` as `<lt>`."""
        for part in re.split(r"(<[\w-]+>|<C-\]>)", keys):
            os.write(self._terminal, KEYS.get(part, part).encode())
            if part == "<Esc>":
                time.sleep(SEPARATE_S)

    def eval(self, expression: str) -> Any:
        self._channel.sendall(json.dumps(["expr", expression, -1]).encode())
        received = b""
        while True:
            received += self._channel.recv(65536)
            with contextlib.suppress(ValueError):  # not all of it yet
                return json.loads(received)[1]

    def text(self) -> str:
        """The buffer."""
        return "".join(f"{line}\n" for line in self.eval("getline(1, '$')"))

    def page(self) -> str:
        """What the screen shows as the file's text, with the suggestion and without what it replaces."""
        shown = [line for line in self._lines(lambda cell: not cell.strikethrough)[:-1] if line != "~"]
        return "".join(f"{line}\n" for line in shown)

    def screen(self) -> str:
        return "\n".join(self._lines(lambda cell: True))

    def ghost(self) -> str:
        """The suggestion on the screen; "" where there is none."""
        return "\n".join(line for line in self._lines(lambda cell: cell.italics) if line)

    def begin_of_ghost(self) -> tuple[int, int] | None:
        with self._lock:
            places = ((row, column) for row in range(HEIGHT) for column in range(WIDTH))
            return next((at for at in places if self._screen.buffer[at[0]][at[1]].italics), None)

    def cursor(self) -> tuple[int, int]:
        with self._lock:
            return self._screen.cursor.y, self._screen.cursor.x

    def until(self, what: str, condition: Callable[[], Any]) -> Any:
        """What `condition` returns, as soon as that is something."""
        deadline = time.monotonic() + PATIENCE_S
        while not (result := condition()):
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {PATIENCE_S:.0f} s for {what}\n{self.screen()}\n{self.messages()}")
            time.sleep(0.02)
        return result

    def until_ready(self) -> None:
        self.until("the model", lambda: self.eval("get(infill#Status(), 'state', '')") == "ready")

    def open(self, file: Path) -> None:
        """Open this file and no other."""
        self.type(f"<Esc><Esc>:silent %bwipeout! | edit {file}<CR>")
        self.until("the file", lambda: self.eval("expand('%:p')") == str(file))

    def messages(self) -> str:
        """All that was said to the user."""
        return str(self.eval("execute('messages')"))

    def servers(self) -> list[psutil.Process]:
        """The processes that it has started."""
        return psutil.Process(self._process.pid).children()

    def close(self) -> None:
        self._channel.close()
        os.write(self._terminal, b"\x1b\x1b:qall!\r")
        try:
            self._process.wait(PATIENCE_S)
        finally:
            self._process.kill()
            self._reader.join(PATIENCE_S)
            os.close(self._terminal)

    def _lines(self, is_wanted: Callable[[pyte.screens.Char], bool]) -> list[str]:
        with self._lock:
            rows = [[self._screen.buffer[row][column] for column in range(WIDTH)] for row in range(HEIGHT)]
        return ["".join(cell.data for cell in row if is_wanted(cell)).rstrip() for row in rows]

    def _read(self) -> None:
        stream = pyte.ByteStream(self._screen)
        with contextlib.suppress(OSError):  # the terminal is gone when Vim is
            while received := os.read(self._terminal, 65536):
                with self._lock:
                    stream.feed(received)


KEYS = {
    "<Esc>": "\x1b",
    "<CR>": "\r",
    "<Tab>": "\t",
    "<lt>": "<",
    "<C-v>": "\x16",
    "<C-]>": "\x1d",
    "<Left>": "\x1b[D",
    "<End>": "\x1b[F",
    "<M-Right>": "\x1b[1;3C",
    "<M-C-Right>": "\x1b[1;7C",
}
