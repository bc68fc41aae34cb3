"""Tokens: where they come from, and all the places where they never turn up."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from contextlib import closing

import pytest

from lsp_server.backends.connect import connect
from lsp_server.backends.credentials import read_token
from lsp_server.backends.endpoint import Endpoint, check, warning
from lsp_server.errors import BackendRefused, InfillError, SettingsError
from lsp_server.values import FimPrompt, Limits
from tests.remote.asking import asked
from tests.remote.fake_server import FakeServer, Request
from tests.remote.faults import GOOD, GOOD_TEXT, error

TOKEN = "sk-very-secret-0123456789"
PROMPT, LIMITS = FimPrompt("x = ", "\n"), Limits(8, 5)


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    return path


async def test_the_token_goes_to_the_server(token_file):
    async with FakeServer(GOOD) as server:
        with closing(connect(Endpoint(server.url, token=f"file:{token_file}"))) as backend:
            assert await asked(backend, PROMPT, LIMITS) == GOOD_TEXT
    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


async def test_the_token_may_be_in_the_environment(monkeypatch):
    monkeypatch.setenv("INFILL_TEST_TOKEN", TOKEN)
    assert read_token("env:INFILL_TEST_TOKEN").value == TOKEN


def test_the_token_may_be_in_the_keyring(monkeypatch):
    keyring = pytest.importorskip("keyring")
    stored = {("gpu", "infill-ls"): TOKEN}
    monkeypatch.setattr(keyring, "get_password", lambda service, user: stored.get((service, user)))
    assert read_token("keyring:gpu").value == TOKEN


def test_a_keyring_that_is_locked_is_told_without_what_it_says(monkeypatch):
    keyring = pytest.importorskip("keyring")

    def locked(service: str, user: str) -> str:
        raise keyring.errors.KeyringLocked(f"not for {TOKEN}")

    monkeypatch.setattr(keyring, "get_password", locked)
    with pytest.raises(SettingsError, match=r"could not be read \(KeyringLocked\); unlock it") as caught:
        read_token("keyring:gpu")
    assert TOKEN not in str(caught.value)


def test_a_keyring_without_it_says_how_to_store_it(monkeypatch):
    keyring = pytest.importorskip("keyring")
    monkeypatch.setattr(keyring, "get_password", lambda service, user: None)
    with pytest.raises(SettingsError, match="keyring set gpu infill-ls"):
        read_token("keyring:gpu")


@pytest.mark.skipif(os.name != "posix", reason="other systems have other permissions")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_refused(token_file, mode):
    token_file.chmod(mode)
    with pytest.raises(SettingsError, match="chmod 600"):
        read_token(f"file:{token_file}")


@pytest.mark.parametrize(
    "source",
    [TOKEN, f"token:{TOKEN}", "env:", "env:INFILL_NO_SUCH_VARIABLE", "file:/no/such/file", "file:", f"Bearer {TOKEN}"],
)
def test_what_names_no_token_is_told_without_repeating_it(source):
    with pytest.raises(SettingsError) as caught:
        read_token(source)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("content", ["", "two\nlines", "\u200bx", "x" * 0])
def test_a_token_that_no_header_could_hold_is_refused(token_file, content):
    token_file.write_text(content, "utf-8")
    with pytest.raises(SettingsError, match="holds no usable token"):
        read_token(f"file:{token_file}")


async def test_a_wrong_token_is_told_without_showing_it_even_if_the_server_does(token_file, caplog):
    async def echo(request: Request):
        async for part in error(401, f"bad key {request.headers['authorization']}")(request):
            yield part

    caplog.set_level(logging.DEBUG)
    async with FakeServer(echo) as server:
        with closing(connect(Endpoint(server.url, token=f"file:{token_file}"))) as backend:
            with pytest.raises(BackendRefused, match="wants a token, or another one") as caught:
                await asked(backend, PROMPT, LIMITS)
            shown = [
                str(caught.value),
                repr(caught.value),
                repr(backend.endpoint),
                caplog.text,
                backend.body(PROMPT, LIMITS),
            ]
            shown += [repr(value) for value in vars(backend._connections).values()]
    assert TOKEN not in "".join(shown)


async def test_a_redirect_gets_neither_code_nor_token(token_file):
    async with FakeServer(GOOD) as elsewhere:

        async def sends_on(request: Request):
            from tests.remote.fake_server import whole

            async for part in whole(307, b"", Location=elsewhere.url + request.path)(request):
                yield part

        async with FakeServer(sends_on) as server:
            with (
                closing(connect(Endpoint(server.url, token=f"file:{token_file}"))) as backend,
                pytest.raises(BackendRefused, match="sends its visitors on"),
            ):
                await asked(backend, PROMPT, LIMITS)
        assert elsewhere.n_connections == 0


def test_the_token_is_no_argument_of_any_process(token_file):
    code = "import sys; from lsp_server.backends.credentials import read_token; print(read_token(sys.argv[1]))"
    command = [sys.executable, "-c", code, f"file:{token_file}"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "(a token)\n"
    assert TOKEN not in " ".join(command)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "gpu:8000",
        "ftp://gpu/",
        "http://",
        "http://gpu:port",
        "https://user:pw@gpu/",
        "https://gpu/?key=x",
        "http://[::1",
    ],
)
def test_a_url_that_cannot_be_used_is_told_without_what_is_secret_in_it(url):
    with pytest.raises(InfillError, match=r"backend\.servers") as caught:
        check(Endpoint(url))
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "warns"),
    [
        ("http://127.0.0.1:8080", False), ("http://[::1]:8080", False), ("http://localhost", False),
        ("http://192.168.1.5:8000", False), ("http://10.0.0.7", False), ("http://gpu:8000", False),
        ("http://gpu.local", False), ("https://gpu.example.com", False),
        ("http://gpu.example.com", True), ("http://8.8.8.8", True), ("http://[2606:4700::1]", True),
    ],
)  # fmt: skip
def test_code_that_travels_unencrypted_beyond_the_house_is_warned_of(url, warns):
    assert bool(warning(Endpoint(url))) is warns
