"""The rules that run while the model writes, and what is made of several that fire."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from lsp_server.stopping.chatter import control_token, fence_is_closed, file_begins_again
from lsp_server.stopping.dedent import dedent_below_block
from lsp_server.stopping.definition import next_definition_begins
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
PATIENCE_LINES = 6  # written on, to see whether a place that leaves the document broken is followed by a better one


def first_stop(written: Written) -> Stop | None:
    stops = [stop for rule in PIECE_RULES if (stop := rule(written))]
    if stops:
        return min(stops, key=lambda stop: stop.keep)
    if not written.ends_line:
        return None
    stops = [stop for rule in LINE_RULES for stop in rule(written)]
    stops += [earlier for stop in stops for earlier in suffix_above(written, stop)]
    return _best(written, sorted(stops, key=lambda stop: stop.keep))


def _best(written: Written, stops: Iterable[Stop]) -> Stop | None:
    """The first stop that leaves a document without errors, or else, after some lines more, with the fewest."""
    stops = list(stops)
    for stop in stops:
        if not _harm(written, stop):
            return stop
    if not stops:
        return None
    if written.is_whole:
        stops.append(Stop(Reason.END_OF_TEXT, len(written.text)))
    elif written.n_lines_behind(stops[0].keep) < PATIENCE_LINES:
        return None
    return min(stops, key=lambda stop: (_harm(written, stop), stop.keep))


def _harm(written: Written, stop: Stop) -> int:
    return written.leaves_orphan(stop.keep) + written.n_errors(stop.keep)
