"""code-server, which is VS Code served to a browser: started with our extension, all that it writes in one folder."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil

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


class Tools(NamedTuple):
    code_server: Path  # its program
    extension: Path  # ours, packaged
    chromium: str


def find() -> Tools | None:
    """None where one of them is missing.

    INFILL_CODE_SERVER is the folder that code-server is installed in, INFILL_VSIX what `npm run package` made.
    """
    program = Path(os.environ.get("INFILL_CODE_SERVER", "/nowhere"), CODE_SERVER)
    extension = Path(os.environ.get("INFILL_VSIX", CLIENT / "infill.vsix"))
    chromium = shutil.which("chromium")
    return Tools(program, extension, chromium) if program.exists() and extension.exists() and chromium else None


class CodeServer:
    """One VS Code, with all that it writes below `folder`."""

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

    def setting(self, name: str) -> object:
        """The machine's, where VS Code writes down what its user chooses and no workspace may."""
        return json.loads((self.folder / "user" / "Machine" / "settings.json").read_text("utf-8")).get(name)

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


def until(what: str, condition: Callable[[], Any]) -> Any:
    """What `condition` returns, as soon as that is something."""
    deadline = time.monotonic() + PATIENCE_S
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {PATIENCE_S:.0f} s for {what}")
        time.sleep(0.05)
    return result
