"""One owner at a time: who may write the journal, until when, and how a later one knows that it is gone.

The lease is a row `(owner, epoch, expires, renewed)`. Whoever takes it raises `epoch`; every transaction of the journal looks
for its own epoch first, so that an owner that was stopped and wakes cannot write. `renewed` stays when the lease is given
back: it tells how long nobody was there.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select, update

from podium.runs.tables import lease

ROW = 1


def this_process() -> str:
    """The name of an owner that others on this machine can tell dead or alive: host, boot, pid namespace, pid, start."""
    pid = os.getpid()
    return "|".join((socket.gethostname(), _boot(), _namespace(), str(pid), _started(pid) or ""))


def known_dead(owner: str, *, here: bool) -> bool:
    """Whether the process of that name has certainly ended.

    Args:
        here: the database can only be used from this machine, so a name from another boot is from before it.
    """
    match owner.split("|"):
        case [host, boot, namespace, pid, started]:
            if boot != _boot():
                return here and host == socket.gethostname()
            return namespace == _namespace() and _started(int(pid)) != started
        case _:
            return False


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


_EPOCH = select(lease.c.epoch).where(lease.c.id == ROW).with_for_update()


def holds(connection: Connection, epoch: int) -> bool:
    """Whether `epoch` is still the one that may write; nobody can take it before this transaction ends."""
    return connection.execute(_EPOCH).scalar_one() == epoch


def _write(connection: Connection, epoch: int, **values: object) -> bool:
    mine = (lease.c.id == ROW) & (lease.c.epoch == epoch)
    return connection.execute(update(lease).where(mine).values(values)).rowcount == 1


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
