"""The models file: what stands for an image where there are no images, on the process backplane."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from podium.errors import DocumentRefused, Fault
from podium.faults import refuse, worded
from podium.yaml_text import parsed

_HINT = "An entry is {image: name:tag, command: [python, -m, package], env: {KEY: value}, cwd: path}"
_NAMED = 10
_Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]
_Positive = Annotated[int, Field(gt=0)]
_Name = Annotated[str, Field(pattern=r"^[^=\x00]+$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)


class Limits(_Part):
    """What one model may use (`setrlimit`); `processes` counts all of the user's, as the kernel does."""

    memory_mb: _Positive | None = None
    cpu_seconds: _Positive | None = None
    open_files: _Positive | None = None
    processes: _Positive | None = None


class ModelEntry(_Part):
    """One image. `python` as the command's first word is the interpreter that Podium itself runs under."""

    image: Annotated[str, Field(min_length=1)]
    command: tuple[_Text, ...] = Field(min_length=1)
    env: dict[_Name, _Text] = {}
    cwd: Path | None = None
    limits: Limits = Limits()


class ModelsFile(_Part):
    """The whole file; without one nothing stands for any image."""

    models: tuple[ModelEntry, ...] = ()

    @classmethod
    def read(cls, path: Path) -> ModelsFile:
        """Raises: DocumentRefused, naming file, entry and key of every fault."""
        try:
            content = parsed(path.read_bytes())
        except OSError as error:
            raise DocumentRefused(f"the models file cannot be read: {error.strerror}", where=str(path)) from None
        except ValueError as error:
            raise DocumentRefused(f"the models file is not YAML: {error}", where=str(path), hint=_HINT) from None
        entries, faults = _validated(content)
        refuse(faults, where=str(path), hint=_HINT)
        models = tuple(entry.model_copy(update={"cwd": _below(path, entry.cwd)}) for entry in entries)
        refuse(list(_faults(models)), where=str(path))
        return cls(models=models)

    def find(self, image: str) -> ModelEntry:
        """Raises: DocumentRefused."""
        for entry in self.models:
            if entry.image == image:
                return entry
        problem = f"nothing stands for the image {image!r}"
        if not self.models:
            hint = "Start Podium with `--models FILE`, a file that says what stands for it"
            raise DocumentRefused(problem, hint=hint)
        known = ", ".join(entry.image for entry in self.models[:_NAMED])
        more = f" and {len(self.models) - _NAMED} more" if len(self.models) > _NAMED else ""
        raise DocumentRefused(problem, hint=f"Add it to the models file (it has: {known}{more})")


def _validated(content: Any) -> tuple[tuple[ModelEntry, ...], list[Fault]]:
    try:
        return ModelsFile.model_validate(content).models, []
    except ValidationError as error:
        return (), [Fault(_place(fault["loc"], content), worded(fault)) for fault in error.errors()]


def _below(file: Path, cwd: Path | None) -> Path | None:
    return None if cwd is None else (file.parent / cwd.expanduser()).resolve()


def _faults(models: Iterable[ModelEntry]) -> Iterable[Fault]:
    """What is wrong with entries that are well-formed each."""
    seen: set[str] = set()
    for number, entry in enumerate(models):
        if entry.image in seen:
            yield Fault(f"models[{number}] ({entry.image}).image", "an earlier entry has it already")
        seen.add(entry.image)
        if entry.cwd is not None and not entry.cwd.is_dir():
            yield Fault(f"models[{number}] ({entry.image}).cwd", f"there is no directory {entry.cwd}")


def _place(keys: tuple[int | str, ...], content: Any) -> str:
    """`models[1] (name:tag).env.KEY`"""
    place = ""
    for key in keys:
        if isinstance(key, int):
            place += f"[{key}]"
            entry = content["models"][key] if place == f"models[{key}]" else None
            if isinstance(entry, dict) and isinstance(entry.get("image"), str):
                place += f" ({entry['image']})"
        else:
            place += f".{key}" if place else key
    return place or "the file"
