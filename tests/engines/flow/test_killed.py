"""kill -9 while hundreds of jobs run, at every place there is for it: no outcome is lost, none is recorded twice."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import podium
from podium.runs.events import RunState
from podium.runs.failpoints import VARIABLE
from podium.runs.journal import Journal

KILLS = int(os.environ.get("PODIUM_TEST_KILLS", "2"))  # at each place, beside that when it is first come by
WHOLE = 8  # of such kills, and a thousand jobs run
WIDTH = 1000 if KILLS >= WHOLE else 500
PLACES = {  # and how often at least it is come by, whatever is written at once
    "journal.before_submit": 1,
    "journal.after_submit": 1,
    "journal.before_append": WIDTH // 25,
    "journal.after_append": WIDTH // 25,
    "conductor.after_append": WIDTH // 25,
    "conductor.before_confirm": WIDTH,
}
ELSEWHERE = {"container.before_inputs", "container.after_inputs"}  # see tests/e2e/test_graph_faults.py


def test_there_are_no_other_places():
    source = "".join(path.read_text() for path in Path(podium.__file__).parent.rglob("*.py"))
    places = set(re.findall(r'failpoints\.hit\("([\w.]+)"\)', source))
    for write in re.findall(r'failpoint="(\w+)"', source):
        places |= {f"journal.before_{write}", f"journal.after_{write}"}
    assert places == PLACES.keys() | ELSEWHERE


def conduct(directory, failpoint):
    command = [sys.executable, "-m", "tests.engines.flow.conducting", str(directory), str(WIDTH)]
    return subprocess.run(command, env={**os.environ, VARIABLE: failpoint}, timeout=120, check=False).returncode


@pytest.mark.timeout(120 + 60 * KILLS)
@pytest.mark.parametrize("place", PLACES)
async def test_a_graph_outlives_its_conductor(tmp_path, place):
    luck = random.Random(place)
    for hits in [1, *(1 + luck.randrange(max(PLACES[place] // (KILLS + 1), 1)) for _ in range(KILLS))]:
        assert conduct(tmp_path, f"{place}=kill@{hits}") == -signal.SIGKILL
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
    print(f"{times.total() - len(times)} of {len(times)} jobs were performed twice")
