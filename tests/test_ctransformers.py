"""ctransformers in its worker: the same contract as every engine, and whatever ends the worker leaves us alive.

The library ends its process on a damaged file, on an id outside the vocabulary, on text in its own tokenizer, and on
two models at once. Each of these has a test here, after which this process still answers.
"""

from __future__ import annotations

import os
import platform
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from lsp_server.backends.local import LocalBackend
from lsp_server.errors import EngineError, EngineUnavailable, ModelFileError
from lsp_server.fim import recognise
from lsp_server.formats.ggml import read_ggml
from lsp_server.inference import ctransformers, worker
from lsp_server.inference.base import Aborted
from lsp_server.inference.ctransformers import CHUNK_TOKENS, Ctransformers
from lsp_server.inference.llama_cpp import LlamaCpp
from lsp_server.models.packaged import packaged_model
from lsp_server.tokenization import Tokenizer
from lsp_server.values import FimPrompt, Limits, Piece
from tests.ggml_files import F16, F32, Q4_0, Q8_0, STARCODER_TOKENS, gpt_neox, starcoder
from tests.gguf_twins import gpt_neox_twin, llama, starcoder_twin

IDS = [random.Random(1).randrange(5, 270) for _ in range(40)]


def never() -> bool:
    return False


@contextmanager
def loaded(path: Path, n_context: int = 64) -> Iterator[Ctransformers]:
    model = Ctransformers.load(path, n_context=n_context, n_threads=1)
    try:
        yield model
    finally:
        model.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return written(tmp_path_factory.mktemp("ggml") / "starcoder.bin", starcoder())


@pytest.fixture(scope="module")
def shared(path) -> Iterator[Ctransformers]:
    with loaded(path) as model:
        yield model


@pytest.fixture
def model(shared) -> Ctransformers:
    """One worker for all the tests that do it no harm, as if it were new."""
    shared.rewind(0)
    return shared


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def logits_of(model, ids=IDS) -> np.ndarray:
    model.evaluate(ids, never)
    return model.logits().copy()


def process(model: Ctransformers) -> subprocess.Popen:
    assert model._worker is not None
    return model._worker


def kill(model: Ctransformers) -> None:
    process(model).kill()
    process(model).wait()


# --- the contract ---


def test_the_sizes_are_those_of_the_file(model):
    assert (model.name, model.n_vocab, model.n_context) == ("ctransformers", len(STARCODER_TOKENS), 64)


def test_the_context_is_as_long_as_asked_for_at_most(path):
    with loaded(path, n_context=16) as model:
        assert model.n_context == 16


@pytest.mark.parametrize(("make", "twin"), [(starcoder, starcoder_twin), (gpt_neox, gpt_neox_twin)])
def test_the_logits_are_those_of_llama_cpp_for_the_same_weights(tmp_path, make, twin):
    twin(tmp_path / "twin.gguf")
    modern = LlamaCpp.load(tmp_path / "twin.gguf", n_context=64, n_threads=1, kv_type="f32")
    expected = logits_of(modern)
    modern.close()
    with loaded(written(tmp_path / "model.bin", make())) as model:
        found = logits_of(model)
    assert np.abs(found - expected).max() < 1e-3 * np.ptp(expected)
    assert found.argmax() == expected.argmax()


@pytest.mark.parametrize("make", [starcoder, gpt_neox])
def test_quantized_files_say_about_the_same_as_whole_ones(tmp_path, make):
    found = []
    for ftype in (F32, F16, Q4_0, Q8_0):
        with loaded(written(tmp_path / "model.bin", make(ftype=ftype))) as model:
            found.append(logits_of(model))
    assert np.corrcoef(found)[0].min() > 0.9


def test_a_llama_model_in_gguf_runs_as_well(tmp_path):
    path = tmp_path / "llama.gguf"
    llama(path)
    modern = LlamaCpp.load(path, n_context=64, n_threads=1, kv_type="f32")
    expected = logits_of(modern)
    modern.close()
    with loaded(path, n_context=48) as model:
        assert (model.n_vocab, model.n_context) == (32000, 48)
        assert np.abs(logits_of(model) - expected).max() < 1e-2 * np.ptp(expected)


def test_a_rewound_sequence_goes_on_as_if_nothing_else_had_been(model):
    expected = logits_of(model)
    model.rewind(30)
    model.evaluate([7, 8, 9], never)
    model.rewind(30)
    assert model.n_evaluated == 30
    assert np.allclose(logits_of(model, IDS[30:]), expected, atol=1e-5)


def test_an_abort_keeps_the_chunks_that_were_done(model):
    answers = iter([False, False, True])
    with pytest.raises(Aborted):
        model.evaluate(IDS, lambda: next(answers))
    assert model.n_evaluated == 2 * CHUNK_TOKENS <= 32
    expected = logits_of(model, IDS[2 * CHUNK_TOKENS :])
    model.rewind(0)
    assert np.allclose(logits_of(model), expected, atol=1e-5)


