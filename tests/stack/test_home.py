"""The data directory has one owner, found through its socket file, and nobody else sees into it."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from podium.errors import Conflict, SettingsError
from podium.stack.home import Home


def made(path: Path) -> Home:
    home = Home(path)
    home.create()
    return home


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_its_owner_may_look_in(tmp_path: Path) -> None:
    home = made(tmp_path / "data")
    home.secrets.generate("password")
    with home.claim():
        assert mode(home.path) == 0o700
        assert mode(home.path / "podium.sock") == 0o600
        assert mode(home.path / "secrets") == 0o700
        assert mode(home.path / "secrets" / "password") == 0o600


def test_a_directory_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("words")
    before = mode(tmp_path)
    with pytest.raises(SettingsError, match="holds other things"):
        Home(tmp_path).create()
    assert mode(tmp_path) == before
    assert not Home(tmp_path).exists


def test_one_that_another_makes_at_the_same_moment_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = Path.iterdir

    def made_meanwhile(path: Path) -> Iterator[Path]:
        monkeypatch.undo()
        made(path)
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", made_meanwhile)
    assert made(tmp_path / "data").exists


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="cannot be used"):
        Home(tmp_path / "file" / "data").create()


def test_a_directory_that_cannot_be_looked_at_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be used"):
        Home(tmp_path / ("x" * 300)).has_owner()


def test_there_is_one_owner_at_a_time(tmp_path: Path) -> None:
    home, other = made(tmp_path / "data"), made(tmp_path / "data")
    assert not other.has_owner()
    with home.claim():
        assert other.has_owner()
        with pytest.raises(Conflict, match="owns this data directory"):
            other.claim()
    assert not other.has_owner()
    other.claim().close()


def test_a_path_too_long_for_a_socket_address_does_as_well(tmp_path: Path) -> None:
    home = made(tmp_path / ("long" * 50) / ("longer" * 30))
    assert len(str(home.path)) > 300
    with home.claim(), socket.socket(socket.AF_UNIX) as caller, home.socket_path() as path:
        assert Home(home.path).has_owner()
        caller.connect(path)


def test_nothing_is_left_open(tmp_path: Path) -> None:
    home = made(tmp_path / "data")
    home.claim().close()
    gc.collect()  # what other tests left open
    opened = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        assert not home.has_owner()
        home.claim().close()
    assert len(list(Path("/proc/self/fd").iterdir())) == opened


def own(path: Path, ready: object) -> None:
    with made(path).claim():
        ready.set()  # type: ignore[attr-defined]
        signal.pause()


def test_an_owner_that_was_killed_is_none(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=own, args=(tmp_path / "data", ready))
    process.start()
    assert ready.wait(30)
    home = Home(tmp_path / "data")
    assert home.has_owner()
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not home.has_owner()
    home.claim().close()


def claim(path: Path, start: object, won: object) -> None:
    home = made(path)
    start.wait()  # type: ignore[attr-defined]
    try:
        door = home.claim()
    except Conflict:
        return
    won.put(os.getpid())  # type: ignore[attr-defined]
    signal.pause()
    door.close()


def test_of_many_who_come_at_once_one_becomes_the_owner(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start, won = context.Barrier(4), context.Queue()
    processes = [context.Process(target=claim, args=(tmp_path / "data", start, won)) for _ in range(4)]
    for process in processes:
        process.start()
    owner = won.get(timeout=60)
    for process in processes:
        if process.pid != owner:
            process.join()
            assert process.exitcode == 0
        else:
            mine = process
    assert won.empty()
    mine.kill()
    mine.join()


def test_the_port_of_models_is_remembered(tmp_path: Path) -> None:
    assert made(tmp_path / "data").models_port == 0
    made(tmp_path / "data").models_port = 4711
    assert made(tmp_path / "data").models_port == 4711
