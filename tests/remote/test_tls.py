"""Certificates are verified, whatever anybody wishes; proxies, own authorities and client certificates work."""

from __future__ import annotations

import datetime
import ssl
from contextlib import closing

import pytest

from lsp_server.backends.connect import connect
from lsp_server.backends.endpoint import Endpoint
from lsp_server.errors import BackendError, BackendRefused, BackendUnavailable, SettingsError
from lsp_server.values import FimPrompt, Limits
from tests.remote.asking import asked
from tests.remote.fake_server import FakeServer
from tests.remote.faults import GOOD, GOOD_TEXT

trustme = pytest.importorskip("trustme")
PROMPT, LIMITS = FimPrompt("x = ", "\n"), Limits(8, 5)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority, tmp_path_factory):
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


def serving(authority, *names: str, **issued: object) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **issued).configure_cert(context)
    return context


async def answered(tls: ssl.SSLContext, **settings: str) -> str:
    async with FakeServer(GOOD, tls=tls) as server:
        with closing(connect(Endpoint(server.url, **settings))) as backend:
            return await asked(backend, PROMPT, LIMITS)


async def test_an_own_authority_is_trusted_when_named(authority, ca_file):
    assert await answered(serving(authority, "127.0.0.1"), ca_file=ca_file) == GOOD_TEXT


async def test_and_not_otherwise(authority):
    with pytest.raises(BackendRefused, match=r"cannot be trusted .*; renew it, or set caFile"):
        await answered(serving(authority, "127.0.0.1"))


async def test_an_expired_certificate_is_refused(authority, ca_file):
    yesterday = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    with pytest.raises(BackendRefused, match="certificate has expired"):
        await answered(serving(authority, "127.0.0.1", not_after=yesterday), ca_file=ca_file)


async def test_a_certificate_for_another_name_is_refused(authority, ca_file):
    with pytest.raises(BackendRefused, match="cannot be trusted"):
        await answered(serving(authority, "elsewhere.example"), ca_file=ca_file)


async def test_a_client_shows_its_certificate(authority, ca_file, tmp_path):
    tls = serving(authority, "127.0.0.1")
    tls.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(tls)
    client = authority.issue_cert("developer@example.com")
    client.private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    assert await answered(tls, ca_file=ca_file, client_cert=str(tmp_path / "client.pem")) == GOOD_TEXT
    with pytest.raises(BackendError):
        await answered(tls, ca_file=ca_file)


def test_certificate_files_that_cannot_be_used_are_named():
    with pytest.raises(SettingsError, match="certificate files for gpu"):
        connect(Endpoint("https://gpu", ca_file="/no/such/file"))


async def test_a_proxy_passes_the_request_on():
    async with FakeServer(GOOD) as proxy:
        with closing(connect(Endpoint("http://model.internal:8000", proxy=proxy.url))) as backend:
            assert await asked(backend, PROMPT, LIMITS) == GOOD_TEXT
    assert proxy.requests[0].path == "http://model.internal:8000/infill"


async def test_a_proxy_may_have_a_certificate_of_an_own_authority(authority, ca_file):
    async with FakeServer(GOOD, tls=serving(authority, "127.0.0.1")) as proxy:
        endpoint = Endpoint("http://model.internal:8000", proxy=proxy.url, ca_file=ca_file)
        with closing(connect(endpoint)) as backend:
            assert await asked(backend, PROMPT, LIMITS) == GOOD_TEXT


async def test_a_proxy_from_the_environment_is_used_except_for_this_machine(monkeypatch):
    async with FakeServer(GOOD) as proxy, FakeServer(GOOD) as here:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        for url in ("http://model.internal:8000", here.url):
            with closing(connect(Endpoint(url))) as backend:
                assert await asked(backend, PROMPT, LIMITS) == GOOD_TEXT
        assert (len(proxy.requests), len(here.requests)) == (1, 1)


async def test_a_proxy_that_is_not_there_is_told():
    with (
        closing(connect(Endpoint("http://model.internal:8000", proxy="http://127.0.0.1:9"))) as backend,
        pytest.raises(BackendUnavailable),
    ):
        await asked(backend, PROMPT, Limits(8, 1))


def test_no_setting_switches_verification_off():
    names = set(Endpoint.__dataclass_fields__)
    assert not [name for name in names if "verify" in name or "insecure" in name]
