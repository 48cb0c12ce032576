"""A run of a graph again, from any of its jobs: the document of the new run, and its secrets."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from podium.dialects.vault import VARIABLES, Vault
from podium.engines.flow.messages import LAST
from podium.engines.flow.restart import restarted
from podium.faults import refuse
from podium.runs.events import Recorded, Run, Submission

ORIGIN = "restarted"  # the key of a document that says which run it was made from, and how
_SUFFIX = re.compile(r"-[0-9a-f]{8}$")


def resubmission(
    run: Run,
    document: Mapping[str, Any],
    events: Iterable[Recorded],
    *,
    start: Collection[str],
    edits: Mapping[str, Mapping[str, Any]],
    environ: Mapping[str, str] | None,
) -> Submission:
    """The submission of a new run, made from one that has ended. Takes its time.

    Args:
        run: the one that has ended.
        document: what it was made from.
        events: its events, all of them.
        start: the jobs from which on all is performed again; with none, what did not succeed.
        edits: by job, what is to be different in its call, which may stand below the key of its kind, as it does in a
            document; a mapping changes what it names and leaves the rest.
        environ: where variables are read anew; None where they may not be.

    Raises: DocumentRefused.
    """
    id_ = f"{_SUFFIX.sub('', run.id)}-{secrets.token_hex(4)}"
    vault = Vault(id_, environ)
    merged = {job: _changed(document["flow"], job, vault.put_away(edit, job)) for job, edit in edits.items()}
    fresh = restarted(document, events, start=start, edits=merged)
    flow = fresh["flow"]
    for name in flow["jobs"].keys() - flow["reuse"].keys():
        flow["jobs"][name] = _renewed(flow["jobs"][name], vault, document, "jobs", name)
    if flow.get("last") is not None:
        flow["last"] = _renewed(flow["last"], vault, document, LAST)
    refuse(vault.faults)
    how = {"from": run.id, "start": sorted(start), "edited": sorted(edits)}
    return Submission(
        id=id_,
        kind=run.kind,
        name=run.name,
        document={**fresh, VARIABLES: vault.variables, ORIGIN: how},
        lane=run.lane,
        secrets=vault.secrets,
    )


def _renewed(job: Mapping[str, Any], vault: Vault, document: Mapping[str, Any], *where: str) -> dict[str, Any]:
    call = vault.renew(job.get("call", {}), document.get(VARIABLES, {}), *where, job["kind"])
    return {**job, "call": call}


def _changed(flow: Mapping[str, Any], job: str, edit: Mapping[str, Any]) -> dict[str, Any]:
    found = (flow.get(LAST) if job == LAST else flow["jobs"].get(job)) or {"kind": ""}
    call, kind = found.get("call", {}), found["kind"]
    if kind not in call and isinstance(edit.get(kind), dict):
        edit = {**edit, **edit[kind]}
        del edit[kind]
    changed: dict[str, Any] = _merged(call, edit)
    return changed


def _merged(old: Any, new: Any) -> Any:
    if not (_is_mapping(old) and _is_mapping(new)):
        return new
    return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}


def _is_mapping(value: Any) -> bool:
    """And no `{"$result": ...}` or its like, which is one value."""
    return isinstance(value, dict) and not any(key.startswith("$") for key in value)
