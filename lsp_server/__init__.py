"""infill-ls: a language server that completes code while you type, with fill-in-the-middle models.

One request, one direction. Every stage takes plain frozen values (values.py) and returns one:

    server/       an LSP request → Snapshot: text, offset, version, taken before the first await
    context/      → CodeContext: one line or several, and the window of the file that the model sees
    prompt.py     → FimPrompt: segments, healed at the cursor, not yet rendered
    backends/     → a stream of pieces: the model in this process (local.py), or a server, each by its dialect
    stopping/     looks at every piece and ends the stream the moment the suggestion is whole → Generation
    postprocess/  → Completion, reconciled with what stands right of the cursor; or none, with a reason
    server/       → InlineCompletionList, with a Trace of every stage behind it (trace.py)

There is one way to stop: closing the stream. A stopping rule, a limit, a newer request and `$/cancelRequest` all do
that.

Who may import whom, from the top down; never up, and not between two units of one line (tests/test_architecture.py):

    cli
    server  doctor  terminal     the language server; the commands `doctor` and `complete`
    once  explanation            one suggestion outside of any editor; what was asked and why, for people
    assemble                     Settings → Engine; the only module that names concrete backends
    pipeline                     complete(): the stages, in order
    context  prompt  backends  stopping  postprocess  models
    inference                    ids in, logits out; knows no text
    tokenization  fim            text ↔ ids from the model file's own vocabulary; the table of FIM families
    formats  syntax              model files, checked before anything loads them; tree-sitter
    settings  trace  cache  text  languages  privacy  usage  formatting   one parser of options; what happened
                                 and why; answers given, for who types them; lines and columns by the LSP's rules; what
                                 never leaves the machine; what is counted on it; how projects want to be indented
    values  errors  toml  output

Each third-party library has as few doors as can be, one for most: pygls and lsprotocol in server/, tree-sitter in
syntax/, tokenizers in tokenization.py, numpy, xllamacpp and ctransformers in inference/, huggingface_hub in
models/download.py, httpx in backends/. The whole table stands in tests/test_architecture.py.

Deliberately absent: anything that talks to the network on its own; anything that runs on the event loop for longer than
a keystroke may wait; policy in the editors' clients, which only ask, draw and accept.
"""

__version__ = "0.1.0"
