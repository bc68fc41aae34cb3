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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

PATIENCE_S = 60.0
CODE_SERVER = "node_modules/code-server/out/node/entry.js"
# What the user has set. The popup is off, so that the suggestion is the only thing that is drawn over the text.
USERS_SETTINGS = {
    "files.autoSave": "off",
    "editor.minimap.enabled": False,
    "editor.quickSuggestions": {"other": "off", "comments": "off", "strings": "off"},
    "editor.suggestOnTriggerCharacters": False,
    "security.workspace.trust.enabled": False,
    "telemetry.telemetryLevel": "off",
    "workbench.startupEditor": "none",
}
OPTIONS = (
    *("--auth", "none", "--disable-telemetry", "--disable-update-check"),
    *("--disable-workspace-trust", "--disable-getting-started-override"),
)
CHROMIUM_OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
STATUS = '[id="infill.infill.infill"]'
LINE_AT_CURSOR = """() => {
  const top = document.querySelector(".monaco-editor .cursor").style.top;
  return [...document.querySelectorAll(".view-lines > .view-line")].find((line) => line.style.top === top)?.textContent;
}"""
GHOST = ".ghost-text-decoration, .ghost-text-decoration-preview, .suggest-preview-text"


def find() -> tuple[Path, Path, str] | None:
    """code-server's program, our packaged extension, and Chromium; None where one of them is missing.

    INFILL_CODE_SERVER is the folder that `npm install code-server` was run in, INFILL_VSIX what `npm run package` made.
    """
    program = Path(os.environ.get("INFILL_CODE_SERVER", "/nowhere"), CODE_SERVER)
    extension = Path(os.environ.get("INFILL_VSIX", "/nowhere"))
    chromium = shutil.which("chromium")
    return (program, extension, chromium) if program.exists() and extension.exists() and chromium else None


class CodeServer:
    """One VS Code, with all that it writes and `settings` below `folder`."""

    def __init__(
        self, program: Path, extension: Path, folder: Path, env: Mapping[str, str], **settings: object
    ) -> None:
        self.folder = folder
        self._command = [
            "node",
            str(program),
            f"--user-data-dir={folder}/user",
            f"--extensions-dir={folder}/extensions",
        ]
        # As if started from a terminal: else the login shell is asked for the path.
        self._env = {**os.environ, **env, "VSCODE_CLI": "1"}
        self.set(**settings)
        self._run("--install-extension", str(extension))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"

    def set(self, **settings: object) -> None:
        """Settings of the user, and of the machine, where VS Code looks for those that a workspace may not choose."""
        for kind, values in (("User", USERS_SETTINGS), ("Machine", settings)):
            file = self.folder / "user" / kind / "settings.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(values), "utf-8")

    @contextmanager
    def running(self) -> Iterator[CodeServer]:
        with (self.folder / "code-server.log").open("wb") as log:
            process = subprocess.Popen(
                [*self._command, *OPTIONS, f"--bind-addr={self.address}"], env=self._env, stdout=log, stderr=log
            )
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
        subprocess.run([*self._command, *arguments], env=self._env, check=True, capture_output=True)


class Window:
    """One window with one file in it."""

    def __init__(self, page: Page, address: str, file: Path) -> None:
        self._page = page
        self._file = file
        payload = json.dumps([["openFile", f"vscode-remote://{address}{file}"]])
        page.set_default_timeout(PATIENCE_S * 1000)
        page.goto(f"http://{address}/?folder={file.parent}&payload={urllib.request.quote(payload)}")
        page.click(".monaco-editor .view-lines")

    def type(self, text: str) -> None:
        self._page.keyboard.type(text, delay=20)

    def press(self, *keys: str) -> None:
        for key in keys:
            self._page.keyboard.press(key)

    def status(self) -> str:
        """Our item's icon and text in the status bar, as the class of the one and the other: "check infill"."""
        item = self._page.query_selector(STATUS)
        icon = item and item.query_selector(".codicon")
        name = re.search(r"codicon-([a-z-]+)", icon.get_attribute("class") or "") if icon else None
        return f"{name[1] if name else ''} {item.inner_text().strip()}" if item else ""

    def until_ready(self) -> None:
        until("the model", lambda: self.status() == "check infill")

    def ghost(self) -> str:
        """The suggestion on the screen; "" where there is none."""
        return self._texts(GHOST)

    def line(self) -> str:
        """The line of the cursor as it is drawn, with the suggestion in it."""
        return str(self._page.evaluate(LINE_AT_CURSOR)).replace("\u00a0", " ")

    def message(self) -> str:
        """What a notification says; "" where there is none."""
        return self._texts(".notification-list-item-message")

    def saved(self) -> str:
        """What stands in the file once it is written."""
        until("something to write", lambda: self._page.query_selector(".tab.active.dirty"))
        self.press("Control+S")
        until("the file to be written", lambda: not self._page.query_selector(".tab.active.dirty"))
        return self._file.read_text("utf-8")

    def _texts(self, selector: str) -> str:
        shown: list[str] = self._page.eval_on_selector_all(selector, "all => all.map(one => one.textContent)")
        return "".join(shown).replace("\u00a0", " ")

    def screenshot(self, file: Path) -> None:
        self._page.screenshot(path=file)


@contextmanager
def browser(chromium: str) -> Iterator[Callable[[], Page]]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_OPTIONS)
        yield lambda: running.new_page(viewport={"width": 1000, "height": 560})
        running.close()


def until(what: str, condition: Callable[[], Any]) -> Any:
    """What `condition` returns, as soon as that is something."""
    deadline = time.monotonic() + PATIENCE_S
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {PATIENCE_S:.0f} s for {what}")
        time.sleep(0.05)
    return result
