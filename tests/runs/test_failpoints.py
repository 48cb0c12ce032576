"""Failpoints end or stop the process where a test says so, and do nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from podium.errors import SettingsError
from podium.runs import failpoints

COUNTS = """
from podium.runs import failpoints
for n in range(5):
    failpoints.hit("a")
    failpoints.hit("b")
    print(n, flush=True)
"""


def count(setting: str) -> subprocess.Popen[str]:
    environment = os.environ | {failpoints.VARIABLE: setting}
    return subprocess.Popen([sys.executable, "-c", COUNTS], env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("setting", "shown", "code"),
    [
        ("", "0 1 2 3 4", 0),
        ("another=kill", "0 1 2 3 4", 0),
        ("a=kill", "", -signal.SIGKILL),
        ("another=stop, b=kill@4", "0 1 2", -signal.SIGKILL),
        ("a=kill@6", "0 1 2 3 4", 0),
    ],
)
def test_the_process_dies_where_it_should(setting: str, shown: str, code: int) -> None:
    process = count(setting)
    output, _ = process.communicate()
    assert (output.split(), process.returncode) == (shown.split(), code)


def test_the_process_stops_where_it_should() -> None:
    process = count("a=stop@3")
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    process.send_signal(signal.SIGCONT)
    output, _ = process.communicate()
    assert output.split() == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("setting", ["a", "a=explode", "a=kill@", "a=kill@0", "a=kill@x", "a=kill@-1"])
def test_a_wrong_setting_is_refused(setting: str) -> None:
    with pytest.raises(SettingsError, match="PODIUM_FAILPOINTS"):
        failpoints.parse(setting)
