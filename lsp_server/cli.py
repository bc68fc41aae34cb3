"""The command line: `infill-ls` alone is the language server on stdio.

Exit codes: 0 a suggestion (or a healthy end), 1 none (the reason is printed), 2 wrong use, 3 the model or backend
failed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsp_server import __version__
from lsp_server.errors import EngineError, InfillError
from lsp_server.output import complain, say

if TYPE_CHECKING:  # the commands import what they need, so that `--help` is quick
    from lsp_server.settings import Settings

OK, NOTHING, WRONG_USE, ENGINE_FAILED, INTERRUPTED = 0, 1, 2, 3, 130

EPILOG = """\
examples:
  infill-ls complete cart.py:37        one suggestion at the end of line 37, printed as the file would look
  infill-ls complete cart.py:37:21 --explain
                                       what the model saw, what it cost, why it stopped
  infill-ls doctor                     is everything in place, and how fast is this machine
  infill-ls stats                      how many suggestions were shown, accepted and kept
  infill-ls settings                   every setting, and where to write it down
  infill-ls                            the language server, for an editor to start
"""


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        options = _parser().parse_args(arguments)
        return int(options.run(options))
    except InfillError as error:
        complain(str(error))
        return ENGINE_FAILED if isinstance(error, EngineError) else WRONG_USE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away, as in `| head`; Python would complain about it at exit
        return OK
    except OSError as error:  # a full disk behind stdout; what else can fail has a sentence of its own
        complain(f"the output could not be written ({error.strerror})")
        return WRONG_USE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="infill-ls",
        description="Completes code while you type, with a fill-in-the-middle model on your own machine."
        " Without a command: the language server on stdin and stdout.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"infill-ls {__version__}")
    transport = parser.add_mutually_exclusive_group()
    transport.add_argument("--stdio", action="store_true", help="serve one editor on stdin and stdout (the default)")
    transport.add_argument("--tcp", type=_address, metavar="HOST:PORT", help="serve editors that connect by TCP")
    transport.add_argument("--ws", type=_address, metavar="HOST:PORT", help="serve editors that connect by WebSocket")
    parser.add_argument("--clientProcessId", type=int, metavar="N", help="exit when this process is gone")
    _add_common(parser)
    parser.set_defaults(run=_serve)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    complete = commands.add_parser(
        "complete", help="one suggestion at a place in a file", description=_complete.__doc__
    )
    complete.add_argument(
        "place", metavar="FILE:LINE[:COL]", help="the cursor, counted from 1; without COL, the line's end"
    )
    complete.add_argument(
        "--explain", action="store_true", help="show the window, the tokens, the times, and why it stopped"
    )
    complete.add_argument("--json", action="store_true", help="print all of that for programs")
    _add_common(complete, after_command=True)
    complete.set_defaults(run=_complete)

    doctor = commands.add_parser("doctor", help="what is installed, which model, how fast", description=_doctor.__doc__)
    _add_common(doctor, after_command=True)
    doctor.set_defaults(run=_doctor)

    _add_models(commands)
    _add_stats(commands)

    reference = commands.add_parser("settings", help="every setting, as a table", description=_settings.__doc__)
    reference.set_defaults(run=_settings)
    return parser


def _add_models(commands: Any) -> None:
    models = commands.add_parser("models", help="find, download and look into models", description=_models_list.__doc__)
    models.set_defaults(run=_models_list)
    actions = models.add_subparsers(title="actions", metavar="ACTION")

    actions.add_parser("list", help="the models that can be downloaded").set_defaults(run=_models_list)

    pull = actions.add_parser("pull", help="download a model", description=_models_pull.__doc__)
    pull.add_argument("name", metavar="NAME", help="as `infill-ls models list` shows it")
    pull.add_argument("--folder", type=Path, metavar="FOLDER", help="instead of the user's cache")
    pull.set_defaults(run=_models_pull)

    inspect = actions.add_parser("inspect", help="what a model file holds", description=_models_inspect.__doc__)
    inspect.add_argument("file", type=Path, metavar="FILE", help="a GGUF or legacy GGML file")
    inspect.add_argument("--context", type=int, metavar="TOKENS", help="show the memory that this much context takes")
    inspect.set_defaults(run=_models_inspect)

    convert = actions.add_parser(
        "convert", help="make a model file of a checkpoint", description=_models_convert.__doc__
    )
    convert.add_argument("source", type=Path, metavar="DIR_OR_FILE", help="a folder with config.json, or its weights")
    convert.add_argument("target", type=Path, metavar="OUT.gguf", help="the file to write")
    convert.add_argument("--quant", default="q8_0", metavar="NAME", help="q8_0 (the default), q4_k_m, q4_0, f16 …")
    convert.add_argument("--name", default="", help="of the model, where its folder does not tell")
    convert.set_defaults(run=_models_convert)


def _add_stats(commands: Any) -> None:
    stats = commands.add_parser(
        "stats", help="what became of the suggestions on this machine", description=_stats.__doc__
    )
    stats.add_argument("--days", type=int, metavar="N", help="of the last N days only")
    form = stats.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print it for programs")
    form.add_argument("--html", type=Path, metavar="FILE", help="write it as a page")
    form.add_argument("--clear", action="store_true", help="forget everything that was counted")
    stats.set_defaults(run=_stats)


def _add_common(parser: argparse.ArgumentParser, *, after_command: bool = False) -> None:
    # Given before the command or after it, the option means the same; SUPPRESS keeps the second from erasing the first.
    default = argparse.SUPPRESS if after_command else None
    parser.add_argument("--model", default=default, metavar="FILE", help="a GGUF file instead of the configured model")
    parser.add_argument(
        "--backend",
        type=_server,
        default=default,
        metavar="URL[,KEY=VALUE...]",
        help="a model server instead of a model in this process, as in http://gpu:8000,dialect=openai,family=starcoder",
    )
    parser.add_argument(
        "--log-level",
        choices=["error", "warning", "info", "debug"],
        default=default,
        help="how much is logged, to stderr",
    )


def _serve(options: argparse.Namespace) -> int:
    from lsp_server import server, settings

    base, complaints = settings.from_file(settings.config_file())
    sources = server.Sources(base, complaints, _overrides(options))
    if options.tcp:
        host, port = options.tcp
        return server.run_tcp(host, port, sources, options.clientProcessId)
    if options.ws:
        host, port = options.ws
        return server.run_ws(host, port, sources, options.clientProcessId)
    return server.run_stdio(sources, options.clientProcessId)


def _complete(options: argparse.Namespace) -> int:
    """Print the file around the cursor with the suggestion in it."""
    from lsp_server import explanation, once, terminal
    from lsp_server.assemble import load_engine

    snapshot = once.snapshot_at(once.parse_place(options.place))
    engine = load_engine(_settings_for(options))
    answer = once.suggest(engine, snapshot)
    engine.backend.close()
    if options.json:
        say(json.dumps(terminal.as_json(snapshot, answer, engine), indent=2))
    else:
        colours = terminal.Colours.fitting(sys.stdout)
        say(terminal.draw(snapshot, answer.completion, colours))
        say(terminal.verdict(answer, engine.model, colours))
        if options.explain:
            say(explanation.explain(answer.trace, engine, colours.dim, colours.off))
    return OK if answer.completion else NOTHING


def _doctor(options: argparse.Namespace) -> int:
    """Look at everything a suggestion needs, measure this machine, and end with a real suggestion."""
    from lsp_server import doctor, settings

    return ENGINE_FAILED if doctor.examine(_settings_for(options), settings.config_file(), say) else OK


def _models_list(options: argparse.Namespace) -> int:
    """Show the models that can be downloaded, and which of them are here."""
    from lsp_server.models import catalogue, download

    say(catalogue.listing(download.installed))
    return OK


def _models_pull(options: argparse.Namespace) -> int:
    """Download a model into the user's cache; what an earlier try left is gone on with."""
    from lsp_server.models import catalogue, download

    entry = catalogue.find(options.name)
    path = download.pull(entry, options.folder)
    say(f"{entry.title} is at {path}\n{catalogue.next_step(entry, path)}")
    return OK


