"""Bytes that are no document, or not one that anybody knows: what is said of them."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from podium.dialects.documents import LARGEST, MOST_VALUES, parsed, unknown
from podium.errors import DocumentRefused

MARKS: dict[str, Sequence[str]] = {"songs": ("title", "verses", "chorus"), "tales": ("title", "chapters"), "xml": ()}


def refusal(content: bytes) -> DocumentRefused:
    with pytest.raises(DocumentRefused) as refused:
        parsed(content)
    return refused.value


def test_an_object_is_read() -> None:
    text = '{"a": [1, -2.5e3, "\\ud83d\\ude00 \N{SNOWMAN}"], "b": {"a": null}}'
    for content in (text.encode(), b"\xef\xbb\xbf" + text.encode()):
        assert parsed(content) == {"a": [1, -2500.0, "\U0001f600 \N{SNOWMAN}"], "b": {"a": None}}


@pytest.mark.parametrize(
    ("content", "where", "problem"),
    [
        (b"", None, "the document is empty"),
        (b" \n\t ", None, "the document is empty"),
        (b"\xef\xbb\xbf", None, "the document is empty"),
        (b'{"a": 1\n "b": 2}', "line 2, column 2", "not JSON: expecting ',' delimiter"),
        (b"{'a': 1}", "line 1, column 2", "expecting property name enclosed in double quotes"),
        (b'{"a": 1,}', "line 1, column 9", "expecting property name"),
        (b'{"a": 1} x', "line 1, column 10", "extra data"),
        (b'{"a": tru}', "line 1, column 7", "expecting value"),
        (b'{"a": "x\ny"}', "line 1, column 9", "invalid control character"),
        (b"a: b: c", "line 1, column 1", "expecting value"),
        (b"[1]", None, "not a JSON object"),
        (b"5", None, "not a JSON object"),
        (b'{"a": NaN}', None, "NaN is not a number in JSON"),
        (b'{"a": -Infinity}', None, "-Infinity is not a number in JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", None, "thousands of digits"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "c", "given twice"),
        (b'{"a": "\\ud800"}', None, "half a character, \\ud800"),
        (b'{"\\udfff": 1}', None, "half a character"),
        (b'{"a": "\xff"}', None, "not UTF-8 at byte 8"),
        ('{"a": 1}'.encode("utf-16"), None, "not UTF-8 at byte 1"),
        (b'{"a": ' + b"[" * 50_000, None, "nested deeper than 100 levels"),
        (b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}", None, "nested deeper than 100 levels"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(content: bytes, where: str | None, problem: str) -> None:
    refused = refusal(content)
    assert refused.where == where
    assert problem in refused.problem


def test_what_is_nested_as_deep_as_may_be_is_read() -> None:
    assert parsed(b'{"a": ' + b"[" * 99 + b"]" * 99 + b"}")["a"]


@pytest.mark.parametrize("piece", [b"{},", b"[],", b"1,", b'{"a":[[1]]},'])
def test_more_values_than_anybody_needs_are_refused_unread(piece: bytes) -> None:
    assert "more than 500000 values" in refusal(b'{"a": [' + piece * MOST_VALUES).problem


def test_a_large_text_is_read_and_a_larger_one_refused() -> None:
    large = json.dumps({"a": "x" * (LARGEST - 10)}).encode()
    assert len(parsed(large)["a"]) == LARGEST - 10
    assert refusal(large + b" " * 10).problem == "the document is larger than 12 MB"


def faults(content: bytes) -> list[str]:
    return [str(fault) for fault in unknown(content, "a.json", MARKS).faults]


def test_of_an_unknown_object_the_nearest_dialect_says_what_is_missing() -> None:
    refused = unknown(b'{"title": "", "verse": [], "by": ""}', "a.json", MARKS)
    assert (refused.where, refused.problem) == (
        "a.json",
        "this is no document Podium knows; the nearest are those of songs",
    )
    assert [str(fault) for fault in refused.faults] == [
        "verse: there is no such key. Did you mean verses?",
        "chorus: is missing",
    ]
    assert faults(b'{"title": "", "chaptres": []}') == ["chaptres: there is no such key. Did you mean chapters?"]


@pytest.mark.parametrize(("content", "filename"), [(b'{"a": 1}', "a.json"), (b"<alert/>", "a.xml"), (b"\0\1", "")])
def test_what_is_near_to_none_hears_what_there_is(content: bytes, filename: str) -> None:
    refused = unknown(content, filename, MARKS)
    assert (refused.problem, refused.faults) == ("this is no document Podium knows", ())
    assert refused.hint == "Known are documents of: songs (title, verses, chorus); tales (title, chapters); xml"


@pytest.mark.parametrize(
    ("content", "filename", "problem"),
    [
        (b'{"title": ', "", "not JSON"),
        (b'\xef\xbb\xbf  [{"title": ', "", "not JSON"),
        (b"title: x", "a.json", "not JSON"),
        (b"", "", "empty"),
        (b"\n", "a.xml", "empty"),
    ],
)
def test_what_is_meant_as_json_hears_why_it_is_none(content: bytes, filename: str, problem: str) -> None:
    assert problem in unknown(content, filename, MARKS).problem


def test_many_strange_keys_take_no_time() -> None:
    strange = {f"verse{number}": 1 for number in range(30_000)}
    assert "title: is missing" in faults(json.dumps(strange).encode())
