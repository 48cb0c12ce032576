"""What has come of a run, as the terminal shows it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from podium.cli.client import BASE, Client
from podium.cli.results import SHORT, _save, _shorten, _unpack, where
from podium.cli.run import write
from podium.cli.screen import out, summary
from podium.errors import Conflict, Unavailable

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


def test_what_services_call_their_results_is_no_markup(capsys) -> None:
    out.cache_clear()
    numbers = dict.fromkeys(("min", "mean", "max", "last"), 1.5)
    summary([{"measurement": "pv", "field": "power[dc]", "unit": "[W]", "objects": 1, "count": 2, **numbers}])
    told = capsys.readouterr().out
    assert "power[dc]" in told
    assert "[W]" in told
    out.cache_clear()


async def saved(directory: Path, read: Callable[[str], httpx.Response], *paths: str) -> None:
    """All artifacts, of which `read` answers each."""

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/artifacts").lstrip("/")
        listed = httpx.Response(200, json={"artifacts": [{"path": one} for one in paths]})
        return read(path) if path else listed

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url=BASE) as http:
        await _save(Client(http), "/artifacts", directory)


async def test_artifacts_are_saved_one_by_one_and_those_that_are_gone_are_told(tmp_path: Path, capsys) -> None:
    def read(path: str) -> httpx.Response:
        return httpx.Response(404 if path.endswith("_SUCCESS") else 200, content=path.encode())

    await saved(tmp_path, read, "metis/a/_SUCCESS", "metis/a/50% of #1?", *PATHS)
    for path in ("metis/a/50% of #1?", *PATHS):
        assert (tmp_path / path).read_text() == path
    assert not (tmp_path / "metis/a/_SUCCESS").exists()
    assert "metis/a/_SUCCESS is gone" in capsys.readouterr().err


async def test_artifacts_that_have_no_place_keep_no_other_from_being_saved(tmp_path: Path, capsys) -> None:
    with pytest.raises(Conflict, match="1 of 3 files could not be written"):
        await saved(tmp_path, lambda path: httpx.Response(200, content=b"1"), "metis/a", "metis/a/b", "metis/c")
    assert sorted(path.name for path in (tmp_path / "metis").iterdir()) == ["a", "c"]
    assert "metis/a/b cannot be written: " in capsys.readouterr().err


async def test_half_an_artifact_is_not_kept(tmp_path: Path) -> None:
    class Torn(httpx.AsyncByteStream):
        async def __aiter__(self):
            yield b"half of it"
            raise httpx.ReadError("the connection is gone")

    with pytest.raises(Unavailable):
        await saved(tmp_path, lambda path: httpx.Response(200, stream=Torn()), "metis/a")
    assert list((tmp_path / "metis").iterdir()) == []


def test_files_that_cannot_be_written_are_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("pv.csv", "time,value")
    for directory in (tmp_path / "file", tmp_path / "file" / "under"):
        with pytest.raises(Conflict, match="cannot be written") as refused:
            _unpack(packed.getvalue(), directory)
        assert refused.value.where == str(directory)
    with pytest.raises(Conflict, match="cannot be written: is a directory"):
        write(tmp_path, b"a plot")
