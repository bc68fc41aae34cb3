"""The model in the package under llama.cpp's server object: the same answers by another door."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from threading import Event, Timer

import numpy as np
import pytest

from lsp_server.errors import EngineError, EngineUnavailable, ModelFileError
from lsp_server.inference import llama_server, open_model, opening
from lsp_server.inference.base import Aborted
from lsp_server.inference.llama_cpp import LlamaCpp
from lsp_server.inference.llama_server import N_PROBABILITIES, LlamaServer
from lsp_server.inference.sampling import best
from tests.engines import never, some_ids, written

ROOT = Path(__file__).parents[1]
N_CONTEXT = 2048


@pytest.fixture(scope="module")
def loaded(model_path):
    model = LlamaServer.load(model_path, n_context=N_CONTEXT, n_threads=1)
    yield model
    model.close()


@pytest.fixture
def model(loaded):
    loaded.rewind(0)
    return loaded


@pytest.fixture(scope="module")
def reference(model_path):
    model = LlamaCpp.load(model_path, n_context=N_CONTEXT, n_threads=1)
    yield model
    model.close()


def answer(model, ids, n=8):
    model.rewind(0)
    model.evaluate(ids, never)
    return written(model, n)


@pytest.mark.parametrize("seed", range(20))
def test_it_writes_the_same_tokens_as_the_c_api(model, reference, seed):
    ids = some_ids(20 + 17 * seed, seed)
    assert answer(model, ids) == answer(reference, ids)


def test_the_probable_tokens_have_the_same_probabilities_and_the_others_none(model, reference):
    ids = some_ids(100)
    for engine in (model, reference):
        engine.rewind(0)
        engine.evaluate(ids, never)
    known = np.flatnonzero(np.isfinite(model.logits()))
    assert len(known) == N_PROBABILITIES
    # Logarithms of probabilities are logits less a constant.
    difference = model.logits()[known] - reference.logits()[known]
    assert np.ptp(difference) < 1e-3
    assert best(model.logits())[0] == best(reference.logits())[0]


def test_what_was_rewound_and_evaluated_again_gives_the_same_tokens(model):
    ids = some_ids(200)
    fresh = answer(model, ids)
    model.rewind(90)
    model.evaluate(some_ids(50, seed=1), never)
    model.rewind(90)
    model.evaluate(ids[90:], never)
    assert model.n_evaluated == 200
    assert written(model, 8) == fresh


@pytest.mark.parametrize("ids", [[], [8192], [-1], [5] * N_CONTEXT])
def test_ids_that_would_harm_are_refused_and_change_nothing(model, ids):
    model.evaluate(some_ids(10), never)
    with pytest.raises(ValueError):
        model.evaluate(ids, never)
    assert model.n_evaluated == 10


def test_the_context_is_filled_to_the_last_token(model_path):
    model = LlamaServer.load(model_path, n_context=256, n_threads=1)
    model.evaluate(some_ids(255), never)
    model.evaluate([7], never)
    assert model.n_evaluated == model.n_context == 256
    assert np.isfinite(model.logits()).any()
    model.close()


def test_an_abort_leaves_whole_batches_from_which_evaluation_resumes(model):
    ids = some_ids(1500, seed=5)
    flag = Event()
    Timer(0.02, flag.set).start()
    with pytest.raises(Aborted):
        model.evaluate(ids, flag.is_set)
    assert 0 <= model.n_evaluated < 1500
    with pytest.raises(EngineError, match="no logits"):
        model.logits()
    model.evaluate(ids[model.n_evaluated :], never)
    assert written(model, 4) == answer(model, ids, 4)


def test_an_error_in_the_question_arrives(model):
    with pytest.raises(ZeroDivisionError):
        model.evaluate(some_ids(100, seed=6), lambda: 1 / 0)
    assert answer(model, some_ids(30))


def test_a_closed_model_can_be_closed_again_and_nothing_else(model_path):
    model = LlamaServer.load(model_path, n_context=256, n_threads=1)
    model.close()
    model.close()
    for call in (lambda: model.evaluate([5], never), model.logits, lambda: model.rewind(0)):
        with pytest.raises(EngineError, match="closed"):
            call()


def test_its_port_answers_nobody(loaded):
    request = urllib.request.Request(
        f"{loaded._server.listening_address}/completion", b'{"prompt": "x"}', {"Content-Type": "application/json"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    assert refused.value.code == 401
    refused.value.close()


def test_nothing_is_printed_and_a_damaged_file_gets_a_sentence(model_path, tmp_path):
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(Path(model_path).read_bytes()[:300_000])
    code = """
import sys
from pathlib import Path
from lsp_server.errors import ModelFileError
from lsp_server.inference import llama_server, open_model
model = open_model(sys.argv[1], n_context=256, n_threads=None, engine="llama-server")
model.evaluate([5] * 100, lambda: False)
read = llama_server.read_gguf
llama_server.read_gguf = lambda path: read(Path(sys.argv[1]))    # as if nobody had looked at the damaged one
try:
    open_model(sys.argv[2], n_context=256, n_threads=1, engine="llama-server")
except ModelFileError:
    sys.exit(7)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code, model_path, str(damaged)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (7, "", "")


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "x.gguf").write_bytes(b"no model")
    with pytest.raises(ModelFileError):
        LlamaServer.load(tmp_path / "x.gguf", n_context=256, n_threads=1)


# Which engine


@pytest.mark.parametrize(("wanted", "found"), [("auto", "llama.cpp"), ("llama-server", "llama-server")])
def test_the_setting_chooses_the_engine(model_path, wanted, found):
    model = open_model(model_path, n_context=256, n_threads=None, engine=wanted)
    assert model.name == found
    model.close()


def no_c_api(*_, **__):
    raise EngineUnavailable("xllamacpp does not offer llama.cpp's C API on this platform")


def test_where_the_c_api_is_missing_the_server_takes_over_unless_one_insists(model_path, monkeypatch):
    monkeypatch.setitem(opening.ENGINES, "llama.cpp", no_c_api)
    model = open_model(model_path, n_context=256, n_threads=1)
    assert model.name == "llama-server"
    model.close()
    with pytest.raises(EngineUnavailable):
        open_model(model_path, n_context=256, n_threads=1, engine="llama.cpp")


def test_a_damaged_file_is_not_tried_again_with_the_other_engine(tmp_path, monkeypatch):
    (tmp_path / "x.gguf").write_bytes(b"no model")
    monkeypatch.setitem(opening.ENGINES, "llama-server", lambda *_, **__: pytest.fail("tried again"))
    with pytest.raises(ModelFileError):
        open_model(tmp_path / "x.gguf", n_context=256, n_threads=1)


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setattr(llama_server, "check_installation", no_c_api)
    with pytest.raises(EngineUnavailable):
        LlamaServer.load(ROOT / "vendor/vocab/ggml-vocab-refact.gguf", n_context=256, n_threads=1)
