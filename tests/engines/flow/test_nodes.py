"""What may be the name of a job or of one of its items."""

from __future__ import annotations

import pytest

from podium.engines.flow import nodes


def test_a_job_and_its_items() -> None:
    assert nodes.asked("train") == ("train", None)
    assert nodes.asked(nodes.item("train", 12)) == ("train", 12)


@pytest.mark.parametrize("text", ["", "[", "[0]", "a[]", "a[x]", "a[-1]", "a[1]b", "a[1", "a]", "a#1", "a/b"])
def test_what_is_none(text: str) -> None:
    assert nodes.asked(text) is None