def _models_inspect(options: argparse.Namespace) -> int:
    """Show what a model file holds, how it is prompted, what memory it takes, and what is wrong with a bad one."""
    from lsp_server.models import inspect

    found = inspect.inspect(options.file)
    say(inspect.printed(found, options.context))
    return ENGINE_FAILED if found.complaints else OK


def _models_convert(options: argparse.Namespace) -> int:
    """Make a GGUF file of a checkpoint: safetensors, PyTorch files or GPTQ, as its makers publish it."""
    from lsp_server import terminal
    from lsp_server.models import convert

    with terminal.ProgressBar(sys.stderr) as bar:
        made = convert.convert(options.source, options.target, options.quant, bar.show, name=options.name)
    for note in made.notes:
        complain(note)
    say(convert.summary(made))
    return OK


def _stats(options: argparse.Namespace) -> int:
    """Show how many suggestions were shown, accepted and kept, and how long they took; counted on this machine only."""
    from lsp_server import settings
    from lsp_server.usage import figures, page, store, table

    path = settings.usage_file()
    if options.clear:
        store.clear(path)
        say(f"{path} is empty again")
        return OK
    since = (date.today() - timedelta(days=options.days - 1)).isoformat() if options.days else ""
    found = figures.summed_up(store.read(path), since)
    if options.html:
        options.html.write_text(page.page(found), "utf-8")
        say(f"{options.html} is written")
    else:
        say(json.dumps(found.as_json(), indent=2) if options.json else table.drawn(found))
    return OK


def _settings(options: argparse.Namespace) -> int:
    """Print every setting with its default, as a Markdown table, and where to write it down."""
    from lsp_server import settings

    say(settings.reference())
    say(f"\nWrite them down in {settings.config_file()}, for example:\n\n[suggest]\nmaxTokens = 64")
    return OK


def _settings_for(options: argparse.Namespace) -> Settings:
    """The user's file with the command line over it; what cannot be used is said and left out."""
    from lsp_server import settings

    base, complaints = settings.from_file(settings.config_file())
    merged, more = settings.merge(base, _overrides(options))
    for complaint in (*complaints, *more):
        complain(complaint)
    return merged


def _overrides(options: argparse.Namespace) -> dict[str, object]:
    given = {"model.path": options.model, "backend.servers": options.backend, "log.level": options.log_level}
    if options.backend is not None:
        given["backend.local"] = False  # who names a server wants to hear from that one
    return {key: value for key, value in given.items() if value is not None}


def _server(text: str) -> list[dict[str, object]]:
    url, *pairs = text.split(",")
    server: dict[str, object] = {"url": url}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise argparse.ArgumentTypeError(
                f"expected URL,KEY=VALUE, as in http://gpu:8000,dialect=openai, got {pair!r}"
            )
        server[key] = value
    return [server]


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"expected HOST:PORT, as in 127.0.0.1:8765, got {text!r}")
    return host.strip("[]") or "127.0.0.1", int(port)
