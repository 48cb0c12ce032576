"""What is typed to have a graph run again."""

from __future__ import annotations

import pytest

from podium.cli.graphs import _edits
from podium.errors import DocumentRefused


@pytest.mark.parametrize(
    ("given", "edits"),
    [
        (["load.arguments.day=4"], {"load": {"arguments": {"day": 4}}}),
        (['"load.raw".arguments.day=4'], {"load.raw": {"arguments": {"day": 4}}}),
        (['a."k=v.w"=x=y'], {"a": {"k=v.w": "x=y"}}),
        (["two words.url=http://x/?a=b", "two words.n={}"], {"two words": {"url": "http://x/?a=b", "n": {}}}),
        (["a.b="], {"a": {"b": ""}}),
    ],
)
def test_an_edit(given, edits):
    assert _edits(given) == edits


@pytest.mark.parametrize("given", ["a=1", "a.b", ".b=1", "a.=1", "a..b=1", '"a.b=1', '""."b"=1', '"a"b.c=1', ""])
def test_what_is_no_edit(given):
    with pytest.raises(DocumentRefused, match="is no edit"):
        _edits([given])
