from __future__ import annotations

import pytest

from podium.yaml_text import parsed


def test_a_date_is_text():
    assert parsed(b"{day: 2026-02-28, at: 2026-02-28 10:00:00, n: 3}") == {
        "day": "2026-02-28",
        "at": "2026-02-28 10:00:00",
        "n": 3,
    }


def test_a_mapping_may_have_many_keys_of_its_own():
    assert len(parsed("".join(f"k{n}: {n}\n" for n in range(1500)).encode())) == 1500


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2", "line 2, column 1: the key 'a' is given twice"),
        ("a: !!python/name:os.system", "could not determine a constructor"),
        ("a: [", "line 1, column 5"),
    ],
)
def test_refuses(text, said):
    with pytest.raises(ValueError) as refused:
        parsed(text.encode())
    assert said in str(refused.value)
