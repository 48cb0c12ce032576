"""What a process of strangers' code is given of our environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def clean_environment(home: Path) -> dict[str, str]:
    """Only where programs are and what language they speak; `home` is the process's own."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {"PATH": path, "HOME": str(home), "TMPDIR": str(home), "LANG": os.environ.get("LANG", "C.UTF-8")}
