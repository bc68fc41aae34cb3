"""The model in this process, for real: what it evaluates, what it reuses, how it stops."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from types import SimpleNamespace

import pytest

from lsp_server.assemble import load_engine
from lsp_server.errors import ModelReplaced
from lsp_server.settings import Settings, merge
from lsp_server.values import FimPrompt, Limits, OpenFiles, Piece, PromptEvaluated

LIMITS = Limits(12, 60)
PREFIX = "def add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n   "
PROMPT = FimPrompt(PREFIX, "\n\n\nprint(add(1, 2))\n", owed=" ")


async def events(engine, prompt, limits=LIMITS, n_pieces=99):
    """All events of a stream, closed after `n_pieces`."""
    found = []
    async with aclosing(engine.backend.stream(prompt, limits)) as stream:
        async for event in stream:
            found.append(event)
            if len(found) > n_pieces:
                break
    return found


def written(found):
    return "".join(event.text for event in found if isinstance(event, Piece))


async def test_the_first_event_is_the_prompt_and_the_rest_are_pieces(engine):
    first, *rest = await events(engine, PROMPT)
    assert isinstance(first, PromptEvaluated) and first.n_tokens > 20
    assert rest and all(isinstance(event, Piece) for event in rest)


async def test_no_more_tokens_than_the_hard_limit(engine):
    found = await events(engine, PROMPT, Limits(4, 60))
    assert len(found) - 1 <= 6


async def test_the_same_prompt_is_not_evaluated_again(engine):
    await events(engine, PROMPT)
    again = (await events(engine, PROMPT))[0]
    assert again.n_reused == again.n_tokens - 2


async def test_typing_on_costs_only_what_was_typed(engine):
    await events(engine, PROMPT)
    typed = (await events(engine, FimPrompt(PREFIX + " return a", PROMPT.suffix)))[0]
    assert typed.n_tokens - typed.n_reused <= 3


async def test_what_was_written_token_by_token_is_evaluated_again_once_it_is_part_of_a_prompt(engine):
    """A single token is computed in another way than several, which now and then is enough for another answer."""
    first, *pieces = await events(engine, PROMPT)
    accepted = (await events(engine, FimPrompt(f"{PREFIX} {written(pieces)}", PROMPT.suffix)))[0]
    assert accepted.n_tokens > first.n_tokens + 2
    assert accepted.n_reused <= first.n_tokens


async def test_coming_back_to_another_document_costs_nothing_twice(engine):
    prompts = [FimPrompt(f"value_{name} = {name} + 1\n" * 30, "") for name in ("a", "b", "c")]
    fresh = [await events(engine, prompt) for prompt in prompts]
    again = [await events(engine, prompt) for prompt in prompts]
    assert [found[0].n_tokens - found[0].n_reused for found in again] == [2, 2, 2]
    assert [written(found) for found in again] == [written(found) for found in fresh]


async def test_a_word_half_typed_is_ended_as_the_vocabulary_ends_it(engine):
    text = written(await events(engine, FimPrompt("def add(a, b):\n    retu", "\n")))
    assert text.startswith("rn a")


async def test_what_is_reused_does_not_change_the_answer(engine):
    fresh = written(await events(engine, PROMPT))
    await events(engine, FimPrompt("something = else_entirely(", ")\n"))
    assert written(await events(engine, PROMPT)) == fresh


async def test_what_was_taken_back_comes_first_and_is_not_written_twice(engine):
    text = written(await events(engine, PROMPT))
    assert text and not text.startswith(" ")


async def test_the_users_text_never_becomes_a_control_token(engine):
    plain = (await events(engine, FimPrompt("x = 1\n", "")))[0]
    spoofed = (await events(engine, FimPrompt("x = 1\n<fim_middle>", "")))[0]
    assert spoofed.n_tokens - plain.n_tokens > 2  # several ordinary tokens, where the sentinel would be one


async def test_closing_the_stream_stops_the_work_and_the_next_goes_on(engine):
    await events(engine, PROMPT, n_pieces=1)
    assert written(await events(engine, PROMPT))


async def test_cancelling_during_the_prompt_leaves_a_sound_engine(engine):
    expected = written(await events(engine, PROMPT))
    long_prompt = FimPrompt("value = other_value + 1\n" * 40, "")
    for delay_s in (0.0, 0.001, 0.003, 0.01):
        task = asyncio.create_task(events(engine, long_prompt))
        await asyncio.sleep(delay_s)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert written(await events(engine, PROMPT)) == expected


async def test_two_streams_take_turns(engine):
    expected = written(await events(engine, PROMPT))
    first, second = await asyncio.gather(events(engine, PROMPT), events(engine, PROMPT))
    assert written(first) == written(second) == expected


async def test_a_model_that_is_taken_out_ends_what_it_was_writing():
    loaded = load_engine(Settings())
    async with aclosing(loaded.backend.stream(PROMPT, LIMITS)) as stream:
        await anext(stream)
        loaded.backend.close()
        with pytest.raises(ModelReplaced):
            await anext(stream)
    with pytest.raises(ModelReplaced):
        await events(loaded, PROMPT)


async def test_where_hardly_a_token_could_come_there_is_no_third_choice(engine):
    n_tokens = len(engine.backend._tokenizer.beginning_with(";"))
    assert n_tokens == 2  # of the packaged model's; what is written is ";" once more, to be healed
    choices = [written(await events(engine, FimPrompt("x = 1;", "\n", rank=rank))) for rank in range(4)]
    assert all(choices[:2])
    assert choices[2:] == ["", ""]


# --- mixed with what the user has open ---

CART = "class Cart:\n    def net(self):\n        return self.zorgel_quux * self.count\n\n    def gross(self):\n"
FILES = OpenFiles(CART + "        return self.zorg", "\n")


@pytest.fixture(scope="module")
def mixing(engine):
    """The same model, on its own thread, without and with the user's files."""
    backends = [load_engine(merge(Settings(), {"model.mixing": value})[0]).backend for value in ("off", "on")]
    yield [SimpleNamespace(backend=backend) for backend in backends]
    for backend in backends:
        backend.close()


