"""What models say is kept, bounded, and nowhere else than it should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from podium.runs.events import Event
from podium.runs.journal import Journal
from podium.stack import logbook
from podium.stack.logbook import LogBook, forget_old
from tests.runs.counting import counting


def below(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def test_each_model_has_its_log(tmp_path: Path) -> None:
    book = LogBook(tmp_path / "logs")
    for number in range(3):
        book.note("run", "pv-1", f"line {number}\n")
    book.note("run", "battery-1", "two\nlines")
    book.note("other", "pv-1", "another run")
    assert await book.read("run") == {"battery-1": "two\nlines\n", "pv-1": "line 0\nline 1\nline 2\n"}
    assert await book.read("run", 1) == {"battery-1": "lines\n", "pv-1": "line 2\n"}
    assert await book.read("none") == {}
    book.close()


async def test_names_cannot_lead_out_of_the_directory(tmp_path: Path) -> None:
    book = LogBook(tmp_path / "logs")
    names = ("..", "../../x", "/etc/passwd", ".", "a/b", "ü")
    for name in names:
        book.note(name, name, "text")
    for name in names:
        assert await book.read(name) == {name: "text\n"}
    book.close()
    assert below(tmp_path) == ["logs"]
    assert len(below(tmp_path / "logs")) == len(names)


async def test_a_log_that_is_full_says_so_and_grows_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logbook, "LARGEST", 100)
    book = LogBook(tmp_path / "logs")
    for _ in range(50):
        book.note("run", "pv-1", "ten chars!")
    text = (await book.read("run"))["pv-1"]
    assert text.endswith("(this log is full)\n")
    assert len(text) < 130
    book.close()


async def test_a_disk_that_takes_nothing_is_counted(tmp_path: Path) -> None:
    (tmp_path / "logs").touch()
    book = LogBook(tmp_path / "logs")
    book.note("run", "pv-1", "lost")
    book.close()
    assert book.dropped == 1


async def test_it_goes_when_the_run_has_been_over_for_as_long_as_its_logs_are_kept(tmp_path: Path) -> None:
    journal = Journal(f"sqlite:///{tmp_path / 'journal.db'}", owner="test", clock=lambda: 1000.0)
    await journal.open()
    await journal.acquire()
    book = LogBook(tmp_path / "logs")
    for run in ("over", "goes-on", "strange"):
        await journal.submit(counting(run, 1))
    for run in ("over", "strange"):
        await journal.append(run, [Event("run.started"), Event("run.running"), Event("run.succeeded")])
    for run in ("over", "goes-on", "strange", "of-another-journal"):
        book.note(run, "pv-1", "said")
    for now, left in ((1059.0, 4), (1060.0, 3)):
        await forget_old(book, journal, lambda run, _: None if run.id == "strange" else 60.0, iter([now]).__next__)
        assert len(await book.runs()) == left
    assert sorted(await book.runs()) == ["goes-on", "of-another-journal", "strange"]
    book.close()
    await journal.close()
