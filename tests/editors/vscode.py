"""VS Code as its user has it, in a Chromium that nobody sees."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from code_server import PATIENCE_S, until
from playwright.sync_api import Page, TimeoutError, ViewportSize, sync_playwright

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
SETTLED = 4  # looks in a row, a twentieth of a second apart, that see the same
NONE = 20
GHOST = ".ghost-text-decoration, .ghost-text-decoration-preview, .suggest-preview-text"

NewPage: TypeAlias = Callable[[], Page]


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

    def until_no_ghost(self) -> None:
        """There is none, and none comes: a suggestion takes a tenth of the time."""
        seen: list[str] = []

        def settled() -> bool:
            seen.append(self.ghost())
            return len(seen) >= NONE and not any(seen[-NONE:])

        until("nothing", settled)

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
