"""Event streams as the standard has them, cut into network packets wherever it hurts."""

from __future__ import annotations

import json

import pytest

from lsp_server.backends.event_stream import MAX_LINE_BYTES, MAX_STREAM_BYTES, EventStream, JsonLines, parsed
from lsp_server.errors import BackendGarbled


def events(*packets: bytes) -> list[bytes]:
    stream = EventStream()
    return [event for packet in packets for event in stream.feed(packet)] + list(stream.end())


def one_byte_at_a_time(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: one\n\ndata: two\n\n", [b"one", b"two"]),
        (b"data: one\r\n\r\ndata: two\r\n\r\n", [b"one", b"two"]),
        (b"data: one\r\rdata: two\r\r", [b"one", b"two"]),
        (b"data:one\n\n", [b"one"]),
        (b"data:  one\n\n", [b" one"]),
        (b"data: one\ndata: more\n\n", [b"one\nmore"]),
        (b": a comment\n\ndata: one\n\n: ping\n\n", [b"one"]),
        (b"event: message\nid: 7\nretry: 10\ndata: one\n\n", [b"one"]),
        (b"\xef\xbb\xbfdata: one\n\n", [b"one"]),
        (b"data\n\n", [b""]),
        (b"data: [DONE]\n\n", [b"[DONE]"]),
        (b"error: {}\n\n", [b"{}"]),
        (b"data: cut o", []),
        (b"data: no blank line behind\n", []),
    ],
)
def test_the_standards_lines_and_fields(stream, expected):
    assert events(stream) == expected
    assert events(*one_byte_at_a_time(stream)) == expected


def test_what_text_libraries_take_for_line_ends_stays_in_the_data():
    text = "a\u2028b\u2029c\x0bd\x0ce\x85f\x1cg"
    data = json.dumps({"text": text}, ensure_ascii=False).encode()
    # JSON itself escapes the control characters; the separators stand in it as they are.
    (event,) = events(b"data: " + data + b"\n\n")
    assert parsed(event) == {"text": text}


def test_a_character_may_be_cut_between_packets():
    data = 'data: {"text": "漢🙂"}\n\n'.encode()
    for cut in range(len(data)):
        (event,) = events(data[:cut], data[cut:])
        assert parsed(event) == {"text": "漢🙂"}


def test_an_empty_packet_between_cr_and_lf_is_no_line_end():
    assert events(b"data: one\r", b"", b"\ndata: more\n\n") == [b"one\nmore"]


def test_json_lines_need_no_line_end_at_the_last():
    lines = JsonLines()
    assert [*lines.feed(b'{"a": 1}\r\n\r\n{"b"'), *lines.feed(b": 2}"), *lines.end()] == [b'{"a": 1}', b'{"b": 2}']


@pytest.mark.parametrize("packet", [b"x" * (1 << 16), b"data: x\n\n" * 6000])
def test_no_more_is_kept_than_a_suggestion_could_be(packet):
    stream = EventStream()
    n_fed = 0
    with pytest.raises(BackendGarbled, match="far more than a suggestion"):
        while n_fed <= 2 * MAX_STREAM_BYTES:
            n_fed += len(packet)
            list(stream.feed(packet))
    assert n_fed <= max(MAX_LINE_BYTES, MAX_STREAM_BYTES) + len(packet)


@pytest.mark.parametrize("data", [b"{", b"\xff{}", b"[" * 100_000, b"nothing", b'{"text": "\xff"}'])
def test_broken_json_is_told_as_such(data):
    with pytest.raises(BackendGarbled, match="broken JSON"):
        parsed(data)


def test_json_of_another_shape_is_told_as_such():
    with pytest.raises(BackendGarbled, match="another shape"):
        parsed(b"[1]")
