"""kill -9 while a thousand jobs run, again and again: no outcome is lost, none is recorded twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter

import pytest

from podium.runs.events import RunState
from podium.runs.failpoints import VARIABLE
from podium.runs.journal import Journal

KILLS = int(os.environ.get("PODIUM_TEST_KILLS", "5"))
WIDTH = 1000
PLACES = {  # and how often a process comes by them, more or less
    "journal.before_submit": 1,
    "journal.before_append": 30,
    "journal.after_append": 30,
    "conductor.after_append": 30,
    "conductor.before_confirm": 600,
}


def conduct(directory, failpoint):
    command = [sys.executable, "-m", "tests.engines.flow.conducting", str(directory), str(WIDTH)]
    return subprocess.run(command, env={**os.environ, VARIABLE: failpoint}, timeout=120, check=False).returncode


@pytest.mark.timeout(120 + 30 * KILLS)
async def test_a_graph_outlives_its_conductor(tmp_path, record_property):
    luck = random.Random(KILLS)
    killed = 0
    for _ in range(KILLS):
        place = luck.choice(list(PLACES))
        code = conduct(tmp_path, f"{place}=kill@{1 + luck.randrange(max(PLACES[place] // KILLS, 1))}")
        assert code in (0, -signal.SIGKILL)
        killed += code != 0
    assert conduct(tmp_path, "") == 0

    journal = Journal(f"sqlite:///{tmp_path / 'journal.db'}", owner="test")
    await journal.open()
    outcomes = [
        recorded.event.data async for recorded in journal.replay("run") if recorded.event.type == "job.succeeded"
    ]
    run = await journal.run("run")
    await journal.close()
    assert run.state is RunState.SUCCEEDED
    assert Counter(data["job"] for data in outcomes) == Counter(["first", "end", *(f"m{n}" for n in range(WIDTH))])

    performed = [line.split() for line in (tmp_path / "performed").read_text().splitlines()]
    times = Counter(key for key, _ in performed)
    assert times.keys() == {f"{data['job']}#1" for data in outcomes}
    assert Counter(key for key, again in performed if again == "False").most_common(1)[0][1] == 1
    assert killed
    print(f"killed {killed} times; {times.total() - len(times)} of {len(times)} jobs were performed twice")
