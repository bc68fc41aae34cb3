"""What can go wrong at the other end, as answers of the FAKE server; one table for the tests and the soak."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from lsp_server.errors import (
    BackendBusy,
    BackendError,
    BackendGarbled,
    BackendLoading,
    BackendRefused,
    BackendTimeout,
    BackendUnavailable,
)
from tests.remote.fake_server import HANG_UP, LAST_CHUNK, Answer, Request, chunk, event, head, says, streams, whole

FOREVER_S = 3600.0


def llama(text: str, stop: bool = False) -> dict[str, object]:
    return {"index": 0, "content": text, "tokens": [], "stop": stop, "tokens_evaluated": 9}


GOOD = streams(llama("a + "), llama("b"), llama("", stop=True))
GOOD_TEXT = "a + b"


def drip(data: bytes, pause_s: float) -> Answer:
    async def answer(request: Request) -> AsyncIterator[bytes]:
        for i in range(len(data)):
            yield data[i : i + 1]
            await asyncio.sleep(pause_s)

    return answer


def stall_behind(*parts: bytes) -> Answer:
    async def answer(request: Request) -> AsyncIterator[bytes]:
        for part in parts:
            yield part
        await asyncio.sleep(FOREVER_S)

    return answer


def endless(part: bytes, *beginning: bytes) -> Answer:
    async def answer(request: Request) -> AsyncIterator[bytes]:
        for first in beginning:
            yield first
        for _ in range(2000):
            yield part

    return answer


def error(status: int, message: str = "no", **headers: object) -> Answer:
    body = b'{"error": {"code": %d, "message": "%s"}}' % (status, message.encode())
    return whole(status, body, **headers)


@dataclass(frozen=True)
class Fault:
    answer: Answer
    expected: type[BackendError] | str  # an error, or what is still written
    words: str = ""  # of the error's sentence


BEGUN = (head(), event(llama("a")))
MB = b"x" * 1_000_000
FAULTS: dict[str, Fault] = {
    "reset before the header": Fault(says(HANG_UP), BackendUnavailable, "look into its log"),
    "reset in the header": Fault(says(head()[:30], HANG_UP), BackendUnavailable, "look into its log"),
    "reset in the body": Fault(says(*BEGUN, HANG_UP), BackendUnavailable, "look into its log"),
    "end before the first event": Fault(streams(), BackendUnavailable, "broke off in the middle"),
    "end in the middle": Fault(says(*BEGUN, LAST_CHUNK), BackendUnavailable, "broke off in the middle"),
    "stall before the header": Fault(stall_behind(), BackendTimeout, "did not begin to answer in time"),
    "stall in the header": Fault(stall_behind(head()[:30]), BackendTimeout, "did not begin to answer in time"),
    "stall behind the header": Fault(stall_behind(head()), BackendTimeout, "did not begin to answer in time"),
    "stall in the first event": Fault(stall_behind(head(), b"40\r\ndata: {"), BackendTimeout, "in time"),
    "stall in the middle": Fault(stall_behind(*BEGUN), "a"),
    "stall in an event's length": Fault(stall_behind(*BEGUN, b"4"), "a"),
    "slow drip": Fault(drip(head() + event(llama("a")), 0.05), BackendTimeout, "in time"),
    "comments and nothing else": Fault(drip(head() + chunk(b": ping\n\n") * 99, 0.01), BackendTimeout, "in time"),
    "400": Fault(error(400), BackendRefused, "check its dialect and family .HTTP 400: no"),
    "401": Fault(error(401), BackendRefused, "wants a token"),
    "403": Fault(error(403), BackendRefused, "does not let this token in"),
    "404": Fault(error(404, "The model `x` does not exist."), BackendRefused, "The model `x` does not exist"),
    "413": Fault(error(413), BackendRefused, "lower model.windowTokens"),
    "422": Fault(whole(422, b'{"detail": [{"msg": "Field required", "input": 1}]}'), BackendRefused, "Field required"),
    "429": Fault(error(429), BackendBusy, "asks for a pause"),
    "429 for long": Fault(error(429, Retry_After=60), BackendBusy, "asks for a pause"),
    "500": Fault(error(500), BackendUnavailable, "failed; look into its log"),
    "503": Fault(error(503), BackendUnavailable, "overloaded or going down"),
    "503 while loading": Fault(error(503, "Loading model"), BackendLoading, "asked again when it is ready"),
    "an error page": Fault(whole(502, b"<html>Bad gateway</html>", "text/html"), BackendUnavailable, "HTTP 502.;?"),
    "an error of 100 MB": Fault(endless(chunk(MB), head(500, "application/json")), BackendUnavailable, "HTTP 500"),
    "a page instead of a stream": Fault(whole(200, b"<html>Hello</html>", "text/html"), BackendGarbled, "text/html"),
    "compressed though nobody asked": Fault(
        says(head(Content_Encoding="gzip")), BackendGarbled, "correct url or dialect"
    ),
    "no HTTP at all": Fault(says(b"SSH-2.0-OpenSSH_9.2\r\n\r\n" * 9), BackendUnavailable, "speaks no HTTP"),
    "a header of 100 MB": Fault(
        endless(b"X: " + MB + b"\r\n", b"HTTP/1.1 200 OK\r\n"), BackendUnavailable, "look into its log"
    ),
    "truncated JSON": Fault(streams(b'{"content": "a'), BackendGarbled, "broken JSON"),
    "invalid JSON": Fault(streams(b"{content: a}"), BackendGarbled, "broken JSON"),
    "JSON of another dialect": Fault(streams({"choices": [{"text": "a"}]}), BackendGarbled, "correct dialect"),
    "a chunk that is no object": Fault(streams(b'"a"'), BackendGarbled, "another shape"),
    "invalid UTF-8": Fault(streams(b'{"content": "\xff\xfe", "stop": false}'), BackendGarbled, "broken JSON"),
    "half a surrogate pair": Fault(
        streams(b'{"content": "\\ud83d", "stop": false}'), BackendGarbled, "correct dialect"
    ),
    "a body of 100 MB": Fault(endless(chunk(MB), *BEGUN), BackendGarbled, "far more than a suggestion"),
    "a wrong length of a chunk": Fault(says(*BEGUN, b"zz\r\n"), BackendUnavailable, "speaks no HTTP"),
    "a failure in an event": Fault(
        streams({"error": {"message": "out of memory"}}), BackendUnavailable, "out of memory"
    ),
    "a template that it does not know": Fault(
        error(501, "This model does not support infill"), BackendUnavailable, "does not support infill"
    ),
    "a redirect to another host": Fault(
        whole(307, b"", Location="http://elsewhere.example/x"),
        BackendRefused,
        "sends its visitors on to elsewhere.example",
    ),
}
