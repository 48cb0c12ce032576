"""The platform's own rules, in the order of its page."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from podium.dialects.diastema.validator import Verdict, check
from tests.dialects.diastema.playbooks import job, playbook


async def features(organisation: str, label: str) -> Collection[str] | None:
    known = {"ships": ["ID", "Length"], "boats": ["id", "speed"]}
    return known.get(label.lower()) if organisation == "Metis" else None


async def verdict(*jobs: dict[str, Any]) -> Verdict:
    return await check(playbook(*jobs), features)


async def reasons(*jobs: dict[str, Any]) -> list[str]:
    return [f"{one.where}: {one.what}" for one in (await verdict(*jobs)).faults]


def cleaned(*behind: dict[str, Any]) -> list[dict[str, Any]]:
    first = [one["step"] for one in behind if one["from"] == 2]
    return [job(1, "dataset", 0, [2], label="ships"), job(2, "cleaning", 1, first), *behind]


async def test_a_good_playbook_passes() -> None:
    found = await verdict(*cleaned(job(3, "regression", 2, [4], column="length"), job(4, "visualization", 3)))
    assert found == Verdict()


async def test_titles_are_known() -> None:
    assert "jobs[0] (step 1).title: there is no job called 'x'" in await reasons(job(1, "x"))


async def test_there_is_a_start_and_starts_are_datasets_or_functions() -> None:
    circle = [job(1, "cleaning", 2, [2]), job(2, "cleaning", 1, [1])]
    assert "jobs: there is no start" in [str(one).partition(".")[0] for one in (await verdict(*circle)).faults]
    assert await reasons(job(1, "function", 0, [2]), job(2, "data-sink", 1)) == []
    assert "jobs[0] (step 1).title: a data-sink cannot be a start" in [
        f"{one.where}: {one.what}" for one in (await verdict(job(1, "data-sink", 0))).faults
    ]


async def test_there_is_an_end_and_ends_are_sinks_or_visualizations() -> None:
    circle = [job(1, "cleaning", 2, [2]), job(2, "cleaning", 1, [1])]
    assert "jobs: there is no end" in [str(one).partition(".")[0] for one in (await verdict(*circle)).faults]
    found = await reasons(*cleaned(job(3, "classification", 2)))
    assert found == ["jobs[2] (step 3).title: a classification cannot be an end"]


async def test_every_job_can_be_reached() -> None:
    circle = [job(3, "cleaning", 4, [4]), job(4, "cleaning", 3, [3])]
    [fault] = await reasons(job(1, "dataset", 0, [2]), job(2, "data-sink", 1), *circle)
    assert "wait for each other in a circle" in fault


@pytest.mark.parametrize("title", ["cleaning", "regression", "classification", "clustering", "visualization"])
async def test_one_input_for_most_and_two_for_a_join(title: str) -> None:
    starts = [job(1, "dataset", 0, [3]), job(2, "dataset", 0, [3])]
    assert f"jobs[2] (step 3).from: a {title} takes one input, not 2" in await reasons(*starts, job(3, title, [1, 2]))
    [fault] = await reasons(job(1, "dataset", 0, [2]), job(2, "data-join", 1, [3]), job(3, "data-sink", 2))
    assert fault == "jobs[1] (step 2).from: a data-join takes 2 inputs, not 1"


async def test_columns_exist_in_what_they_are_taken_from() -> None:
    found = await reasons(*cleaned(job(3, "regression", 2, [4], column="Speed"), job(4, "data-sink", 3)))
    assert found == ["jobs[2] (step 3).column: step 2 has no column 'speed'"]


def joined(column: str, *behind: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        job(1, "dataset", 0, [3], label="ships"),
        job(2, "dataset", 0, [3], label="boats"),
        job(3, "data-join", [1, 2], [4], column=column),
        job(4, "cleaning", 3, [behind[0]["step"]]),
        *behind,
    ]


async def test_a_join_has_the_columns_of_both_sides() -> None:
    for column in ("length", "speed"):
        assert await reasons(*joined("ID", job(5, "regression", 4, [6], column=column), job(6, "data-sink", 5))) == []
    found = await reasons(*joined("speed", job(5, "data-sink", 4)))
    assert found == ["jobs[2] (step 3).column: step 1 has no column 'speed'"]


async def test_what_models_and_functions_yield() -> None:
    def after(title: str, column: str) -> list[dict[str, Any]]:
        again = job(4, "regression", 3, [5], column=column)
        return cleaned(job(3, title, 2, [4], column="length"), again, job(5, "data-sink", 4))

    assert await reasons(*after("classification", "prediction")) == []
    assert await reasons(*after("classification", "id")) == ["jobs[3] (step 4).column: step 3 has no column 'id'"]
    assert await reasons(*after("clustering", "id")) == []
    assert await reasons(*after("clustering", "prediction")) == []
    function = [job(3, "function", 2, [4]), job(4, "cleaning", 3, [5])]
    for column, good in (("result", True), ("length", False)):
        model = job(5, "regression", 4, [6], column=column)
        assert (await reasons(*cleaned(*function, model, job(6, "data-sink", 5))) == []) is good


@pytest.mark.parametrize("title", ["classification", "regression", "clustering", "function", "visualization"])
async def test_some_want_cleaned_input(title: str) -> None:
    ends = [] if title == "visualization" else [job(3, "data-sink", 2)]
    one = job(2, title, 1, [3] if ends else [0])
    found = await reasons(job(1, "dataset", 0, [2], label="ships"), one, *ends)
    assert found == [f"jobs[1] (step 2).from: a {title} wants cleaned input, and step 1 gives none"]


async def test_cleaning_before_a_join_is_a_matter_of_advice() -> None:
    both = [
        job(1, "dataset", 0, [3], label="ships"),
        job(2, "dataset", 0, [4], label="boats"),
        job(3, "cleaning", 1, [5]),
        job(4, "cleaning", 2, [5]),
        job(5, "data-join", [3, 4], [6]),
        job(6, "classification", 5, [7]),
        job(7, "data-sink", 6),
    ]
    found = await verdict(*both)
    assert found.faults == ()
    assert [one.where for one in found.advice] == ["jobs[4] (step 5).from"]


async def test_columns_of_an_unknown_dataset_are_not_guessed() -> None:
    found = await verdict(*cleaned(job(3, "data-sink", 2))[1:], job(1, "dataset", 0, [2], label="tugs"))
    assert found.faults == ()
    assert "nothing is known of this dataset" in found.advice[0].what


async def test_faults_are_told_in_the_order_of_the_page() -> None:
    lone = [job(5, "cleaning", [1, 2], [6]), job(6, "cleaning", 5)]
    found = await reasons(job(1, "x"), job(2, "dataset", 0, [5]), job(3, "data-sink", 0), *lone)
    words = ["no job called 'x'", "a data-sink cannot be a start", "a cleaning cannot be an end", "takes an input"]
    places = [next(at for at, one in enumerate(found) if word in one) for word in words]
    assert places == sorted(places), found
    uncleaned = [job(3, "regression", 1, [4], column="depth"), job(4, "cleaning", 3)]
    assert await reasons(job(1, "dataset", 0, [3], label="ships"), *uncleaned) == [
        "jobs[2] (step 4).title: a cleaning cannot be an end",
        "jobs[1] (step 3).column: step 1 has no column 'depth'",
        "jobs[1] (step 3).from: a regression wants cleaned input, and step 1 gives none",
    ]
