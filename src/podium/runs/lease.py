"""One owner at a time: who may write the journal, until when, and how a later one knows that it is gone.

The lease is a row `(owner, epoch, expires, renewed)`. Whoever takes it raises `epoch`; every transaction of the journal
looks for its own epoch first, so that an owner that was stopped and wakes cannot write. `renewed` stays when the lease
is given back: it tells how long nobody was there.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select, text, update

from podium.runs.tables import lease

ROW = 1


def this_process() -> str:
    """The name of an owner that others can tell dead or alive: host, boot, pid namespace, pid, start."""
    pid = os.getpid()
    return "|".join((socket.gethostname(), _boot(), _namespace(), str(pid), _started(pid) or ""))


def alive(owner: str, *, here: bool) -> bool | None:
    """Whether the process of that name lives; None where it cannot be told.

    Args:
        owner: as `this_process` gave it.
        here: the database can only be used from this machine, so a name from another boot is from before it.
    """
    match owner.split("|"):
        case [host, boot, _, _, _] if boot != _boot():
            return False if here and host == socket.gethostname() else None
        case [_, _, namespace, pid, started] if namespace == _namespace():
            return _started(int(pid)) == started
        case _:
            return None


def describe(owner: str) -> str:
    match owner.split("|"):
        case [host, _, _, pid, _]:
            return f"process {pid} on {host}"
        case _:
            return owner


@dataclass(frozen=True, slots=True)
class Lease:
    """The row. `owner` is empty when it was given back; `renewed` is 0 when nobody ever had it."""

    owner: str
    epoch: int
    expires: float
    renewed: float


def read(connection: Connection) -> Lease:
    """The lease, with its row locked until the end of the transaction."""
    columns = (lease.c.owner, lease.c.epoch, lease.c.expires, lease.c.renewed)
    row = connection.execute(select(*columns).where(lease.c.id == ROW).with_for_update()).one()
    return Lease(*row)


def create(connection: Connection) -> None:
    connection.execute(lease.insert().values(id=ROW, owner="", epoch=0, expires=0.0, renewed=0.0))


def take(connection: Connection, held: Lease, owner: str, now: float, seconds: float) -> int:
    """Take over from `held`, which was read in this transaction. Returns the new epoch."""
    epoch = held.epoch + 1
    values = {"owner": owner, "epoch": epoch, "expires": now + seconds, "renewed": now}
    connection.execute(update(lease).where(lease.c.id == ROW).values(values))
    return epoch


def renew(connection: Connection, epoch: int, now: float, seconds: float) -> bool:
    """False when somebody else has taken it."""
    return _write(connection, epoch, expires=now + seconds, renewed=now)


def release(connection: Connection, epoch: int, now: float) -> bool:
    return _write(connection, epoch, owner="", expires=now, renewed=now)


# The epoch that may write; nobody can take the lease before the transaction that has read it ends.
EPOCH = select(lease.c.epoch).where(lease.c.id == text(str(ROW))).with_for_update()


def _write(connection: Connection, epoch: int, **values: object) -> bool:
    mine = (lease.c.id == ROW) & (lease.c.epoch == epoch)
    return bool(connection.execute(update(lease).where(mine).values(values)).rowcount)


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _namespace() -> str:
    return str(Path("/proc/self/ns/pid").stat().st_ino)


def _started(pid: int) -> str | None:
    """When a process began, in clock ticks since boot; None when there is none, or only its corpse."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]
