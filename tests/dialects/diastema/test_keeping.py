"""Where what jobs have left is looked for."""

from __future__ import annotations

import pytest

from podium.dialects.diastema.keeping import kept

CLEANED = {"id": "job-2", "step": 2, "title": "cleaning", "column": "", "path": "metis/analysis-a/cleaned-2"}


@pytest.mark.parametrize(
    ("result", "found"),
    [
        (CLEANED, [("cleaned-data", "metis/analysis-a/cleaned-2"), ("plots", "diastemaviz/job-2")]),
        ({**CLEANED, "title": "visualization", "path": "diastemaviz/job-1"}, [("visualization", "diastemaviz/job-1")]),
        ({**CLEANED, "title": "dataset", "path": "metis/datasets/ships"}, []),
        ({"id": "job-9", "step": 9, "title": "data-sink", "column": ""}, []),
        ({"path": "metis/datasets/ships", "features": 3}, [("dataset", "metis/datasets/ships")]),
        (None, []),
    ],
)
def test_what_a_job_has_left(result, found):
    assert list(kept(result)) == found
