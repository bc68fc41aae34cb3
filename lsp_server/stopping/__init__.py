"""The rules that run while the model writes, and what is made of several that fire."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from lsp_server.stopping.chatter import control_token, fence_is_closed, file_begins_again
from lsp_server.stopping.confidence import unsure_of_the_beginning
from lsp_server.stopping.dedent import dedent_below_block
from lsp_server.stopping.definition import next_definition_begins
from lsp_server.stopping.doubt import is_at_home
from lsp_server.stopping.limits import time_limit, token_limit
from lsp_server.stopping.line import line_is_complete, nothing_is_missing
from lsp_server.stopping.repetition import characters_repeat, lines_repeat
from lsp_server.stopping.suffix import suffix_above, suffix_is_reached
from lsp_server.stopping.written import Stop, Written
from lsp_server.values import Reason

# Asked with every piece: what they say is done.
PIECE_RULES: tuple[Callable[[Written], Stop | None], ...] = (
    line_is_complete,
    control_token,
    unsure_of_the_beginning,
    nothing_is_missing,
    characters_repeat,
    token_limit,
    time_limit,
)
# Asked with every line that ended: each names all places where the text may have gone too far.
LINE_RULES: tuple[Callable[[Written], Iterator[Stop]], ...] = (
    suffix_is_reached,
    dedent_below_block,
    next_definition_begins,
    lines_repeat,
    fence_is_closed,
    file_begins_again,
)
# Written on to see what comes of a stop that is in doubt, or of one that leaves the document broken; and never longer
# than so many seconds. Of a loop nothing comes any more, but the count may be off.
PATIENCE_LINES, LOOP_PATIENCE_LINES = 16, 6
PATIENCE_S = 0.3
LOOPS = (Reason.REPETITION, Reason.STARTED_OVER, Reason.TALK)
AT_ONCE = (Reason.LINE_COMPLETE, Reason.UNSURE, Reason.NOTHING_MISSING)
LIMITS = (Reason.TOKEN_LIMIT, Reason.TIME_LIMIT)


def first_stop(written: Written) -> Stop | None:
    """Where the text ends, once that is certain or nothing more is to be waited for; None while it may go on."""
    ends = [stop for rule in PIECE_RULES if (stop := rule(written))]
    if not ends and not written.ends_line:
        return None
    end = min(ends, key=_place, default=None)
    if end and end.reason in AT_ONCE:
        return end
    stops = _stops_at_lines(written)
    doubts = [stop for stop in stops if not stop.is_sure]
    if end is None:
        end = _certain(written, [stop for stop in stops if stop.is_sure])
    if end is None:
        return _least_harm(written, stops) if _has_seen_enough(written, stops) else None
    earlier = [doubt for doubt in doubts if doubt.keep < end.keep]
    if end.reason not in LIMITS:
        earlier = [doubt for doubt in earlier if not is_at_home(written, doubt, doubts, end.keep)]
    return _least_harm(written, [*earlier, end])


def _stops_at_lines(written: Written) -> list[Stop]:
    stops = [stop for rule in LINE_RULES for stop in rule(written)]
    stops += [earlier for stop in stops for earlier in suffix_above(written, stop)]
    return sorted(stops, key=_place)


def _certain(written: Written, stops: list[Stop]) -> Stop | None:
    """The first stop that leaves a document without errors; once the model is done, the one with the fewest."""
    ends = [*stops, Stop(Reason.END_OF_TEXT, len(written.text))] if written.is_whole else stops
    # Talk is no code, however broken the document is without it.
    return next((stop for stop in stops if stop.reason is Reason.TALK or not written.harm(stop.keep)), None) or (
        _least_harm(written, ends) if written.is_whole else None
    )


def _has_seen_enough(written: Written, stops: list[Stop]) -> bool:
    if not stops:
        return False
    n_chars = len(written.text)
    waited_s = written.elapsed_s * (n_chars - stops[0].keep) / n_chars
    return waited_s >= PATIENCE_S or any(written.n_lines_behind(stop.keep) >= _patience(stop) for stop in stops)


def _patience(stop: Stop) -> int:
    return LOOP_PATIENCE_LINES if stop.reason in LOOPS else PATIENCE_LINES


def _least_harm(written: Written, stops: Iterable[Stop]) -> Stop:
    """The first that leaves a document without errors, or else the one with the fewest."""
    return min(stops, key=lambda stop: (written.harm(stop.keep), stop.keep))


def _place(stop: Stop) -> int:
    return stop.keep
