"""Which services were told of a job, so that one that is taken up again is not begun anew.

The progress a service tells does not say which run it is of: job ids come from the playbook, and a playbook that is run
again has the same. So it is trusted only where it is known that this run's call got through.
"""

from __future__ import annotations

from podium.jobs.port import Job
from podium.stores.documents import Documents

_OURS = "podium"


class Memory:
    """
    Args:
        documents: our own, never the field's.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def told(self, job: Job, service: str) -> None:
        """The service has taken it."""
        key = {"node": job.node, "service": service}
        await self._documents.put(_OURS, _calls(job.run), key, key)

    async def knows(self, job: Job, service: str) -> bool:
        """Whether an earlier attempt got through."""
        if not job.again and job.attempt == 1:
            return False
        key = {"node": job.node, "service": service}
        return bool(await self._documents.find(_OURS, _calls(job.run), key))

    async def forget(self, run: str) -> None:
        await self._documents.keep_only(_OURS, _calls(run), "node", [])


def _calls(run: str) -> str:
    return f"diastema calls of {run}"
