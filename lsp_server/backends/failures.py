"""What a server's failure means and what to do about it: one table for statuses, one for the library's exceptions."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import httpx

from lsp_server.backends.credentials import Secret
from lsp_server.backends.dialect import error_text
from lsp_server.backends.endpoint import Endpoint
from lsp_server.errors import (
    BackendBusy,
    BackendError,
    BackendLoading,
    BackendRefused,
    BackendTimeout,
    BackendUnavailable,
)

MAX_QUOTED_CHARS = 160
SHARED_RUN_CHARS = 24  # a server's words that share this much with the request may hold the user's code
LOADING_WAIT_S = 1.0
BUSY_WAIT_S = 5.0
MAX_WAIT_S = 300.0

STATUSES: dict[int, tuple[type[BackendError], str]] = {
    400: (BackendRefused, "finds the request wrong; check its dialect and family"),
    401: (BackendRefused, "wants a token, or another one; correct token in backend.servers"),
    403: (BackendRefused, "does not let this token in; ask whoever runs it"),
    404: (BackendRefused, "knows no such address or model; correct url, dialect or model in backend.servers"),
    405: (BackendRefused, "speaks another dialect; correct dialect in backend.servers"),
    413: (BackendRefused, "finds the prompt too large; lower model.windowTokens"),
    422: (BackendRefused, "finds the request wrong; check its dialect and family"),
    429: (BackendBusy, "asks for a pause; it is tried again later"),
    503: (BackendUnavailable, "is overloaded or going down; look into its log"),
}
GATEWAYS = (502, 503, 504)  # passing failures; a 500 would most likely come again
SERVER_FAILED = (BackendUnavailable, "failed; look into its log")
REFUSED = (BackendRefused, "refused the request; look into its log")


def of_status(endpoint: Endpoint, response: httpx.Response, body: bytes, sent: bytes, token: Secret) -> BackendError:
    """The error for an answer that is not 200."""
    status = response.status_code
    if 300 <= status < 400:
        return _redirect(endpoint, response)
    words = quotable(_words(body), sent, token)
    kind, advice = STATUSES.get(status, SERVER_FAILED if status >= 500 else REFUSED)
    wait_s = _wait_s(response.headers.get("retry-after"))
    if status == 503 and "loading" in words.lower():
        kind, advice, wait_s = (
            BackendLoading,
            "is loading its model; it is asked again when it is ready",
            wait_s or LOADING_WAIT_S,
        )
    if kind is BackendBusy:
        wait_s = wait_s or BUSY_WAIT_S
    again = kind is BackendBusy or (kind is BackendUnavailable and status in GATEWAYS)
    return kind(f"{endpoint.name} {advice} (HTTP {status}{f': {words}' if words else ''})", wait_s, again=again)


def of_words(endpoint: Endpoint, words: str, sent: bytes, token: Secret) -> BackendError:
    """The error for a failure that a server reports in the middle of its answer."""
    quoted = quotable(words, sent, token)
    return BackendUnavailable(
        f"{endpoint.name} failed while it answered{f' ({quoted})' if quoted else ''}; look into its log"
    )


def of_exception(endpoint: Endpoint, error: Exception) -> BackendError:
    """The error for what the HTTP library raised."""
    if certificate := _certificate(error):
        return BackendRefused(
            f"the certificate of {endpoint.host} cannot be trusted ({certificate});"
            " renew it, or set caFile to its authority's"
        )
    for kind, make in EXCEPTIONS:
        if isinstance(error, kind):
            return make(endpoint)
    return BackendUnavailable(f"{endpoint.name} could not be asked ({type(error).__name__}); check backend.servers")


EXCEPTIONS: tuple[tuple[type[Exception], Callable[[Endpoint], BackendError]], ...] = (
    (
        httpx.ConnectTimeout,
        lambda at: BackendTimeout(f"{at.name} takes no connections; is it up, and is the way free?"),
    ),
    (httpx.TimeoutException, lambda at: BackendTimeout(f"{at.name} is too slow; look into its load")),
    (httpx.ProxyError, lambda at: BackendUnavailable(f"the proxy on the way to {at.name} failed; correct proxy")),
    (
        httpx.ConnectError,
        lambda at: BackendUnavailable(f"no model server at {at.name}; start it or correct backend.servers", again=True),
    ),
    (
        httpx.RemoteProtocolError,
        lambda at: BackendUnavailable(f"{at.name} broke off or speaks no HTTP; look into its log", again=True),
    ),
    (
        httpx.NetworkError,
        lambda at: BackendUnavailable(f"the connection to {at.name} was lost; look into its log", again=True),
    ),
)


def quotable(words: str, sent: bytes, token: Secret) -> str:
    """A server's own words, on one line, without the token; "" where they repeat what was sent to it."""
    text = " ".join(token.hidden_in(words).split())[:MAX_QUOTED_CHARS]
    plain = sent.decode("utf-8", "replace")
    runs = (text[start : start + SHARED_RUN_CHARS] for start in range(len(text) - SHARED_RUN_CHARS + 1))
    return "" if any(run in plain for run in runs) else text


def _words(body: bytes) -> str:
    try:
        value = json.loads(body)
    except (UnicodeDecodeError, ValueError, RecursionError):
        return ""  # a page for people; nobody wants it in a status line
    return (error_text(value) or str(value.get("message") or "")) if isinstance(value, dict) else ""


def _redirect(endpoint: Endpoint, response: httpx.Response) -> BackendError:
    # Following it would hand code and token to whatever host the answer names.
    target = httpx.URL(endpoint.url).join(response.headers.get("location", "")).host
    return BackendRefused(
        f"{endpoint.name} sends its visitors on to {target or 'nowhere'}; if that is right, set url to it"
    )


def _wait_s(header: str | None) -> float | None:
    """`Retry-After`: seconds, or a date."""
    if not header:
        return None
    if header.strip().isdecimal():
        return min(float(header), MAX_WAIT_S)
    try:
        when = parsedate_to_datetime(header)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=timezone.utc)
    return min(max(0.0, (when - datetime.now(timezone.utc)).total_seconds()), MAX_WAIT_S)


def _certificate(error: BaseException | None) -> str:
    """What OpenSSL says of the certificate, from wherever in the chain of causes it stands."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return str(error.verify_message)
        if isinstance(error, httpx.ConnectError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
            return str(error).rpartition("certificate verify failed: ")[2].partition(" (_ssl")[0]
        error = error.__cause__ or error.__context__
    return ""
