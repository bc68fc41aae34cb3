"""VS Code as its user has it: code-server, which is VS Code served to a browser, in a Chromium that nobody sees."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import psutil
from playwright.sync_api import Page, TimeoutError, ViewportSize, sync_playwright

PATIENCE_S = 60.0
CLIENT = Path(__file__).parents[2] / "editor-clients" / "vscode"
CODE_SERVER = "node_modules/code-server/out/node/entry.js"
# What the user has set. The popup is off, so that the suggestion is the only thing that is drawn over the text.
USERS_SETTINGS = {
    "files.autoSave": "off",
    "editor.minimap.enabled": False,
    "editor.stickyScroll.enabled": False,
    "editor.quickSuggestions": {"other": "off", "comments": "off", "strings": "off"},
    "editor.suggestOnTriggerCharacters": False,
    "security.workspace.trust.enabled": False,
    "security.workspace.trust.startupPrompt": "never",
    "telemetry.telemetryLevel": "off",
    "terminal.integrated.gpuAcceleration": "off",  # so that the page holds its text
    "terminal.integrated.stickyScroll.enabled": False,
    "workbench.activityBar.location": "hidden",
    "workbench.startupEditor": "none",
}
MACHINES_SETTINGS = {"workbench.welcomePage.walkthroughs.openOnInstall": False}
OPTIONS = ("--auth", "none", "--disable-telemetry", "--disable-update-check", "--disable-getting-started-override")
CHROMIUM_OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
STATUS = '[id="infill.infill.infill"]'
SIZE: ViewportSize = {"width": 1000, "height": 560}
EDITOR = ".editor-group-container.active .monaco-editor"
# From top to bottom, the lines of a suggestion among those of the text.
LINES = """editor => {
  const lines = `${editor} .view-lines > .view-line, ${editor} .suggest-preview-text > div`;
  const top = line => line.getBoundingClientRect().top;
  const placed = [...document.querySelectorAll(lines)].map(line => [top(line), line.textContent]);
  return placed.sort(([a], [b]) => a - b).map(([, text]) => text);
}"""
QUICK_INPUT = ".quick-input-widget input"
QUICK_LIST = ".quick-input-list"
SETTLED = 4  # looks in a row that see the same
GHOST = ".ghost-text-decoration, .ghost-text-decoration-preview, .suggest-preview-text"


class Tools(NamedTuple):
    code_server: Path  # its program
    extension: Path  # ours, packaged
    chromium: str


NewPage: TypeAlias = Callable[[], Page]


def find() -> Tools | None:
    """None where one of them is missing.

    INFILL_CODE_SERVER is the folder that code-server is installed in, INFILL_VSIX what `npm run package` made.
    """
    program = Path(os.environ.get("INFILL_CODE_SERVER", "/nowhere"), CODE_SERVER)
    extension = Path(os.environ.get("INFILL_VSIX", CLIENT / "infill.vsix"))
    chromium = shutil.which("chromium")
    return Tools(program, extension, chromium) if program.exists() and extension.exists() and chromium else None


class CodeServer:
    """One VS Code, with all that it writes and `settings` below `folder`."""

    process: psutil.Process

    def __init__(self, program: Path, extensions: Sequence[Path], folder: Path, env: Mapping[str, str]) -> None:
        self.folder = folder
        folders = f"--user-data-dir={folder}/user", f"--extensions-dir={folder}/extensions"
        self._command = ["node", str(program), *folders]
        # As if started from a terminal: else the login shell is asked for the path.
        self.env = {**os.environ, **env, "VSCODE_CLI": "1"}
        self.set()
        self.set_users()
        self._run(*(argument for extension in extensions for argument in ("--install-extension", str(extension))))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"

    def set(self, **settings: object) -> None:
        """Settings of the machine, where VS Code looks for those that a workspace may not choose."""
        self._write("Machine", MACHINES_SETTINGS | settings)

    def log(self) -> str:
        """What our extension has logged."""
        return "".join(file.read_text("utf-8") for file in self.folder.glob("user/logs/*/*/infill.infill/infill.log"))

    def set_users(self, **settings: object) -> None:
        self._write("User", USERS_SETTINGS | settings)

    def _write(self, kind: str, settings: Mapping[str, object]) -> None:
        file = self.folder / "user" / kind / "settings.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(settings), "utf-8")

    @contextmanager
    def running(self) -> Iterator[CodeServer]:
        with (self.folder / "code-server.log").open("wb") as log:
            process = subprocess.Popen(
                [*self._command, *OPTIONS, f"--bind-addr={self.address}"], env=self.env, stdout=log, stderr=log
            )
        self.process = psutil.Process(process.pid)
        try:
            until("code-server", self._is_healthy)
            yield self
        finally:
            process.terminate()
            process.wait(PATIENCE_S)

    def _is_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.address}/healthz", timeout=PATIENCE_S):
                return True
        except OSError:
            return False

    def _run(self, *arguments: str) -> None:
        subprocess.run([*self._command, *arguments], env=self.env, check=True, capture_output=True)


class Window:
    """One window of VS Code, with one folder open in it."""

    def __init__(self, page: Page, address: str, folder: Path) -> None:
        self._page = page
        self._folder = folder
        self._file = folder
        page.set_default_timeout(PATIENCE_S * 1000)
        page.goto(f"http://{address}/?folder={folder}")
        page.wait_for_selector(".monaco-workbench .statusbar")

    def edit(self, name: str, drawn: str) -> None:
        """Write a file with the cursor drawn as ┃, and put the cursor there in an editor."""
        before = drawn[: drawn.index("┃")]
        line, column = before.count("\n") + 1, len(before[before.rfind("\n") + 1 :].encode("utf-16-le")) // 2 + 1
        self._file = self._folder / name
        self._file.write_text(drawn.replace("┃", ""), "utf-8")
        self._pick("Control+P", str(self._file), name)
        until(name, lambda: self._page.query_selector(f'.tab.active[data-resource-name="{name}"]'))
        self._pick("Control+G", f":{line}:{column}", "Go to line")
        until("the cursor", lambda: self._page.query_selector(f"{EDITOR}.focused .cursor"))

    def _pick(self, key: str, text: str, entry: str) -> None:
        """Open VS Code's quick input, type, and take the entry as soon as it is the first one."""
        until("a place to type", lambda: self._opened_by(key))
        self._page.fill(QUICK_INPUT, text)
        self._page.wait_for_selector(f"{QUICK_LIST} .monaco-list-row.focused:has-text('{entry}')")
        self.press("Enter")
        self._page.wait_for_selector(QUICK_INPUT, state="hidden")

    def _opened_by(self, key: str) -> bool:
        """Press it again where it was lost on something that just went away."""
        self.press(key)
        with suppress(TimeoutError):
            self._page.wait_for_selector(QUICK_INPUT, timeout=1000)
            return True
        return False

    def command(self, title: str) -> None:
        """From the command palette."""
        self._pick("F1", f">{title}", title)

    def type(self, text: str, *, delay_ms: float = 20) -> None:
        self._page.keyboard.type(text, delay=delay_ms)

    def press(self, *keys: str) -> None:
        for key in keys:
            self._page.keyboard.press(key)

    def click(self, selector: str) -> None:
        self._page.click(selector)

    def status(self) -> str:
        """Our item's icon and text in the status bar, as the class of the one and the other: "check infill"."""
        item = self._page.query_selector(STATUS)
        icon = item and item.query_selector(".codicon")
        name = re.search(r"codicon-([a-z-]+)", icon.get_attribute("class") or "") if icon else None
        return f"{name[1] if name else ''} {item.inner_text().strip()}" if item else ""

    def sentence(self) -> str:
        """What our item in the status bar says to somebody who cannot see it, which is what its tooltip shows."""
        item = self._page.query_selector(f"{STATUS} a")
        return (item.get_attribute("aria-label") or "") if item else ""

    def until_ready(self) -> None:
        """The model is loaded, by our own server."""
        until("the model", lambda: self.status() == "check infill" and self.sentence().endswith("is ready"))

    def ghost(self) -> str:
        """The suggestion on the screen; "" where there is none."""
        return self._texts(GHOST)

    def until_ghost(self) -> str:
        """The suggestion, once it stays the same."""
        seen: list[str] = []

        def settled() -> bool:
            seen.append(self.ghost())
            return bool(seen[-1]) and seen[-SETTLED:] == [seen[-1]] * SETTLED

        until("a suggestion", settled)
        return seen[-1]

    def drawn(self) -> str:
        """The text as it is drawn, with the suggestion in it and without ends of lines at its end."""
        lines: list[str] = self._page.evaluate(LINES, EDITOR)
        return "\n".join(lines).replace("\u00a0", " ").rstrip("\n")

    def message(self) -> str:
        """What a notification says; "" where there is none."""
        return self._texts(".notification-list-item-message")

    def answer(self, button: str) -> None:
        """Press a button of a notification."""
        self._page.click(f'.notifications-toasts .monaco-button:text-is("{button}")')

    def entries(self) -> list[str]:
        """What the menu on the screen offers."""
        return self._all(f"{QUICK_LIST} .monaco-list-row .quick-input-list-label")

    def choose(self, entry: str) -> None:
        self._page.click(f"{QUICK_LIST} .monaco-list-row:has-text('{entry}')")

    def popup_entry(self) -> str:
        """The entry that is selected in the popup of completions."""
        return self._texts(".suggest-widget.visible .monaco-list-row.focused .label-name")

    def text_of(self, tab: str) -> str:
        """What the editor with that tab shows."""
        group = f".editor-group-container:has(.tab.active[data-resource-name='{tab}'])"
        return "\n".join(self._all(f"{group} .view-line"))

    def terminal(self) -> str:
        return "\n".join(self._all(".xterm-rows > div"))

    def page_text(self, selector: str) -> str:
        return "\n".join(self._all(selector))

    def tidy_up(self) -> None:
        """As it was: no menu, no message, no file."""
        self.press("Escape", "Escape")
        for title in ("Notifications: Clear All Notifications", "View: Revert and Close Editor"):
            self.command(title)

    def saved(self) -> str:
        """What stands in the file once it is written."""
        until("something to write", lambda: self._page.query_selector(".tab.active.dirty"))
        self.press("Control+S")
        until("the file to be written", lambda: not self._page.query_selector(".tab.active.dirty"))
        return self._file.read_text("utf-8")

    def _texts(self, selector: str) -> str:
        return "".join(self._all(selector))

    def _all(self, selector: str) -> list[str]:
        shown: list[str] = self._page.eval_on_selector_all(selector, "all => all.map(one => one.textContent)")
        return [text.replace("\u00a0", " ") for text in shown]

    def screenshot(self, file: Path, width: int, height: int) -> None:
        """Of the editor and the status bar, without the side bar."""
        self.press("Control+B")
        self._page.set_viewport_size({"width": width, "height": height})
        self._page.screenshot(path=file)
        self._page.set_viewport_size(SIZE)
        self.press("Control+B")


@contextmanager
def browser(chromium: str) -> Iterator[NewPage]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_OPTIONS)
        yield lambda: running.new_page(viewport=SIZE)
        running.close()


def until(what: str, condition: Callable[[], Any]) -> Any:
    """What `condition` returns, as soon as that is something."""
    deadline = time.monotonic() + PATIENCE_S
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {PATIENCE_S:.0f} s for {what}")
        time.sleep(0.05)
    return result
