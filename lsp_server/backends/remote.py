"""A model server as a backend: one request, one stream, closed the moment nobody wants more of it."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from time import perf_counter
from typing import TypeVar, cast

import anyio
import httpx

from lsp_server.backends.dialect import Asked, Dialect, Said
from lsp_server.backends.endpoint import Endpoint
from lsp_server.backends.event_stream import DONE, FRAMINGS, Framing, parsed
from lsp_server.backends.http import Connections, beginning
from lsp_server.backends.rendering import Rearmed, Rendered, Rendering
from lsp_server.backends.writing import Ends, Writing
from lsp_server.errors import BackendError, BackendGarbled, BackendRefused, BackendTimeout, BackendUnavailable
from lsp_server.values import Event, FimPrompt, Limits, Piece, PromptEvaluated

PAUSES_S = (0.05, 0.1)  # before the second attempt and the third, on average
MAX_STOP_IDS = 64
LINGER_S = 0.03  # for the end of an answer that is complete, so that its connection can be used again

T = TypeVar("T")


class RemoteBackend:
    """Greedy decoding on a server."""

    def __init__(
        self, endpoint: Endpoint, dialect: Dialect, rendering: Rendering, ends: Ends, connections: Connections
    ) -> None:
        self.endpoint = endpoint
        self.dialect = dialect
        self._rendering = rendering
        self._ends = ends
        self._connections = connections

    async def stream(self, prompt: FimPrompt, limits: Limits) -> AsyncGenerator[Event, None]:
        """Raises BackendError, no later than the first token is due.

        What is written when the time is up stays: an empty piece tells the stopping rules how late it is.
        """
        rendered = self._rendering(prompt)
        due = perf_counter() + (self.endpoint.first_token_s or limits.max_time_s)
        chunks, said = await self._begin(self._encoded(self._asked(rendered, limits)), due)
        async with aclosing(chunks):
            yield _evaluated(said, rendered)
            due = perf_counter() + limits.hard_max_time_s
            writing = Writing(self._ends, rendered.owed, Rearmed() if self.dialect.prompt == "text" else None)
            while True:
                if piece := writing.take(said):
                    yield piece
                if writing.ended:
                    return
                try:
                    said = await _in_time(_next(chunks), due)
                except TimeoutError:
                    yield Piece("")
                    return

    async def is_ready(self, timeout_s: float) -> bool | None:
        """What the server says of itself; None where it has no way to."""
        if not self.dialect.health:
            return None
        try:
            with anyio.fail_after(timeout_s):
                async with self._connections.send("GET", self.endpoint.at(self.dialect.health)):
                    return True
        except BackendRefused:
            return None
        except (BackendError, TimeoutError):
            return False

    def body(self, prompt: FimPrompt, limits: Limits) -> str:
        """Exactly what `stream` would send, as JSON."""
        return self._encoded(self.asked(prompt, limits)).decode()

    def asked(self, prompt: FimPrompt, limits: Limits) -> Asked:
        """What `stream` would ask for, for who wants to ask for something else."""
        return self._asked(self._rendering(prompt), limits)

    def said(self, asked: Asked) -> AsyncGenerator[Said, None]:
        """What the server says to exactly this, once and without a deadline. Raises BackendError."""
        return self._chunks(self._encoded(asked))

    async def look(self, path: str) -> bytes:
        """What the server has at another of its addresses. Raises BackendError."""
        async with self._connections.send("GET", self.endpoint.at(path)) as response:
            return await beginning(response)

    def close(self) -> None:
        self._connections.close()

    def _asked(self, rendered: Rendered, limits: Limits) -> Asked:
        return Asked(
            prompt=rendered.prompt,
            suffix=rendered.suffix,
            max_tokens=limits.hard_max_tokens,
            stops=self._ends.texts[: self.dialect.max_stops],
            stop_ids=tuple(sorted(self._ends.ids)[:MAX_STOP_IDS]),
            model=self.endpoint.model,
            owed=rendered.owed,
            extra=rendered.extra,
        )

    def _encoded(self, asked: Asked) -> bytes:
        return json.dumps(self.dialect.body(asked), ensure_ascii=False, separators=(",", ":")).encode()

    async def _begin(self, body: bytes, due: float) -> tuple[AsyncGenerator[Said, None], Said]:
        """The answer and the first that it says. Asking again is safe until then, since nobody has seen anything."""
        last: BackendError | None = None
        for pause_s in (*PAUSES_S, None):
            chunks = self._chunks(body)
            try:
                return chunks, await _in_time(_next(chunks), due)
            except TimeoutError as error:
                raise last or BackendTimeout(
                    f"{self.endpoint.name} did not begin to answer in time; look into its load"
                ) from error
            except BackendError as error:
                last = error
                # Many clients lost the same server at the same time; they should not all come back at once.
                wait_s = error.wait_s or (pause_s or 0) * random.uniform(0.5, 1.5)
                if pause_s is None or not error.again or perf_counter() + wait_s >= due:
                    raise
            await anyio.sleep(wait_s)
        raise AssertionError("the last attempt returns or raises")

    async def _chunks(self, body: bytes) -> AsyncGenerator[Said, None]:
        """What the server says, until it says that it is done; closing this closes the response."""
        async with self._connections.send("POST", self.endpoint.at(self.dialect.path), body) as response:
            framing = self._framing(response)
            # A generator by nature, though httpx promises only an iterator.
            body_parts = cast("AsyncGenerator[bytes, None]", response.aiter_raw())
            async with aclosing(body_parts) as parts:
                async for data in parts:
                    for event in framing.feed(data):
                        said = self._read(event, body)
                        if said.ended:
                            with anyio.move_on_after(LINGER_S):
                                await _drain(parts)
                        yield said
                for event in framing.end():
                    yield self._read(event, body)
        raise BackendUnavailable(f"{self.endpoint.name} broke off in the middle of its answer; look into its log")

    def _framing(self, response: httpx.Response) -> Framing:
        content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        encoding = response.headers.get("content-encoding", "identity")
        if content_type != self.dialect.content_type or encoding != "identity":
            raise BackendGarbled(
                f"{self.endpoint.name} answers with {content_type or 'something'}, and not as {self.dialect.name} does;"
                " correct url or dialect in backend.servers"
            )
        return FRAMINGS[content_type]()

    def _read(self, event: bytes, body: bytes) -> Said:
        if event == DONE:
            return Said(ended=True)
        try:
            said = self.dialect.read(parsed(event))
            said.text.encode()
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise BackendGarbled(
                f"{self.endpoint.name} does not answer as {self.dialect.name} does; correct dialect"
            ) from error
        if said.error:
            raise self._connections.failed(said.error, body)
        return said


def _evaluated(said: Said, rendered: Rendered) -> PromptEvaluated:
    n_tokens = rendered.n_tokens if said.n_prompt_tokens is None else said.n_prompt_tokens
    return PromptEvaluated(n_tokens, said.n_reused_tokens or 0, said.prompt_ms or 0.0)


async def _next(chunks: AsyncGenerator[Said, None]) -> Said:
    return await chunks.__anext__()


async def _drain(parts: AsyncGenerator[bytes, None]) -> None:
    async for _ in parts:
        pass


async def _in_time(awaitable: Awaitable[T], due: float) -> T:
    """Raises TimeoutError when it is not there when it is due."""
    with anyio.fail_after(max(0.0, due - perf_counter())):
        return await awaitable
