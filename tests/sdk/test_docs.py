"""Every block of code in the guide runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = (Path(__file__).parents[2] / "docs" / "sdk.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python(?: file=(\S+))?\n(.*?)```", GUIDE, re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_block_of_the_guide_runs(number: int, tmp_path: Path) -> None:
    for name, code in BLOCKS:
        if name:
            (tmp_path / name).write_text(code)
    (tmp_path / "block.py").write_text(BLOCKS[number][1].replace('if __name__ == "__main__":', "if False:"))
    run = subprocess.run([sys.executable, "block.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_the_guide_has_blocks() -> None:
    assert len(BLOCKS) >= 5
