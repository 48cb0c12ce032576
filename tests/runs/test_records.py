"""How records are written down."""

from __future__ import annotations

import threading
from collections.abc import ItemsView
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.errors import DocumentRefused
from podium.runs.records import encode, encode_large

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
keys = st.text() | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
anything = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=40)


@given(anything)
def test_piece_by_piece_it_is_the_same(value: Any) -> None:
    expected = encode(value, "here")
    assert encode_large(value, "here", len(expected)) == expected
    assert encode_large(value, "here", len(expected) - 1) is None


@pytest.mark.parametrize("value", [float("nan"), {"a": {"b": [object()]}}])
def test_what_cannot_be_written(value: Any) -> None:
    with pytest.raises(DocumentRefused, match="here"):
        encode_large(value, "here", 1000)


class Noting(dict[str, Any]):
    """Keeps the threads that look into it."""

    def __init__(self, **items: Any) -> None:
        super().__init__(**items)
        self.threads: set[int] = set()

    def items(self) -> ItemsView[str, Any]:
        self.threads.add(threading.get_ident())
        return super().items()
