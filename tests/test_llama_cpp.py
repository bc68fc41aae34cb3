"""The model in the package under llama.cpp: what is evaluated, forgotten, given up, refused.

Everything is asked of both packages that bring llama.cpp; of the optional one where it is installed.
"""

from __future__ import annotations

import ctypes
import logging
import random
import subprocess
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from threading import Event, Timer, get_ident
from time import sleep

import numpy as np
import pytest

from lsp_server.errors import EngineError, EngineUnavailable, ModelFileError
from lsp_server.inference import default_threads, engine_version, llama_api, open_model, opening, wheel
from lsp_server.inference.abort_watch import AbortWatch
from lsp_server.inference.base import Aborted
from lsp_server.inference.llama_cpp import LlamaCpp, Native
from tests.engines import never, some_ids, written

ROOT = Path(__file__).parents[1]
N_CONTEXT = 2048
LONG = 1500  # tokens, a few tenths of a second


def skip_where_missing(engine: type[LlamaCpp]) -> None:
    """The optional one may be missing; one that is there and does not load fails the test."""
    try:
        metadata.version(engine.package.name)
    except metadata.PackageNotFoundError:
        assert engine is Native
        pytest.skip(f"{engine.package.name} is not installed; `{engine.package.pip_install}` compiles it")


@pytest.fixture(scope="module", params=[LlamaCpp, Native], ids=lambda engine: engine.name)
def engine(request):
    skip_where_missing(request.param)
    return request.param


@pytest.fixture
def native():
    skip_where_missing(Native)
    return Native


@pytest.fixture(scope="module")
def loaded(engine, model_path):
    model = engine.load(model_path, n_context=N_CONTEXT, n_threads=1)
    yield model
    model.close()


@pytest.fixture
def model(loaded):
    loaded.rewind(0)
    return loaded


def logits_after(model, *parts):
    """The logits when the sequence consists of these parts, each evaluated by a call of its own."""
    model.rewind(0)
    for part in parts:
        model.evaluate(part, never)
    return model.logits().copy()


def give_up_after(seconds: float):
    flag = Event()
    timer = Timer(seconds, flag.set)
    timer.start()
    return flag.is_set