def test_there_are_no_logits_before_an_evaluation_and_after_a_cut(model):
    for cut in (False, True):
        if cut:
            model.evaluate(IDS, never)
            model.rewind(10)
        with pytest.raises(EngineError, match="there are no logits"):
            model.logits()


def test_a_closed_model_says_so_and_may_be_closed_again(path):
    with loaded(path) as model:
        ended = process(model)
        model.close()
        assert ended.returncode is not None
        with pytest.raises(EngineError, match="the model was closed"):
            model.evaluate(IDS, never)


def test_the_loading_is_told(path):
    told: list[float] = []
    Ctransformers.load(path, n_context=16, n_threads=1, on_progress=told.append).close()
    assert told == [0.0, 1.0]


# --- what would end the worker, and is refused before ---


@pytest.mark.parametrize("ids", [[10**6], [len(STARCODER_TOKENS)], [-1], [], [5] * 65])
def test_ids_and_lengths_that_it_cannot_take_never_reach_it(model, ids):
    before = process(model).pid
    with pytest.raises(ValueError):
        model.evaluate(ids, never)
    assert logits_of(model).shape == (model.n_vocab,) and process(model).pid == before


def test_a_full_context_is_an_error_and_not_a_silent_wrong_answer(model):
    model.evaluate([5] * 64, never)
    with pytest.raises(ValueError, match="the context has room for 0 more"):
        model.evaluate([5], never)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"GGUF" + bytes(4), "cut off"),
        (b"nothing that anybody knows", "is not a GGUF file"),
        (starcoder()[:300], "cut off"),
        (starcoder()[:-1], "cut off"),
        (gpt_neox()[:-1], "cut off"),
        (packaged_model().read_bytes()[:3000], "cut off"),
        (packaged_model().read_bytes()[:-1], "cut off"),
        (packaged_model().read_bytes(), "knows only the first llama and falcon models as GGUF"),
    ],
)
def test_a_file_that_would_end_it_is_refused_in_one_sentence(tmp_path, content, says):
    with pytest.raises(ModelFileError) as caught:
        Ctransformers.load(written(tmp_path / "bad.bin", content), n_context=64, n_threads=1)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(ModelFileError, match="does not exist"):
        Ctransformers.load(tmp_path / "gone.bin", n_context=64, n_threads=1)


@pytest.mark.parametrize("text", ["漢" * 1000, " " * 50_000, "x" * 200_000, "a\0b", "<fim_middle><|endoftext|>"])
def test_text_goes_through_our_own_tokenizer_whatever_it_is(model, path, text):
    ids = Tokenizer.from_gguf(read_ggml(path).metadata).encode(text)
    assert min(ids) > 4, "no control tokens"
    assert logits_of(model, ids[:64]).shape == (model.n_vocab,)


def test_two_models_in_two_threads_do_not_meet(path, model):
    expected = logits_of(model)
    with loaded(path) as other:
        models, found = (model, other), [[], []]

        def work(index: int) -> None:
            for _ in range(10):
                models[index].rewind(0)
                found[index].append(logits_of(models[index]))

        threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert all(np.allclose(logits, expected, atol=1e-5) for logits in (*found[0], *found[1]))
    assert [len(logits) for logits in found] == [10, 10]


# --- what ends the worker all the same ---


def test_a_crash_is_one_sentence_and_the_next_request_works(path, monkeypatch):
    with loaded(path) as model:
        expected = logits_of(model)
        monkeypatch.setattr(ctransformers, "check_ids", lambda ids, n_vocab, n_room: None)
        with pytest.raises(EngineError, match=r"crashed on .*starcoder.bin; the next request starts it anew"):
            model.evaluate([10**9], never)
        assert model.n_evaluated == len(IDS), "what was evaluated before"
        model.rewind(20)
        assert np.allclose(logits_of(model, IDS[20:]), expected, atol=1e-5)


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.5])
def test_a_file_that_slips_through_the_checks_is_one_sentence(tmp_path, monkeypatch, share):
    monkeypatch.setattr(ctransformers, "_model_type", lambda path: None)
    llama(tmp_path / "cut.gguf")
    os.truncate(tmp_path / "cut.gguf", int((tmp_path / "cut.gguf").stat().st_size * share))
    with pytest.raises(EngineError) as caught, loaded(tmp_path / "cut.gguf") as model:
        model.evaluate(IDS, never)
    assert "cut.gguf" in str(caught.value) and "\n" not in str(caught.value)


def test_a_worker_that_is_killed_at_work_is_one_sentence(path, monkeypatch):
    with loaded(path) as model:
        write = worker.write_frame
        monkeypatch.setattr(worker, "write_frame", lambda pipe, content: (write(pipe, content), kill(model)))
        with pytest.raises(EngineError, match="crashed"):
            for _ in range(64):
                model.evaluate([5], never)


