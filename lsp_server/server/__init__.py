"""The language server: the only package that speaks LSP.

    transports    bytes in and out: stdio, TCP, WebSocket            framing, origins, parent
    protocol      JSON-RPC: every request is answered exactly once   normalise
    features      the methods, one function each
    commands      what a user can do from the editor                 switches, candidates
    session       one editor: its settings, its open files           configuration, documents, clients, announcer
    suggest       from a request to its answer, and what takes the place of what
    tracking      what became of the suggestions, in numbers          offers, kept
    legacy        the messages of other servers' clients
    render        a completion as LSP items
    loading       the model of this process, loaded once             progress, report
    logs          what is logged, and what never is

PROTOCOL.md describes what it says beside the LSP.

For the command line: `run_stdio(sources)`, `run_tcp(host, port, sources)` and `run_ws(host, port, sources)`, each
returning the exit code; `Sources(base, complaints, overrides)` holds the settings that come before and after those of
an editor's initializationOptions.
"""

from lsp_server.server.configuration import Sources
from lsp_server.server.transports import run_stdio, run_tcp, run_ws

__all__ = ["Sources", "run_stdio", "run_tcp", "run_ws"]
