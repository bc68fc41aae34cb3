"""The server, but every answer has as many tokens as it may have: `python -m tests.bench.fixed_length`.

For weights that are random, and so for text that no rule was made for: it would end somewhere, or be thrown away.
"""

from __future__ import annotations

import sys

from lsp_server import cli, stopping
from lsp_server.stopping.written import Stop, Written
from lsp_server.values import Reason


def at_the_limit(written: Written) -> Stop | None:
    if written.n_tokens >= written.limits.max_tokens:
        return Stop(Reason.TOKEN_LIMIT, len(written.text))
    return Stop(Reason.TIME_LIMIT, len(written.text)) if written.elapsed_s >= written.limits.hard_max_time_s else None


if __name__ == "__main__":
    stopping.first_stop = at_the_limit
    sys.exit(cli.main())
