"""What a document may have in place of a value: a secret, or a variable of the environment.

    {"$private": "hunter2"}   a value that nobody shall read in the journal
    {"$env": "TOKEN"}         the variable of that name, no less private; for documents in files of this user only

Both become `{"$secret": name}`, which nobody may write himself: it would give him the secrets of other runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from podium.errors import Fault
from podium.faults import place

_HOW = 'Write {"$private": "value"} or {"$env": "NAME"}'
VARIABLES = "variables"  # the key of a run's document where `Vault.variables` are


@dataclass(slots=True)
class Vault:
    """Takes the private values out of a run's document.

    Args:
        run: the run's id, with which the names of its secrets begin.
        environ: the variables that can be named; None where none may be.
        secrets: what was taken out, by name.
        variables: which of these came from the environment, and from where.
        faults: what could not be taken.
    """

    run: str
    environ: Mapping[str, str] | None
    secrets: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def put_away(self, value: Any, *where: str | int) -> Any:
        """A copy of `value`, found at `where`, that can be shown."""
        match value:
            case {"$private": str(text)} if len(value) == 1:
                return self._keep(text)
            case {"$env": str(name)} if len(value) == 1:
                return self._variable(name, where)
            case {"$private": _} | {"$env": _}:
                return self._refuse("this stands alone and takes a text", where)
            case {"$secret": _}:
                return self._refuse("the secrets of runs have no names that a document could tell", where)
            case dict():
                return {key: self.put_away(item, *where, key) for key, item in value.items()}
            case list():
                return [self.put_away(item, *where, index) for index, item in enumerate(value)]
        return value

    def renew(self, value: Any, variables: Mapping[str, str], *where: str | int) -> Any:
        """A copy of what an ended run had at `where`, whose secrets are forgotten, with those from `variables` anew."""
        match value:
            case {"$secret": str(name)} if name in self.secrets:
                return value  # it came with an edit
            case {"$secret": str(name)} if name in variables:
                return self._variable(variables[name], where)
            case {"$secret": _}:
                problem = "this secret was forgotten when the run ended"
                self.faults.append(Fault(place(where), problem, 'Give it again, as {"$private": "value"}, in an edit'))
                return value
            case dict():
                return {key: self.renew(item, variables, *where, key) for key, item in value.items()}
            case list():
                return [self.renew(item, variables, *where, index) for index, item in enumerate(value)]
        return value

    def _variable(self, name: str, where: tuple[str | int, ...]) -> Any:
        if self.environ is None:
            problem = "variables of the environment are not for documents that come over HTTP"
            return self._refuse(problem, where, 'Send the value, as {"$private": "value"}')
        if name not in self.environ:
            return self._refuse(f"the environment has no variable {name}", where, None)
        kept = self._keep(self.environ[name])
        self.variables[kept["$secret"]] = name
        return kept

    def _refuse(self, problem: str, where: tuple[str | int, ...], hint: str | None = _HOW) -> dict[str, str]:
        """What stands in its place meanwhile, for whoever checks the rest."""
        self.faults.append(Fault(place(where), problem, hint))
        return {"$secret": ""}

    def _keep(self, text: str) -> dict[str, str]:
        name = f"{self.run}.{len(self.secrets)}"
        self.secrets[name] = text
        return {"$secret": name}
