"""What a keystroke costs: real edits, typed again in front of the real server.

    python tests/bench/typing.py                                  the project's own cases, the model in the package
    python tests/bench/typing.py CASES.jsonl.gz --requests 2000   other cases
    python tests/bench/typing.py --model M --set model.order=psm  another model, another setting
    python tests/bench/typing.py --dimensions 1b                  random weights at StarCoderBase-1B's dimensions
    python tests/bench/typing.py --waits --speed 10               wait for every answer, then hardly pause
    python tests/bench/typing.py --servers 2                      two editors' servers at the same time
    python tests/bench/typing.py --plot OUT.png                   a picture (pip install 'infill-ls[bench]')

How an author types, and what a case is: tests/bench/keystrokes.py. What a request does: tests/bench/replay.py. By the
kind of the stroke (`open` and `switch` are the first request in a file, and the first after coming back to it; "after a
look": the client said where the cursor is some time before it asked):

    requests       and of these: answered by the model, from the cache (typed through, prefetched, or as it was before),
                   refused (nothing is suggested at such a place), taken back at the next stroke
    prompt         tokens, where the model answered
    evaluated      of these, median and mean share; the others were evaluated before
    to suggestion  milliseconds from the first byte sent to the last byte of the answer, of the model's and the cache's
    wasted         tokens computed for answers that nobody saw, or ahead of time, whatever became of it

Random weights write 16 tokens at most, whatever they are. The last line is everything as JSON.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "typing":
    # Programs of this folder that are started by their path look here first for Python's own module of this name.
    here = sys.path.pop(0)
    del sys.modules["typing"]
    import typing  # noqa: F401  # takes this module's place

    sys.path.insert(0, here)

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    from tests.bench.keystroke_costs import main

    sys.exit(main(__doc__))
