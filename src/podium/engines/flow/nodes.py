"""Names of what is performed: a job, one item of a job, one attempt at either.

`train` is a job, `train[3]` its fourth item, `train[3]#2` the second attempt at that.
"""

from __future__ import annotations

import re

_NODE = re.compile(r"[^\[\]#/]+(\[[0-9]{1,9}\])?")
PUNCTUATION = ("[", "]", "#", "/")  # not part of a job's name


def item(job: str, index: int) -> str:
    return f"{job}[{index}]"


def split(node: str) -> tuple[str, int | None]:
    """The job, and which of its items."""
    job, bracket, rest = node.partition("[")
    return job, int(rest[:-1]) if bracket else None


def asked(node: str) -> tuple[str, int | None] | None:
    """The same of what somebody asks for, which may be no name at all."""
    found = _NODE.fullmatch(node)
    return split(node) if found else None


def key(node: str, attempt: int) -> str:
    return f"{node}#{attempt}"
