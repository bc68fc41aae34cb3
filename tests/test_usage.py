"""The counters on this machine: the file, the figures, and how `infill-ls stats` shows them."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lsp_server.cli import main
from lsp_server.errors import UsageError
from lsp_server.settings import usage_file
from lsp_server.usage.figures import Figures, latency, summed_up
from lsp_server.usage.store import Key, UsageWriter, read
from tests.wire import URI, Server

HALF_WRITTEN = "def find(items, name):\n    for item in items:\n        if ┃\n    return None\n"
TODAY = date.today().isoformat()
HAPPENED = {"shown": 3, "accepted": 1, "partly": 1, "taken_chars": 20, "kept_chars": 15, latency(50): 3}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    yield usage_file()


def count(path: Path, language: str = "python", model: str = "tiny", **happened: int) -> None:
    writer = UsageWriter(path)
    writer.add(language, model, happened or HAPPENED)
    writer.write()


def stats(*arguments: object) -> int:
    return main(["stats", *map(str, arguments)])


class TestTheFile:
    def test_what_was_counted_is_added_up(self, path):
        count(path)
        count(path, shown=4)
        assert read(path)[Key(TODAY, "python", "tiny", "shown")] == 7

    def test_without_a_file_nothing_was_counted(self, path):
        assert read(path) == Counter()

    def test_nothing_is_written_for_nothing(self, path):
        UsageWriter(path).write()
        assert not path.exists()

    def test_several_servers_write_at_once(self, path):
        code = (
            "import sys; from pathlib import Path; from lsp_server.usage import UsageWriter\n"
            "writer = UsageWriter(Path(sys.argv[1]))\n"
            "for _ in range(50): writer.add('python', 'tiny', {'shown': 1}); writer.write()\n"
        )
        servers = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(3)]
        assert [server.wait() for server in servers] == [0, 0, 0]
        assert read(path)[Key(TODAY, "python", "tiny", "shown")] == 150

    def test_what_cannot_be_written_is_written_later(self, path, caplog):
        writer = UsageWriter(path)
        path.mkdir(parents=True)
        writer.add("python", "tiny", {"shown": 1})
        writer.write()
        assert "usage.enabled" in caplog.text
        path.rmdir()
        writer.write()
        assert read(path).total() == 1

    def test_a_language_that_is_none_is_not_written_down(self, path):
        count(path, language="my secret/file.py")
        assert {key.language for key in read(path)} == {"other"}

    def test_a_file_that_is_something_else_is_a_sentence(self, path, capsys):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("this is no database, and longer than the header of one" * 20)
        with pytest.raises(UsageError, match="--clear"):
            read(path)
        assert stats() == 2 and "--clear" in capsys.readouterr().err
        assert stats("--clear") == 0 and stats() == 0


class TestFigures:
    def test_shares_are_of_what_was_shown_and_of_what_was_taken(self, path):
        count(path)
        total = summed_up(read(path)).total
        assert total.accepted_share == 1 / 3 and total.kept_share == 0.75

    def test_nothing_is_divided_by_nothing(self):
        assert Figures().accepted_share is Figures().kept_share is Figures().percentile_ms(0.5) is None

    @pytest.mark.parametrize(("share", "ms"), [(0.5, 50), (0.95, 800), (0.0, 50)])
    def test_percentiles_are_right_to_a_tenth(self, path, share, ms):
        count(path, **{latency(50): 90, latency(800): 10})
        found = summed_up(read(path)).total.percentile_ms(share)
        assert found == pytest.approx(ms, rel=0.1)

    def test_what_takes_no_time_is_counted_too(self):
        assert latency(0.0) == latency(1.0) == "ms:0"

    def test_the_language_with_the_most_comes_first(self, path):
        count(path, "go", shown=2)
        count(path, "python", shown=5)
        assert list(summed_up(read(path)).languages) == ["python", "go"]

    def test_days_before_the_period_are_left_out(self):
        old = (date.today() - timedelta(days=9)).isoformat()
        counts = {Key(old, "python", "tiny", "shown"): 8, Key(TODAY, "python", "tiny", "shown"): 1}
        assert summed_up(counts).total.shown == 9
        assert summed_up(counts, since=TODAY).total.shown == 1


class TestStats:
    def test_a_table_and_a_chart(self, path, capsys):
        count(path)
        count(path, "rust", "big", shown=9, accepted=9)
        assert stats() == 0
        printed = capsys.readouterr().out.splitlines()
        assert printed[0].split() == ["shown", "accepted", "in", "part", "kept", "p50", "p95"]
        rows = {line.split()[0]: line.split()[1:] for line in printed if line}
        assert rows["python"] == ["3", "1", "33%", "1", "75%", "54", "ms", "54", "ms"]
        assert rows["big"][:3] == ["9", "9", "100%"] and rows["together"][:2] == ["12", "10"]
        assert rows[TODAY] == ["█" * 33 + "░" * 7, "10", "of", "12"]

    def test_before_the_first_suggestion(self, path, capsys):
        assert stats() == 0
        assert capsys.readouterr().out.startswith("Nothing was counted so far")

    def test_for_programs(self, path, capsys):
        count(path)
        assert stats("--json", "--days", 7) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["languages"]["python"] == found["total"] == found["days"][TODAY]
        assert found["total"] | {"latency_ms": {}} == {
            "shown": 3,
            "accepted": 1,
            "partly_accepted": 1,
            "taken_chars": 20,
            "kept_chars": 15,
            "latency_ms": {},
        }

    def test_a_page_that_loads_nothing(self, path, tmp_path):
        count(path, model="<script>alert(1)</script>")
        page = tmp_path / "usage.html"
        assert stats("--html", page) == 0
        tags = Tags(page.read_text("utf-8"))
        assert tags.open == [] and {"table", "svg", "rect"} <= tags.seen
        assert not tags.seen & {"script", "link", "img", "iframe"} and not tags.attributes & {"src", "href"}

    def test_forgetting(self, path, capsys):
        count(path)
        assert stats("--clear") == 0
        assert not path.exists()
        assert stats("--clear") == 0

    def test_a_page_that_cannot_be_written(self, path, tmp_path, capsys):
        assert stats("--html", tmp_path / "nowhere" / "usage.html") == 2
        assert "could not be written" in capsys.readouterr().err


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


class TestTheServer:
    def counted(self, tmp_path: Path, *, client_settings: object = None, first_word: bool = False) -> dict[str, int]:
        """What a server counts while its editor is shown a suggestion, and takes it or its first word."""
        folder = {name: str(tmp_path) for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME")}
        server = Server(env=folder)
        server.initialize(initializationOptions=client_settings)
        at = server.open(HALF_WRITTEN)
        (item,) = server.inline(at)
        place = at["line"], at["character"]
        word = re.match(r"\w\w+\b", item["insertText"])
        assert word and word[0] != item["insertText"]
        server.change(place, place, word[0] if first_word else item["insertText"])
        if not first_word:
            server.call("workspace/executeCommand", item["command"])
        server.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
        assert server.stop() == 0
        server.kill()
        assert not (tmp_path / "infill-ls" / "usage.sqlite-journal").exists()
        counts = read(tmp_path / "infill-ls" / "usage.sqlite")
        assert {(key.language, key.model) for key in counts} <= {("python", "fim-4m-python-q8_0")}
        return {key.what: n for key, n in counts.items()}

    def test_what_it_counts(self, tmp_path):
        counts = self.counted(tmp_path)
        assert counts["shown"] == counts["accepted"] == 1
        assert counts["taken_chars"] == counts["kept_chars"] > 0
        assert sum(n for what, n in counts.items() if what.startswith("ms:")) == 1

    def test_a_word_is_a_part(self, tmp_path):
        counts = self.counted(tmp_path, first_word=True)
        assert (counts["shown"], counts["partly"], counts.get("accepted")) == (1, 1, None)
        assert counts["taken_chars"] == counts["kept_chars"] > 1

    def test_nothing_of_the_users_code_is_in_the_file(self, tmp_path):
        self.counted(tmp_path)
        with sqlite3.connect(tmp_path / "infill-ls" / "usage.sqlite") as file:
            rows = file.execute("SELECT * FROM counts").fetchall()
        file.close()
        written = {str(cell) for row in rows for cell in row if isinstance(cell, str)}
        assert all(cell in (TODAY, "python", "fim-4m-python-q8_0") or cell.isascii() for cell in written)
        names = {"shown", "accepted", "taken_chars", "kept_chars"}
        assert {row[3] for row in rows if not row[3].startswith("ms:")} == names

    def test_who_does_not_want_it_has_no_file(self, tmp_path):
        assert self.counted(tmp_path, client_settings={"usage": {"enabled": False}}) == {}
        assert not (tmp_path / "infill-ls").joinpath("usage.sqlite").exists()