def test_a_worker_that_is_killed_while_idle_is_replaced_without_a_word(path):
    with loaded(path) as model:
        expected = logits_of(model)
        kill(model)
        model.rewind(39)
        assert np.allclose(logits_of(model, IDS[39:]), expected, atol=1e-5)


def test_a_worker_that_ends_before_the_logits_are_asked_for_is_one_sentence(path):
    with loaded(path) as model:
        model.evaluate(IDS, never)
        kill(model)
        with pytest.raises(EngineError, match="crashed"):
            model.logits()
        model.rewind(39)
        assert logits_of(model, IDS[39:]).shape == (model.n_vocab,)


def test_after_three_crashes_within_a_minute_it_is_given_up(path):
    with loaded(path) as model:
        for _ in range(2):
            kill(model)
            model.evaluate([5], never)
        kill(model)
        for _ in range(2):
            with pytest.raises(EngineError, match=r"crashed 3 times within a minute .* is not started again"):
                model.evaluate([5], never)


def test_three_crashes_in_more_than_a_minute_are_forgiven(path, monkeypatch):
    times = iter([0.0, 31.0, 62.0])
    monkeypatch.setattr(ctransformers, "monotonic", lambda: next(times))
    with loaded(path) as model:
        for _ in range(3):
            kill(model)
            model.evaluate([5], never)
        assert model.n_evaluated == 3


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="processes cannot be stopped here")
def test_a_worker_that_hangs_is_ended(path, monkeypatch):
    with loaded(path) as model:
        monkeypatch.setattr(ctransformers, "PATIENCE_S", 0.2)
        process(model).send_signal(signal.SIGSTOP)
        with pytest.raises(EngineError, match="crashed"):
            model.evaluate([5], never)


def test_a_worker_ends_with_the_one_who_started_it(path):
    request = ctransformers._load_request(path, 16, 1)
    alone = subprocess.Popen([sys.executable, worker.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    worker.write_frame(alone.stdin, request)
    assert worker.read_frame(alone.stdout)[:1] == worker.DONE
    alone.stdin.close()
    assert alone.wait(timeout=30) == 0
    alone.stdout.close()


# --- where it cannot run ---


def test_linux_on_arm_is_told_before_anything_is_started(path, monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(EngineUnavailable, match=r"no binary for Linux on aarch64; use a GGUF file") as caught:
        Ctransformers.load(path, n_context=16, n_threads=1)
    assert "\n" not in str(caught.value)


def test_a_library_that_is_not_there_is_told(path, monkeypatch, tmp_path):
    broken = tmp_path / "ctransformers"
    broken.mkdir()
    (broken / "__init__.py").touch()
    (broken / "llm.py").write_text(
        "import os; os.write(1, b'chatter'); raise ImportError('no such thing\\nin two lines')"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EngineUnavailable, match=r"cannot be used here \(no such thing\); reinstall") as caught:
        Ctransformers.load(path, n_context=16, n_threads=1)
    assert "\n" not in str(caught.value)


def test_nothing_in_the_working_folder_is_run(path, monkeypatch, tmp_path):
    for name in ("ctransformers", "json", "lsp_server"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('this must not run')")
    monkeypatch.chdir(tmp_path)
    with loaded(path.resolve()) as model:
        assert logits_of(model).shape == (model.n_vocab,)


def test_the_library_is_never_in_this_process(model):
    model.evaluate(IDS, never)
    assert "ctransformers" not in sys.modules


# --- as a backend ---


def backend_of(model: Ctransformers, path: Path) -> LocalBackend:
    file = read_ggml(path)
    tokenizer = Tokenizer.from_gguf(file.metadata)
    template = recognise(file.architecture, "starcoder", tokenizer.id_of, tokenizer.n_vocab)
    return LocalBackend(model, tokenizer, template)


async def test_a_suggestion_is_written_and_a_crash_in_it_is_an_error_of_the_engine(path):
    backend = backend_of(Ctransformers.load(path, n_context=64, n_threads=1), path)
    prompt, limits = FimPrompt("def tu(rn):\n    ", "\n"), Limits(8, 60)
    async with aclosing(backend.stream(prompt, limits)) as stream:
        whole = [event async for event in stream]
    assert any(isinstance(event, Piece) for event in whole)
    with pytest.raises(EngineError, match="crashed"):
        async with aclosing(backend.stream(FimPrompt("return ", "\n"), limits)) as stream:
            async for _ in stream:
                os.kill(process(backend._model).pid, signal.SIGTERM)
                process(backend._model).wait()
    async with aclosing(backend.stream(prompt, limits)) as stream:
        again = [event async for event in stream]
    assert [event.text for event in again[1:]] == [event.text for event in whole[1:]]
    backend.close()
