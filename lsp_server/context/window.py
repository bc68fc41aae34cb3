"""Which lines the model sees.

When the document is larger than the budget, these are kept, in this order: the statement at the cursor; the functions
around it; imports and module constants; the headers of the classes around it and of their other members; then what is
left, the nearest lines first. All this costs what the window costs, however long the document is.

The cut points stay where they are while somebody types, so that the tokens before the cursor's line stay the same and
need not be evaluated again: a fresh cut leaves some room, which is used up before the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from lsp_server.context.filling import CHARS_PER_TOKEN, CountLine, Header, Place, Side, Wish
from lsp_server.context.scopes import Indentation, Scopes, closes_block
from lsp_server.syntax import Definition
from lsp_server.text import (
    Span,
    indent_of,
    is_blank,
    line_bounds,
    line_start,
    lines_of,
    next_line,
    with_plain_line_ends,
)
from lsp_server.values import Excerpt, Window

SLACK = 0.15  # of the budget, left free by a fresh cut
THIN = 0.5  # a prefix that falls below this share of its budget is cut anew
SHARE = 0.5  # of what is left: the most that imports and constants get, and then headers
N_MEMBERS = 60  # of a class or module, looked at on each side
N_FIRST_MEMBERS = 200  # of the module, looked at for imports and constants
MIN_TOKENS = 16  # less is no context


@dataclass(frozen=True, slots=True)
class WindowBudget:
    """The tokens that prefix and suffix may have together; what one of them does not need, the other gets."""

    n_tokens: int
    prefix_share: float = 0.75


def cut(
    text: str, offset: int, scopes: Scopes, budget: WindowBudget, count_line: CountLine, previous: Window | None
) -> Window | None:
    """The window around `offset`, cut as `previous` was if that still does; None where the budget is too small."""
    if budget.n_tokens < MIN_TOKENS:
        return None
    place = Place(text, offset, count_line, lambda start: _starts_statement(text, start, scopes))
    kept = previous and _kept(place, scopes, budget, previous)
    return kept or _whole(place, budget) or _fresh(place, scopes, budget)


def _whole(place: Place, budget: WindowBudget) -> Window | None:
    """All of the document, where there is room for it."""
    if len(place.text) > budget.n_tokens * CHARS_PER_TOKEN:
        return None
    above = Side(place, budget.n_tokens, upward=True).fill([Wish(until=0)])
    below = Side(place, budget.n_tokens - above.n_tokens, upward=False).fill([Wish(until=len(place.text))])
    return None if above.is_full or below.is_full else _window(place, above, below)


def _fresh(place: Place, scopes: Scopes, budget: WindowBudget) -> Window:
    room = int(budget.n_tokens * (1 - SLACK))
    above_room = int(room * budget.prefix_share)
    below = Side(place, room - above_room, upward=False).fill(_wishes_below(place, scopes))
    above = Side(place, room - below.n_tokens, upward=True).fill(_wishes_above(place, scopes))
    if below.is_full and above.n_tokens < above_room:
        below = Side(place, room - above.n_tokens, upward=False).fill(_wishes_below(place, scopes))
    return _window(place, above, below)


def _window(place: Place, above: Side, below: Side) -> Window:
    before, after, text = above.excerpts(), below.excerpts(), place.text
    return Window(
        prefix=_render(text, before),
        suffix=_render(text, after),
        n_prefix_tokens=above.n_tokens,
        n_suffix_tokens=below.n_tokens,
        excerpts=before + after,
        document=text,
        recut=True,
        offset=place.offset,
    )


def _wishes_above(place: Place, scopes: Scopes) -> Iterator[Wish]:
    text, offset = place.text, place.offset
    enclosing = _enclosing(text, offset, scopes)
    yield Wish(until=line_start(text, scopes.statement_at(offset)[0]))
    for function in (found for found in enclosing if found.kind == "function"):
        yield Wish([_header(text, function)], until=line_start(text, function.start))
    imports, constants = scopes.preamble(N_FIRST_MEMBERS)
    yield Wish([Header((_whole_lines(text, *span),)) for span in imports + constants], SHARE)
    yield Wish([_header(text, found) for found in enclosing if found.kind == "class"], SHARE)
    members, _ = scopes.siblings(offset, N_MEMBERS)
    around = {found.start for found in enclosing}
    yield Wish((_elided(text, found, scopes) for found in members if found.start not in around), SHARE, in_order=True)
    yield Wish(until=0)


def _wishes_below(place: Place, scopes: Scopes) -> Iterator[Wish]:
    text, offset = place.text, place.offset
    yield Wish(until=scopes.statement_at(offset)[1])
    for function in _enclosing(text, offset, scopes):
        if function.kind == "function":
            yield Wish(until=function.end)
    _, members = scopes.siblings(offset, N_MEMBERS)
    yield Wish((_elided(text, found, scopes) for found in members), SHARE, in_order=True)
    yield Wish(until=len(text))


def _enclosing(text: str, offset: int, scopes: Scopes) -> tuple[Definition, ...]:
    """In half-written code the grammar may find nothing where the indentation shows something."""
    found = scopes.enclosing_definitions(offset)
    is_indented = text[line_start(text, offset) : offset + 1][:1] in (" ", "\t")
    return found or (Indentation(text, scopes.language).enclosing_definitions(offset) if is_indented else ())


def _header(text: str, definition: Definition) -> Header:
    """With the blank line above it, so that what stands together in the window looks as code does."""
    start, end = _whole_lines(text, definition.start, definition.header_end)
    above = line_start(text, max(start - 1, 0))
    return Header(((above if is_blank(text[above:start]) else start, end),))


def _elided(text: str, definition: Definition, scopes: Scopes) -> Header:
    """The header, and the line that closes the body; a language without closing lines has a stand-in for the body."""
    ((start, header_end),) = _header(text, definition).spans
    end = next_line(text, max(definition.end - 1, start))
    if end <= header_end:
        return Header(((start, header_end),))
    last = (line_start(text, definition.end - 1), end)
    if closes_block(text[slice(*last)]):
        return Header(((start, header_end), last))
    stand_in = scopes.language.stand_in
    body = (text[slice(*line)] for line in lines_of(text, header_end, end))
    indent = indent_of(next((line for line in body if not is_blank(line)), ""))
    return Header(((start, header_end),), f"{indent}{stand_in}\n" if stand_in else "")


def _starts_statement(text: str, start: int, scopes: Scopes) -> bool:
    indent = indent_of(text[start : next_line(text, start)])
    return scopes.statement_at(start + len(indent))[0] >= start


def _kept(place: Place, scopes: Scopes, budget: WindowBudget, previous: Window) -> Window | None:
    """The window with the cut points of the previous one; None where the code or the cursor has left them."""
    text, offset = place.text, place.offset
    delta = len(text) - len(previous.document)
    # Edits are mostly at the cursor; where they are below or above the whole window, that moves as one.
    shifts = ((0, delta), (0, 0), (delta, delta)) if delta else ((0, 0),)
    moved = next(filter(None, (_moved(text, offset, previous, *shift) for shift in shifts)), None)
    if moved is None:
        return None
    before, after = moved
    if sum(excerpt.end - excerpt.start for excerpt in before + after) > budget.n_tokens * CHARS_PER_TOKEN:
        return None  # something large was pasted; not even counted
    n_prefix, n_suffix = _n_tokens(text, before, place.count_line), _n_tokens(text, after, place.count_line)
    is_thin = before[-1].start > 0 and n_prefix < THIN * budget.prefix_share * budget.n_tokens
    if is_thin or n_prefix + n_suffix > budget.n_tokens:
        return None
    functions = (found for found in _enclosing(text, offset, scopes) if found.kind == "function")
    inner = next(functions, None)
    if inner and not any(excerpt.start <= inner.start < excerpt.end for excerpt in before):
        return None
    return Window(_render(text, before), _render(text, after), n_prefix, n_suffix, before + after, text, False, offset)


def _moved(
    text: str, offset: int, previous: Window, above: int, below: int
) -> tuple[tuple[Excerpt, ...], tuple[Excerpt, ...]] | None:
    """The excerpts, moved by so much; None unless all but the two at the cursor are found there."""
    here = next((at for at, excerpt in enumerate(previous.excerpts) if excerpt.end == previous.offset), None)
    if here is None:
        return None
    *head, last = [replace(e, start=e.start + above, end=e.end + above) for e in previous.excerpts[: here + 1]]
    first, *tail = [replace(e, start=e.start + below, end=e.end + below) for e in previous.excerpts[here + 1 :]]
    if not 0 <= last.start <= offset <= first.end <= len(text):
        return None
    edge = min(line_bounds(text, last.start)[1], offset, previous.offset + above)
    same_above = [*((e.start, e.end) for e in head), (max(last.start - 1, 0), edge)]
    same_below = [*((e.start, e.end) for e in tail), (max(first.end - 1, offset), first.end + 1)]
    for spans, shift in ((same_above, above), (same_below, below)):
        if any(text[start:end] != previous.document[max(start - shift, 0) : end - shift] for start, end in spans):
            return None
    return (*head, replace(last, end=offset)), (replace(first, start=offset), *tail)


def _n_tokens(text: str, excerpts: Iterable[Excerpt], count_line: CountLine) -> int:
    lines = (line for excerpt in excerpts for line in lines_of(text, excerpt.start, excerpt.end))
    stand_ins = (excerpt.stand_in for excerpt in excerpts if excerpt.stand_in)
    return sum(map(count_line, stand_ins)) + sum(count_line(with_plain_line_ends(text[slice(*line)])) for line in lines)


def _render(text: str, excerpts: Iterable[Excerpt]) -> str:
    return "".join(with_plain_line_ends(text[excerpt.start : excerpt.end]) + excerpt.stand_in for excerpt in excerpts)


def _whole_lines(text: str, start: int, end: int) -> Span:
    return line_start(text, start), next_line(text, max(end - 1, start))