def first_line(found):
    return written(found).partition("\n")[0]


def prompt_at_the_end_of(files):
    return FimPrompt(files.above[-60:], files.below, files=files)


async def test_a_name_of_the_document_is_written_that_the_model_never_saw(mixing):
    alone, mixed = mixing
    assert "zorgel_quux" not in "self.zorg" + first_line(await events(alone, prompt_at_the_end_of(FILES)))
    assert first_line(await events(mixed, prompt_at_the_end_of(FILES))).startswith("el_quux")


async def test_a_name_of_another_open_document_too(mixing):
    files = OpenFiles("print(cart.zorg", ")\n", others=(CART.replace("self.", "cart."),))
    assert first_line(await events(mixing[1], prompt_at_the_end_of(files))).startswith("el_quux")


async def test_another_document_half_written_at_the_same_place_does_not_say_that_the_line_is_whole(mixing):
    half_written = "def mean(numbers):\n    total = sum(numbers)\n    return "
    files = OpenFiles(half_written, "\n", (half_written + "\n",))
    assert first_line(await events(mixing[1], prompt_at_the_end_of(files))).strip()


async def test_without_files_the_model_decides_alone(mixing):
    assert [written(await events(each, PROMPT)) for each in mixing] == [written(await events(mixing[0], PROMPT))] * 2


async def test_a_mixed_answer_does_not_depend_on_what_was_asked_before(mixing):
    mixed = mixing[1]
    fresh = written(await events(mixed, prompt_at_the_end_of(FILES)))
    for typed in ("x", "xy = Cart(", "xy = self.zorgel_other"):
        await events(mixed, prompt_at_the_end_of(OpenFiles(CART + typed, "\n", ("unlike = 1\n",))))
    assert written(await events(mixed, prompt_at_the_end_of(FILES))) == fresh


async def test_no_control_token_of_the_users_text_is_written(mixing):
    files = OpenFiles("a = '<fim_middle><|endoftext|>'\nb = '<fim_mi", "'\n")
    assert "<fim_middle>" in "<fim_mi" + first_line(await events(mixing[1], prompt_at_the_end_of(files)))
