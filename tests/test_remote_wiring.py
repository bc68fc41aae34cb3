"""Model servers from the settings to an answer: the wiring, with a FAKE server."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from lsp_server.assemble import load_engine
from lsp_server.cli import main
from lsp_server.pipeline import complete
from lsp_server.settings import Settings, merge
from lsp_server.values import Reason, Snapshot
from tests.remote.fake_server import FakeServer, streams
from tests.remote.faults import error, llama


def engine_for(*servers: dict[str, object], **backend: object):
    settings, complaints = merge(
        Settings(), {"backend": {"servers": list(servers), **backend}, "suggest": {"maxTimeMs": 20_000}}
    )
    assert complaints == ()
    return load_engine(settings)


def snapshot(path: str = "/double.py") -> Snapshot:
    text = "def double(x):\n    return \n"
    return Snapshot(f"file://{path}", path, "python", 1, text, text.index("return ") + 7, invoked=True)


async def test_a_server_in_the_settings_answers():
    async with FakeServer(streams(llama(" 2 * x"), llama("", stop=True))) as server:
        engine = engine_for({"url": server.url})
        answer = await complete(engine, snapshot(), None, None)
        assert answer.completion is not None and answer.completion.text.strip() == "2 * x"
        engine.backend.close()


async def test_explain_prints_exactly_what_is_sent(capsys, tmp_path):
    file = tmp_path / "double.py"
    file.write_text("def double(x):\n    return \n")
    async with FakeServer(streams(llama("2 * x"), llama("", stop=True))) as server:
        arguments = ["complete", f"{file}:2", "--backend", server.url, "--explain"]
        assert await asyncio.to_thread(main, arguments) == 0
        (request,) = server.requests
    assert f"sent to\n{server.url}{request.path}\n{request.body.decode()}\n" in capsys.readouterr().out


async def test_asking_in_a_file_with_secrets_says_why_there_is_nothing(capsys, tmp_path):
    file = tmp_path / ".env"
    file.write_text("API_KEY=\n")
    async with FakeServer(error(500)) as server:
        assert await asyncio.to_thread(main, ["complete", f"{file}:1", "--backend", server.url, "--explain"]) == 1
        assert server.n_connections == 0
    assert "no suggestion: the file is on the list of files that are never sent" in capsys.readouterr().out


async def test_the_model_in_this_process_answers_while_the_server_is_down():
    async with FakeServer(error(500)) as server:
        engine = engine_for({"url": server.url})
        answer = await complete(engine, snapshot(), None, None)
        assert answer.trace.generation is not None
        engine.backend.close()


async def test_a_file_with_secrets_is_answered_empty_and_not_sent():
    async with FakeServer(error(500)) as server:
        engine = engine_for({"url": server.url}, neverSend=["double.py"])
        unsaved = dataclasses.replace(snapshot(""), uri="untitled:.env")
        for asked_in in (snapshot("/double.py"), snapshot("/home/ada/.env"), unsaved):
            answer = await complete(engine, asked_in, None, None)
            assert answer.completion is None and answer.trace.reason is Reason.EXCLUDED
        assert server.n_connections == 0
        engine.backend.close()


def test_where_nothing_leaves_the_machine_every_file_may_be_seen(engine):
    remote = engine_for({"url": "http://127.0.0.1:9"})
    paths = ("/home/ada/.env", "/cart.py")
    assert [remote.may_see(path) for path in paths] == [False, True]
    assert [engine.may_see(path) for path in paths] == [True, True]
    remote.backend.close()


@pytest.mark.parametrize(
    ("servers", "complaint"),
    [
        ("http://gpu", "backend.servers: expected a list of tables"),
        ([{}], "backend.servers[0]: expected a table with a url"),
        ([{"url": "http://gpu", "tokn": "x"}], "backend.servers[0].tokn: there is no such setting"),
        (
            [{"url": "http://gpu", "role": "boss"}],
            'backend.servers[0].role: expected "primary" or "fallback" or "hedge"',
        ),
        ([{"url": "http://gpu", "weight": "2"}], "backend.servers[0].weight: expected a whole number"),
    ],
)
def test_a_server_that_cannot_be_used_is_named(servers, complaint):
    settings, (said,) = merge(Settings(), {"backend.servers": servers})
    assert said.startswith(complaint) and settings.backend.servers == ()


def test_a_workspace_names_no_servers():
    settings, complaints = merge(Settings(), {"backend.servers": [{"url": "http://evil"}]}, from_workspace=True)
    assert settings.backend.servers == () and len(complaints) == 1


def test_no_server_setting_holds_a_token():
    assert dataclasses.asdict(Settings())["backend"]["servers"] == ()
