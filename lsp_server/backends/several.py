"""Several servers as one backend: who is asked, who comes next when that one fails, and what the user hears of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter

from lsp_server.backends.circuit import Circuit
from lsp_server.backends.endpoint import warning
from lsp_server.backends.race import Stream, first_to_speak
from lsp_server.backends.remote import RemoteBackend
from lsp_server.backends.standby import Standby
from lsp_server.errors import BackendError, BackendUnavailable
from lsp_server.values import Event, FimPrompt, Limits

PROBE_TIMEOUT_S = 1.0
MIN_BUDGET_S = 0.02  # with less, nobody could answer in time
LAST = {"primary": 0, "fallback": 1, "hedge": 2}


@dataclass(slots=True)
class Member:
    backend: RemoteBackend
    circuit: Circuit = field(default_factory=Circuit)
    recovery: asyncio.Task[None] | None = None

    @property
    def role(self) -> str:
        return self.backend.endpoint.role

    @property
    def name(self) -> str:
        return self.backend.endpoint.name


class Several:
    """The servers in the order of their roles, and behind them the model in this process where there is one.

    This process stays with one primary server for as long as it answers, since that server's memory holds what was
    typed before. Weights decide which one, and so spread the people of a team over the servers. `tell` gets a sentence
    for each change and never for a request.
    """

    def __init__(
        self,
        backends: Sequence[RemoteBackend],
        *,
        standby: Standby | None = None,
        hedges: bool = False,
        tell: Callable[[str], None] = lambda news: None,
    ) -> None:
        self._members = sorted(map(Member, backends), key=lambda member: (LAST[member.role], _lot(member)))
        self._standby = standby
        self._hedges = hedges
        self._tell = tell
        for text in dict.fromkeys(warning(backend.endpoint) for backend in backends):
            if text:
                tell(text)

    @property
    def members(self) -> tuple[Member, ...]:
        return tuple(self._members)

    async def stream(self, prompt: FimPrompt, limits: Limits) -> AsyncGenerator[Event, None]:
        """Raises BackendError when nobody answers in time."""
        due = perf_counter() + limits.max_time_s
        error: BackendError | None = None
        for member in self._candidates():
            left = replace(limits, max_time_s=due - perf_counter())
            if left.max_time_s < MIN_BUDGET_S:
                break
            try:
                member, events, first = await self._begin(member, prompt, left)
            except BackendError as failure:
                error = failure
                continue
            async with aclosing(self._watched(member, events, first)) as watched:
                async for event in watched:
                    yield event
            return
        left = replace(limits, max_time_s=due - perf_counter())
        if self._standby is None or left.max_time_s < MIN_BUDGET_S:
            raise error or self._nobody()
        async with aclosing(self._standby.stream(prompt, left)) as events:
            async for event in events:
                yield event

    def what_is_sent(self, prompt: FimPrompt, limits: Limits) -> tuple[str, str]:
        """An address, and exactly what is sent there."""
        backend = self._members[0].backend
        return backend.endpoint.at(backend.dialect.path), backend.body(prompt, limits)

    def close(self) -> None:
        for member in self._members:
            if member.recovery is not None and not member.recovery.get_loop().is_closed():
                member.recovery.get_loop().call_soon_threadsafe(member.recovery.cancel)
            member.backend.close()
        if self._standby is not None:
            self._standby.close()

    def _candidates(self) -> list[Member]:
        """Hedging servers help others out, and answer alone only when all others are down."""
        return [member for member in self._members if not member.circuit.is_open]

    async def _begin(self, member: Member, prompt: FimPrompt, limits: Limits) -> tuple[Member, Stream, Event]:
        """Who answers, with the first event."""
        runners = [member, *self._hedges_for(member)]
        started = perf_counter()
        number, events, first = await first_to_speak(
            [partial(runner.backend.stream, prompt, limits) for runner in runners],
            after_s=member.circuit.p95_first_token_s or limits.max_time_s,
            failed=lambda number, error: self._failed(runners[number], error),
        )
        winner = runners[number]
        if winner.circuit.succeeded(perf_counter() - started):
            self._tell(f"{winner.name} answers again")
        return winner, events, first

    async def _watched(self, member: Member, events: Stream, first: Event) -> AsyncGenerator[Event, None]:
        async with aclosing(events):
            yield first
            try:
                async for event in events:
                    yield event
            except BackendError as error:
                self._failed(member, error)
                raise

    def _hedges_for(self, member: Member) -> list[Member]:
        if not self._hedges or member.role == "hedge" or member.circuit.p95_first_token_s is None:
            return []
        return [other for other in self._candidates() if other.role == "hedge"][:1]

    def _failed(self, member: Member, error: BackendError) -> None:
        if member.circuit.failed(error):
            self._tell(f"{error}; {self._successor()}")
        if member.circuit.is_open and (member.recovery is None or member.recovery.done()):
            member.recovery = asyncio.get_running_loop().create_task(self._recover(member))

    async def _recover(self, member: Member) -> None:
        """Wait until the server may be asked again, and longer while it says itself that it may not."""
        while member.circuit.is_open:
            await asyncio.sleep(member.circuit.remaining_s)
            if await member.backend.is_ready(PROBE_TIMEOUT_S) is False:
                member.circuit.wait()

    def _successor(self) -> str:
        others = self._candidates()
        if others:
            return f"{others[0].name} answers meanwhile"
        return "the model in this process answers meanwhile" if self._standby else "nobody answers meanwhile"

    def _nobody(self) -> BackendError:
        """All circuits are open: the newest reason of the first server, again."""
        error = self._members[0].circuit.error
        return (
            type(error)(str(error))
            if error
            else BackendUnavailable("no model server can be asked; check backend.servers")
        )


def _lot(member: Member) -> float:
    """A weighted shuffle: each comes first with a probability like its weight (Efraimidis and Spirakis 2006)."""
    return -float(random.random() ** (1 / max(member.backend.endpoint.weight, 1e-9)))
