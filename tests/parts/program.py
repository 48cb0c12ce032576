"""A server that tells on stderr when it is ready, as a child of the test."""

from __future__ import annotations

import subprocess
from pathlib import Path
from threading import Thread


class Program:
    """What such parts have in common: `run` and `stop`."""

    _process: subprocess.Popen[str] | None = None

    def run(self, command: list[str | Path], *, ready: str) -> None:
        """Start it; returns when it has said `ready`. Raises: RuntimeError, with its last words."""
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        said = []
        for line in self._process.stderr:
            said.append(line)
            if ready in line:
                break
        else:
            raise RuntimeError("".join(said[-50:]))
        Thread(target=self._process.stderr.read, daemon=True).start()  # a full pipe would stop it

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()  # nobody needs what it holds
            self._process.wait()
            assert self._process.stderr is not None
            self._process.stderr.close()
            self._process = None
