"""Limits of tokens and of time, which end at a line's end and never in the middle of a word."""

from __future__ import annotations

from lsp_server.stopping.written import Stop, Written
from lsp_server.values import Reason


def token_limit(written: Written) -> Stop | None:
    return _limit(
        written, Reason.TOKEN_LIMIT, written.n_tokens, written.limits.max_tokens, written.limits.hard_max_tokens
    )


def time_limit(written: Written) -> Stop | None:
    return _limit(
        written, Reason.TIME_LIMIT, written.elapsed_s, written.limits.max_time_s, written.limits.hard_max_time_s
    )


def _limit(written: Written, reason: Reason, spent: float, soft: float, hard: float) -> Stop | None:
    """Past the soft limit whole lines are kept; with none yet, the first may be ended until the hard limit."""
    if spent < soft or written.is_whole:
        return None
    last_line = written.text.rfind("\n")
    if last_line > 0:
        return Stop(reason, len(written.text[:last_line].rstrip()))
    return Stop(reason, 0) if spent >= hard else None
