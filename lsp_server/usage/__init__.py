"""What became of the suggestions on this machine: counted in one file, shown by `infill-ls stats`, sent nowhere.

Counts by day, language and model; never a text, nor the name of a file.

    store       the file; several servers write it at once
    figures     counts → figures of a period
    table       figures as text, with a chart
    page        figures as a page of HTML
"""

from lsp_server.usage.figures import latency
from lsp_server.usage.store import UsageWriter

__all__ = ["UsageWriter", "latency"]
