"""Emacs as its user has it, in a terminal: keys go in, and what counts is what stands on the screen and on the disk.

The terminal is tmux: `send-keys` types, and `capture-pane -e` tells what is drawn, with its colours.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

CLIENT = Path(__file__).parents[2] / "editor-clients" / "emacs"
PACKAGES = Path("/usr/share/emacs/site-lisp/elpa")
PATIENCE_S = 40.0
# A colour of its own tells the suggestion from everything else on the screen.
GHOST = "38;5;244"
START = f"""\
(setq inhibit-startup-screen t make-backup-files nil create-lockfiles nil auto-save-default nil
      ring-bell-function #'ignore warning-minimum-level :warning package-load-list '(all (lsp-mode nil)))
(require 'package)
(push "{PACKAGES}" package-directory-list)
(package-initialize)
(menu-bar-mode -1)
(blink-cursor-mode -1)
(push "{CLIENT}" load-path)
(defface drawn-as-ghost '((t :foreground "color-244" :slant italic)) "What the tests look for.")
(with-eval-after-load 'infill (custom-set-faces '(infill-ghost ((t :inherit drawn-as-ghost)))))
(with-eval-after-load 'lsp-inline-completion
  (custom-set-faces '(lsp-inline-completion-overlay-face ((t :inherit drawn-as-ghost)))))
"""
EGLOT = """\
(with-eval-after-load 'eglot
  (require 'infill-eglot)
  (add-to-list 'eglot-server-programs '(python-mode . infill-eglot-contact)))
(add-hook 'python-mode-hook #'eglot-ensure)
"""
LSP_MODE = """\
(push "{folder}" load-path)
(load "lsp-mode-autoloads" nil t)
(with-eval-after-load 'lsp-mode
  (require 'infill-lsp))
(setq lsp-auto-guess-root t lsp-enable-snippet nil lsp-headerline-breadcrumb-enable nil lsp-idle-delay 0.1
      lsp-keep-workspace-alive nil lsp-client-packages nil) ; its hundred other servers take seconds to load
(add-hook 'python-mode-hook #'lsp)
"""


def find() -> str | None:
    """Emacs on the path, with tmux beside it; None where one of them is missing."""
    return shutil.which("emacs") if shutil.which("tmux") else None


def batch(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What Emacs says to these arguments, with the packages and our client, and without a screen."""
    start = ["--eval", f"(progn {START} {lsp_mode_start()})"]
    return subprocess.run(["emacs", "-Q", "--batch", *start, *arguments], capture_output=True, text=True, check=False)


def lsp_mode_start() -> str:
    return LSP_MODE.format(folder=os.environ.get("INFILL_LSP_MODE", ""))


@dataclass(frozen=True)
class Screen:
    rows: list[list[tuple[str, bool]]]  # of each character: whether it is drawn in the colour of suggestions

    @classmethod
    def of(cls, captured: str) -> Screen:
        """From what `capture-pane -e` prints: the text with escape sequences where colours change."""
        rows, is_ghost = [], False
        for line in captured.split("\n"):
            row: list[tuple[str, bool]] = []
            for code, text in re.findall(r"\x1b\[([\d;]*)m|([^\x1b]+)", line):
                if text:
                    row += [(char, is_ghost) for char in text]
                elif GHOST in code:
                    is_ghost = True
                elif not code or re.search(r"(^|;)(0|39|3[0-7]|38)(;|$)", code):
                    is_ghost = False
            rows.append(row)
        return cls(rows)

    def lines(self) -> list[str]:
        return ["".join(char for char, _ in row).rstrip() for row in self.rows]

    def ghost(self) -> str:
        parts = ["".join(char for char, is_ghost in row if is_ghost) for row in self.rows]
        return "\n".join(part.rstrip() for part in parts if part)


class Emacs:
    """One running Emacs with nothing in it but a language client and ours."""

    def __init__(self, init: str, env: Mapping[str, str], folder: Path, *, width: int = 110, height: int = 34) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        start = folder.with_suffix(".el")
        start.write_text(START + init, "utf-8")
        self._socket = folder.with_suffix(".tmux")
        self._tmux(
            *("-f", "/dev/null", "start-server", ";", "set", "-g", "default-terminal", "tmux-256color", ";"),
            *("set", "-s", "escape-time", "0", ";", "new-session", "-d", "-x", str(width), "-y", str(height)),
            f"cd {folder} && exec emacs -nw -Q -l {start}",
            env={**os.environ, **env, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"},
        )
        self.until("Emacs", lambda: "*scratch*" in self.mode_line())

    def type(self, text: str) -> None:
        """Press the keys of these characters, one right after the other."""
        self._tmux("send-keys", "-l", text)

    def press(self, *keys: str) -> None:
        """Press keys, in tmux's notation."""
        self._tmux("send-keys", *keys)

    def screen(self) -> Screen:
        return Screen.of(self.captured())

    def captured(self) -> str:
        """The screen, with the escape sequences that colour it."""
        return self._tmux("capture-pane", "-p", "-e")

    def cursor(self) -> tuple[int, int]:
        """Its row and column."""
        row, column = self._tmux("display-message", "-p", "#{cursor_y} #{cursor_x}").split()
        return int(row), int(column)

    def shown(self) -> str:
        """All that is on the screen."""
        return "\n".join(self.screen().lines())

    def page(self) -> str:
        """What the screen shows as the file's text, with the suggestion; without blanks at the ends of lines."""
        lines = self.screen().lines()
        return "\n".join(lines[: self._mode_line_at(lines)]).rstrip() + "\n"

    def ghost(self) -> str:
        return self.screen().ghost()

    def mode_line(self) -> str:
        lines = self.screen().lines()
        at = self._mode_line_at(lines)
        return lines[at] if at < len(lines) else ""

    def until(self, what: str, condition: Callable[[], Any]) -> Any:
        """What `condition` returns, as soon as that is something."""
        deadline = time.monotonic() + PATIENCE_S
        while not (result := condition()):
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {PATIENCE_S:.0f} s for {what}; the screen:\n{self.shown()}")
            time.sleep(0.03)
        return result

    def until_shown(self, text: str) -> None:
        """Wait for a text, which may be broken at the edge of the window."""
        self.until(repr(text), lambda: text in self.shown().replace("\\\n", ""))

    def until_ghost(self) -> str:
        """The suggestion on the screen, once all of it is drawn."""
        return str(self.until("a suggestion", lambda: (ghost := self.ghost()) and ghost == self.ghost() and ghost))

    def until_ready(self) -> None:
        """Until the mode line says that the server is there and has its model."""
        self.until("the model", lambda: re.search(r"Infill(?!:)", self.mode_line()))

    def edit(self, name: str, document: str) -> None:
        """Write a file and open it, with the cursor where `┃` is."""
        self.open(name, document.replace("┃", ""))
        self.command("goto-char")
        self.until_shown("Go to char")
        self.type(str(document.index("┃") + 1))
        self.press("Enter")

    def open(self, name: str, text: str) -> None:
        self._file = self.folder / name
        self._file.write_text(text, "utf-8")
        self.press("C-x", "C-f")
        self.until_shown("Find file:")
        self.press("C-a", "C-k")
        self.type(str(self._file))
        self.press("Enter")
        self.until(name, lambda: f" {name} " in self.mode_line())

    def command(self, name: str) -> None:
        self.press("M-x")
        self.until_shown("M-x")
        self.type(name)
        self.press("Enter")

    def saved(self) -> str:
        """Save, and read what is on the disk; without blanks at the ends of lines, as on the screen."""
        self.press("C-x", "C-s")
        self.until("the file to be written", lambda: re.match(r"-UU.:----", self.mode_line()))
        lines = self._file.read_text("utf-8").expandtabs(8).split("\n")
        return "\n".join(line.rstrip() for line in lines).rstrip() + "\n"

    def servers(self) -> list[psutil.Process]:
        """The language servers that it runs."""
        pid = int(self._tmux("list-panes", "-F", "#{pane_pid}"))
        return [child for child in psutil.Process(pid).children() if _is_server(child)]

    def close(self) -> None:
        self._tmux("kill-server", check=False)

    def _mode_line_at(self, lines: list[str]) -> int:
        return next((row for row, line in enumerate(lines) if re.match(r"-UU.:", line)), len(lines))

    def _tmux(self, *arguments: str, env: Mapping[str, str] | None = None, check: bool = True) -> str:
        command = ["tmux", "-S", str(self._socket), *arguments]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=check).stdout


def _is_server(process: psutil.Process) -> bool:
    try:
        return "lsp_server" in process.cmdline()
    except psutil.Error:  # it has just ended
        return False
