"""Playbooks and ingestions to submit."""

from __future__ import annotations

from typing import Any

KEY = "a key of the platform"


def job(step: int | str, title: str, after: Any = 0, following: Any = None, **more: Any) -> dict[str, Any]:
    own = {
        "dataset": {"label": "Ships"},
        "data-join": {"column": "ID", "join-type": "Inner"},
        "function": {"function": {"name": "sum", "args": []}},
        "classification": {"column": "ID", "algorithm": "logistic regression"},
        "regression": {"column": "ID", "algorithm": "linear regression"},
        "visualization": {"label": f"plot {step}"},
    }.get(title, {})
    following = [0] if following is None else following
    return {"id": f"Job-{step}", "step": step, "from": after, "next": following, "title": title, **own, **more}


def playbook(*jobs: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "diastema-token": KEY,
        "analysis-id": "A1F",
        "database-id": "Metis",
        "analysis-datetime": "2026-03-02 10:15:00:000",
        "jobs": list(jobs or two_branches()),
        "metadata": {"any": ["JSON", 1]},
        "automodel": False,
        **changes,
    }


def two_branches() -> list[dict[str, Any]]:
    """Two branches, their join, a function over both, models of all titles, one by AutoML, and a part apart."""
    return [
        job(1, "dataset", 0, [3], label="Ships", id=1634599631650),
        job(2, "dataset", 0, [4], label="Boats"),
        job(3, "cleaning", 1, [5, 6], **{"max-shrink": 0.2}),
        job(4, "cleaning", 2, [5, 6], **{"max-shrink": None}),
        job(5, "data-join", [4, 3], [7]),
        job(6, "function", [3, 4], [9]),
        job(7, "classification", 5, [8, 10, 11], params={"iterations": 5}),
        job(8, "data-sink", 7),
        job(9, "cleaning", 6, [12, 13]),
        job(10, "visualization", 7, label="Viz"),
        job(11, "data-sink", [7]),
        job(12, "regression", 9, [14], automl=True, params={"trials": 3}),
        job(13, "clustering", 9, [14], algorithm=False),
        job(14, "data-sink", [12, 13]),
        job("Apart", "dataset", 0, ["sink"], label="tugs"),
        job("sink", "data-sink", "apart"),
    ]


def ingestion(**changes: Any) -> dict[str, Any]:
    return {
        "testing": False,
        "diastema-token": KEY,
        "ingestion-id": "I77",
        "database-id": "Metis",
        "user": "Anna",
        "dataset-label": "Ships",
        "ingestion_json": {
            "url": "http://data.example/ships",
            "method": "GET",
            "separator": ",",
            "first-line-labels": True,
            "query_params": {"page": "1"},
        },
        **changes,
    }