def in_a_new_process(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


# Evaluating


def test_the_model_says_how_large_it_is(model):
    assert (model.n_vocab, model.n_context, model.n_evaluated) == (8192, N_CONTEXT, 0)
    assert 4_000_000 < model.n_bytes < 5_000_000


@pytest.mark.parametrize("cuts", [(2,), (298,), (32, 64), (31, 33, 100), tuple(range(2, 300, 2))])
def test_how_a_prompt_is_cut_into_calls_changes_nothing(model, cuts):
    ids = some_ids(300)
    parts = [ids[start:end] for start, end in zip((0, *cuts), (*cuts, 300), strict=True)]
    assert np.array_equal(logits_after(model, *parts), logits_after(model, ids))


def test_tokens_evaluated_one_by_one_give_nearly_the_same_logits(model):
    ids = some_ids(300)
    one_by_one = logits_after(model, *([token] for token in ids))
    assert np.abs(one_by_one - logits_after(model, ids)).max() < 0.5


def test_what_was_rewound_and_evaluated_again_gives_the_same_tokens_and_logits(model):
    ids = some_ids(200)
    fresh = logits_after(model, ids)
    fresh_tokens = written(model, 12)
    model.rewind(90)
    model.evaluate(some_ids(50, seed=1), never)  # the user typed something, and took it back
    model.rewind(90)
    model.evaluate(ids[90:], never)
    assert np.abs(model.logits() - fresh).max() == 0
    assert written(model, 12) == fresh_tokens


def test_a_sequence_that_was_put_aside_and_restored_goes_on_with_the_same_tokens_and_logits(model):
    ids = some_ids(200)
    fresh = logits_after(model, ids)
    fresh_tokens = written(model, 12)
    logits_after(model, ids[:150])
    state = model.save()
    logits_after(model, some_ids(90, seed=3))  # another document
    model.restore(state)
    assert model.n_evaluated == 150
    model.evaluate(ids[150:], never)
    assert np.abs(model.logits() - fresh).max() == 0
    assert written(model, 12) == fresh_tokens


def test_what_was_never_saved_cannot_be_restored(model):
    model.evaluate(some_ids(40), never)
    with pytest.raises(EngineError, match="could not be restored"):
        model.restore(b"something else")
    assert model.n_evaluated == 0
    model.evaluate(some_ids(40), never)


def test_the_context_is_rounded_up_and_can_be_filled_in_one_call(engine, model_path):
    model = engine.load(model_path, n_context=300, n_threads=1)
    assert model.n_context == 512
    model.evaluate(some_ids(512), never)
    assert model.n_evaluated == 512
    with pytest.raises(ValueError, match="room for 0 more"):
        model.evaluate([5], never)
    model.close()


def test_two_models_at_once_do_not_disturb_each_other(engine, model, model_path):
    expected = logits_after(model, some_ids(40))
    other = engine.load(model_path, n_context=256, n_threads=2)
    logits_after(other, some_ids(70, seed=2))
    assert np.array_equal(model.logits(), expected)
    other.close()
    assert np.array_equal(logits_after(model, some_ids(40)), expected)


@pytest.mark.parametrize("ids", [[], [8192], [-1], [5, 10**6], [5] * (N_CONTEXT + 1), [2**40]])
def test_ids_that_would_harm_are_refused_and_change_nothing(model, ids):
    before = logits_after(model, some_ids(10))
    with pytest.raises(ValueError):
        model.evaluate(ids, never)
    assert model.n_evaluated == 10
    assert np.array_equal(model.logits(), before)


@pytest.mark.parametrize("n_tokens", [-1, 11])
def test_a_rewind_to_where_the_sequence_has_not_been_is_refused(model, n_tokens):
    model.evaluate(some_ids(10), never)
    with pytest.raises(ValueError, match="cannot rewind"):
        model.rewind(n_tokens)


def test_a_rewind_to_the_end_keeps_the_logits(model):
    expected = logits_after(model, some_ids(10))
    model.rewind(10)
    assert np.array_equal(model.logits(), expected)


def test_there_are_no_logits_before_the_first_token_nor_after_a_rewind(model):
    with pytest.raises(EngineError, match="no logits"):
        model.logits()
    model.evaluate(some_ids(10), never)
    model.rewind(9)
    with pytest.raises(EngineError, match="no logits"):
        model.logits()


# Giving up


def test_an_abort_leaves_whole_batches_from_which_evaluation_resumes(model):
    ids = some_ids(LONG)
    expected = logits_after(model, ids)
    model.rewind(0)
    with pytest.raises(Aborted):
        model.evaluate(ids, give_up_after(0.02))
    assert 0 <= model.n_evaluated < LONG and model.n_evaluated % 32 == 0
    with pytest.raises(EngineError, match="no logits"):
        model.logits()
    model.evaluate(ids[model.n_evaluated :], never)
    assert np.array_equal(model.logits(), expected)


def test_an_abort_behind_a_prompt_keeps_the_prompt(model):
    prompt, rest = some_ids(50), some_ids(LONG, seed=1)
    model.evaluate(prompt, never)
    with pytest.raises(Aborted):
        model.evaluate(rest, give_up_after(0))
    assert model.n_evaluated >= 50 and (model.n_evaluated - 50) % 32 == 0


def test_an_abort_takes_effect_in_the_midst_of_a_batch(engine, model_path):
    model = engine.load(model_path, n_context=N_CONTEXT, n_threads=1, n_batch=N_CONTEXT)
    with pytest.raises(Aborted):
        model.evaluate(some_ids(LONG), give_up_after(0.02))
    assert model.n_evaluated == 0  # the one batch that there was
    model.close()


def test_with_several_threads_an_abort_leaves_a_sound_model_too(engine, model_path):
    model = engine.load(model_path, n_context=N_CONTEXT, n_threads=2)
    expected = logits_after(model, some_ids(100))
    for delay_s in (0, 0.003, 0.01, 0.03):
        model.rewind(0)
        with pytest.raises(Aborted):
            model.evaluate(some_ids(LONG, seed=3), give_up_after(delay_s))
    assert np.array_equal(logits_after(model, some_ids(100)), expected)
    model.close()


def test_what_was_given_up_before_it_began_leaves_nothing(model):
    with pytest.raises(Aborted):
        model.evaluate(some_ids(10), lambda: True)
    assert model.n_evaluated == 0


def test_a_late_answer_to_one_question_does_not_abort_the_next_evaluation():
    watch, asked, answer_now = AbortWatch(), Event(), Event()
    answers = iter([lambda: False, lambda: asked.set() or answer_now.wait(5)])
    with watch.watching(lambda: next(answers)()) as first:
        assert asked.wait(5)
    with watch.watching(never) as second:
        answer_now.set()
        while not first.byte.value:
            sleep(0.001)
        assert not second.byte.value
    watch.close()


def test_a_question_that_stays_open_is_asked_ever_more_rarely():
    watch, asked = AbortWatch(), []
    with watch.watching(lambda: asked.append(None) is not None):
        sleep(0.5)
    assert 5 < len(asked) < 100  # every millisecond, it would be some 400
    watch.close()


def test_the_question_is_asked_many_times_and_not_by_the_thread_that_computes(model):
    asked_by = []
    model.evaluate(some_ids(LONG), lambda: asked_by.append(get_ident()) is not None)
    assert len(asked_by) > 10
    assert asked_by.count(get_ident()) == 1  # before it begins


def test_an_error_in_the_question_ends_the_evaluation_and_arrives(model):
    answers = iter([False, False])
    with pytest.raises(StopIteration):
        model.evaluate(some_ids(LONG), lambda: next(answers))
    assert model.n_evaluated < LONG


# Closing


def test_a_closed_model_can_be_closed_again_and_nothing_else(engine, model_path):
    model = engine.load(model_path, n_context=256, n_threads=1)
    logits = logits_after(model, some_ids(10))
    kept = model.logits()
    model.close()
    model.close()
    assert np.array_equal(kept, logits)  # no window onto memory that was freed
    for call in (lambda: model.evaluate([5], never), model.logits, lambda: model.rewind(0)):
        with pytest.raises(EngineError, match="closed"):
            call()


# Loading


def test_the_weights_are_mapped_from_the_file(loaded, model_path):
    assert model_path in Path("/proc/self/maps").read_text()


def test_progress_runs_from_nought_to_one(engine, model_path):
    told = []
    engine.load(model_path, n_context=256, n_threads=1, on_progress=told.append).close()
    assert told[0] == 0 and told[-1] == 1 and told == sorted(told)


def test_an_error_in_the_progress_report_ends_the_loading_and_arrives(engine, model_path):
    def tell(fraction):
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        engine.load(model_path, n_context=256, n_threads=1, on_progress=tell)


def test_a_context_that_llama_cpp_cannot_count_is_refused(engine, model_path):
    with pytest.raises(EngineError, match="no memory for a context"):
        engine.load(model_path, n_context=2**33, n_threads=1)


def test_nothing_is_printed(engine, model_path):
    code = """
import sys
from lsp_server.inference import open_model
model = open_model(sys.argv[1], n_context=256, n_threads=None, engine=sys.argv[2])
model.evaluate([5, 6, 7], lambda: False)
try:
    model.evaluate([5] * 100, lambda: True)
except Exception:
    pass
try:
    open_model(sys.executable, n_context=256, n_threads=1, engine=sys.argv[2])
except Exception:
    pass
sys.exit(7)     # without closing: what the library says at the end is not printed either
"""
    ended = in_a_new_process(code, model_path, engine.name)
    assert (ended.returncode, ended.stdout, ended.stderr) == (7, "", "")


def test_what_llama_cpp_says_goes_to_the_log_as_debug_messages(engine, model_path, caplog):
    caplog.set_level(logging.DEBUG, logger=llama_api.__name__)
    engine.load(model_path, n_context=256, n_threads=1).close()
    assert any("loaded meta data" in message for message in caplog.messages)
    assert {record.levelno for record in caplog.records} == {logging.DEBUG}


DAMAGE = {
    "empty": lambda data: b"",
    "text": lambda data: b"not a model, but long enough to have a header" * 100,
    "header only": lambda data: data[:24],
    "cut in the vocabulary": lambda data: data[:50_000],
    "cut in the weights": lambda data: data[: len(data) // 2],
    "cut at the end": lambda data: data[:-1],
    "another version": lambda data: data[:4] + b"\x09" + data[5:],
    "huge counts": lambda data: data[:8] + b"\xff" * 16 + data[24:],
    "noise in the header": lambda data: data[:64] + random.Random(0).randbytes(400) + data[464:],
}


def test_damaged_files_get_a_sentence_each_and_never_end_the_process(engine, model_path, tmp_path):
    data = Path(model_path).read_bytes()
    files = [tmp_path / "missing.gguf"]
    for name, damage in DAMAGE.items():
        files.append(tmp_path / f"{name}.gguf")
        files[-1].write_bytes(damage(data))
    code = """
import sys
from lsp_server.errors import ModelFileError
from lsp_server.inference.opening import ENGINES
for path in sys.argv[2:]:
    try:
        ENGINES[sys.argv[1]](path, n_context=256, n_threads=1)
    except ModelFileError as error:
        print(error)
"""
    ended = in_a_new_process(code, engine.name, *map(str, files))
    sentences = ended.stdout.splitlines()
    assert ended.returncode == 0, ended.stderr
    assert len(sentences) == len(files)
    assert all(sentence.startswith(str(file)) for sentence, file in zip(sentences, files, strict=True)), sentences


def test_a_vocabulary_without_weights_is_refused(engine):
    with pytest.raises(ModelFileError, match="cannot be loaded"):
        engine.load(ROOT / "vendor/vocab/ggml-vocab-refact.gguf", n_context=256, n_threads=1)


# The library


def test_the_engine_has_a_name_and_a_version(engine, model):
    assert model.name == engine.name
    assert engine_version(engine.name).startswith("llama.cpp ")
    assert engine_version(engine.name).endswith(f"from {engine.package.name} {engine.package.version}")


@pytest.mark.parametrize("package", llama_api.LAYOUTS, ids=lambda package: package.name)
def test_the_version_that_is_known_is_the_one_that_is_installed_with_the_program(package):
    assert f'"{package.name}=={package.version}"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("struct", "field", "other"), [("context_params", "offload_kqv", False), ("model_params", "n_gpu_layers", 0)]
)
def test_another_default_than_the_known_one_means_another_layout(engine, monkeypatch, struct, field, other):
    layout = llama_api.LAYOUTS[engine.package]
    known = getattr(layout, struct)
    changed = tuple((name, ctype, other if name == field else default) for name, ctype, default in known)
    monkeypatch.setitem(llama_api.LAYOUTS, engine.package, replace(layout, **{struct: changed}))
    with pytest.raises(EngineUnavailable, match=f"{field} reads .*; reinstall it with `pip install"):
        llama_api.check_layout(llama_api.load_api(engine.package), engine.package)


def test_one_package_read_with_the_layout_of_the_other_is_refused(native, monkeypatch):
    """Of the larger one: with that of the smaller, the library would write past its end."""
    monkeypatch.setitem(llama_api.LAYOUTS, native.package, llama_api.LAYOUTS[wheel.XLLAMACPP])
    api = ctypes.CDLL(llama_api.load_api(native.package)._name)  # with declarations of its own
    llama_api._declare(api, native.package)
    with pytest.raises(EngineUnavailable, match="lays out its settings differently"):
        llama_api.check_layout(api, native.package)


def refusal_to_install(package: wheel.Wheel = wheel.XLLAMACPP) -> str:
    with pytest.raises(EngineUnavailable) as refused:
        wheel.check_installation(package)
    return str(refused.value)


def test_another_version_is_refused_with_what_to_install(monkeypatch):
    monkeypatch.setattr(wheel, "version", lambda name: "2025.1.1")
    assert refusal_to_install() == (
        f"xllamacpp 2025.1.1 is not the version that this program knows;"
        f" install it with `pip install xllamacpp=={wheel.XLLAMACPP.version}`"
    )


def test_a_missing_package_is_named_with_what_to_install():
    missing = replace(wheel.LLAMA_CPP_PYTHON, name="not-there")
    assert refusal_to_install(missing) == (
        "llama.cpp is missing (the Python package not-there);"
        f" install it with `pip install not-there=={missing.version}`"
    )


def test_a_processor_that_is_too_old_is_refused_before_the_library_ends_the_process(tmp_path, monkeypatch):
    old = tmp_path / "cpuinfo"
    old.write_text("processor\t: 0\nflags\t\t: fpu sse4_2 avx\n")
    assert wheel._lacks_avx2(old)
    assert not wheel._lacks_avx2(tmp_path / "no such file, as on other systems")
    monkeypatch.setattr(wheel, "_lacks_avx2", lambda: True)
    assert "AVX2" in refusal_to_install()


def test_what_was_compiled_on_this_machine_runs_on_a_processor_without_avx2_too(native, monkeypatch):
    monkeypatch.setattr(wheel, "_lacks_avx2", lambda: True)
    assert wheel.check_installation(native.package).name == "llama_cpp"


def test_a_missing_system_library_is_named():
    error = OSError("libgomp.so.1: cannot open shared object file: No such file or directory")
    assert "install it" in wheel.why_it_does_not_load(error)


# Both packages in one process


def test_both_packages_compute_the_same_tokens_in_one_process(native, model_path):
    """Not the same logits: compiled for this processor, llama.cpp adds up in another order."""
    ids = some_ids(300)
    models = [engine.load(model_path, n_context=N_CONTEXT, n_threads=1) for engine in (LlamaCpp, native)]
    one, other = (logits_after(model, ids) for model in models)
    assert np.abs(one - other).max() < 0.5
    assert written(models[0], 12) == written(models[1], 12)
    for model in models:
        model.close()


def test_the_optional_package_is_not_taken_unless_asked_for(native, model_path):
    model = open_model(model_path, n_context=256, n_threads=1)
    assert model.name == LlamaCpp.name
    model.close()


def test_where_it_finds_a_graphics_card_it_is_taken_unasked(native, model_path, monkeypatch):
    monkeypatch.setattr(llama_api.load_api(native.package), "llama_supports_gpu_offload", lambda: True)
    model = open_model(model_path, n_context=256, n_threads=1)
    assert model.name == native.name
    assert model.evaluate(some_ids(100), never) is None  # by the processor, since there is no card
    model.close()


# Threads


@pytest.mark.parametrize(
    ("cores", "cpu_max", "threads"), [(1, "max", 1), (2, "max", 1), (8, "max", 7), (64, "200000", 1), (64, "50000", 1)]
)
def test_a_core_is_left_to_the_editor(monkeypatch, tmp_path, cores, cpu_max, threads):
    limits = tmp_path / "cpu.max"
    limits.write_text(f"{cpu_max} 100000\n")
    in_container = opening._n_cores_in_container
    monkeypatch.setattr(opening, "_n_cores_in_container", lambda: in_container(limits))
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    assert default_threads() == threads
