"""What services and front end were told, so that a run that is taken up again tells nothing twice.

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
        key = _call(job, service)
        await self._documents.put(_OURS, _calls(job.run), key, key)

    async def knows(self, job: Job, service: str) -> bool:
        """Whether an earlier attempt got through."""
        if not job.again and job.attempt == 1:
            return False
        return bool(await self._documents.find(_OURS, _calls(job.run), _call(job, service)))

    async def untold(self, job: Job, service: str) -> None:
        """The service is to be told again."""
        await self._documents.remove(_OURS, _calls(job.run), _call(job, service))

    async def said(self, run: str, message: str) -> None:
        """The front end may have heard it."""
        key = {"message": message}
        await self._documents.put(_OURS, _messages(run), key, key)

    async def unsaid(self, run: str, message: str) -> None:
        await self._documents.remove(_OURS, _messages(run), {"message": message})

    async def heard(self, run: str) -> set[str]:
        """The messages that the front end may have heard."""
        return {one["message"] for one in await self._documents.find(_OURS, _messages(run))}

    async def forget(self, run: str) -> None:
        await self._documents.keep_only(_OURS, _calls(run), "node", [])
        await self._documents.keep_only(_OURS, _messages(run), "message", [])


def _call(job: Job, service: str) -> dict[str, str | int | float | bool | None]:
    return {"node": job.node, "service": service}


def _calls(run: str) -> str:
    return f"diastema calls of {run}"


def _messages(run: str) -> str:
    return f"diastema messages of {run}"
