"""Ids that brokers, clusters and command lines can carry."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.dialects.dots.names import POD_NAME_LENGTH, longest_model_id, pod_name_length, simulation_id


@given(st.text(max_size=60), st.integers(1, longest_model_id("dots-so")))
def test_an_id_is_a_label_and_fits_into_a_pods_name(name: str, longest_model: int) -> None:
    made = simulation_id(name, "dots-so", longest_model)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", made)
    assert pod_name_length("dots-so", len(made), "m" * longest_model) <= POD_NAME_LENGTH


@pytest.mark.parametrize(
    ("name", "begin"),
    [("Two services", "two-services-"), ("- x", "x-"), ("Ünï test", "uni-test-"), ("电网", "run-"), ("", "run-")],
)
def test_an_id_tells_the_name(name: str, begin: str) -> None:
    made = simulation_id(name, "dots-so", 10)
    assert re.fullmatch(f"{begin}[0-9a-f]{{8}}", made)
