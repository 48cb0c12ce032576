"""What has come of a run, as the terminal shows it."""

from __future__ import annotations

from pathlib import Path

from podium.cli.results import SHORT, _shorten, where
from podium.cli.screen import out

PATHS = ("diastemaviz/a/x.html", "diastemaviz/b/x.html", "metis/analysis-1/cleaned-2/p", "metis/analysis-1/joined-3/p")


def test_where_artifacts_are_is_said_in_few_folders(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    artifacts = [{"path": path, "size": 1500} for path in PATHS]
    assert list(where({"store": (tmp_path / "of mine").as_uri(), "artifacts": artifacts})) == [
        "of mine/diastemaviz",
        "of mine/metis/analysis-1",
        "4 files, 6.0 kB",
    ]
    assert list(where({"store": "s3://host:9000", "artifacts": artifacts[2:3]})) == [
        "s3://host:9000/metis/analysis-1/cleaned-2",
        "1 file, 1.5 kB",
    ]


def test_long_results_are_cut(capsys) -> None:
    out.cache_clear()
    _shorten({"load": [1, 2], "text [b]": "x" * 2 * SHORT})
    told = capsys.readouterr()
    assert "load       [1, 2]" in told.out
    assert f"text [b]   {chr(34)}{'x' * (SHORT - 1)} ..." in told.out
    assert "--json" in told.err
    out.cache_clear()
