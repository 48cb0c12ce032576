from __future__ import annotations

import pytest

from podium.attempts import Attempts
from podium.errors import TooManyAttempts


def test_attempts_are_forgotten_in_time_and_bounded_in_number() -> None:
    now = 0.0
    attempts = Attempts(2, 60, clock=lambda: now)
    attempts.wrong("a")
    attempts.wrong("a")
    with pytest.raises(TooManyAttempts):
        attempts.check("a")
    attempts.check("b")
    now = 60.0
    attempts.check("a")
    for number in range(5000):
        attempts.wrong(str(number))
    assert len(attempts._wrong) == 1024
