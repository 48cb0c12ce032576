"""The models file: what stands for an image where there are no images, on the process backplane."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from podium.errors import DocumentRefused

_HINT = "An entry is {image: name:tag, command: [python, -m, package], env: {KEY: value}, cwd: path}"
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
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise DocumentRefused(f"the models file cannot be read: {error.strerror}", where=str(path)) from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise DocumentRefused(f"the models file is not YAML: {error}", where=str(path), hint=_HINT) from error
        try:
            file = cls.model_validate(content)
        except ValidationError as error:
            faults = [f"{_place(fault['loc'], content)}: {fault['msg']}" for fault in error.errors()]
            # Not chained: the original shows the values, and `env` may hold secrets.
            raise DocumentRefused("; ".join(faults), where=str(path), hint=_HINT) from None
        models = tuple(entry.model_copy(update={"cwd": _below(path, entry.cwd)}) for entry in file.models)
        faults = list(_faults(models))
        if faults:
            raise DocumentRefused("; ".join(faults), where=str(path))
        return cls(models=models)

    def find(self, image: str) -> ModelEntry:
        """Raises: DocumentRefused."""
        for entry in self.models:
            if entry.image == image:
                return entry
        known = ", ".join(entry.image for entry in self.models) or "none"
        raise DocumentRefused(
            f"nothing stands for the image {image!r}", hint=f"Add it to the models file (it has: {known})"
        )


def _below(file: Path, cwd: Path | None) -> Path | None:
    return None if cwd is None else (file.parent / cwd.expanduser()).resolve()


def _faults(models: Iterable[ModelEntry]) -> Iterable[str]:
    """What is wrong with entries that are well-formed each."""
    seen: set[str] = set()
    for number, entry in enumerate(models):
        if entry.image in seen:
            yield f"models[{number}] ({entry.image}).image: an earlier entry has it already"
        seen.add(entry.image)
        if entry.cwd is not None and not entry.cwd.is_dir():
            yield f"models[{number}] ({entry.image}).cwd: there is no directory {entry.cwd}"


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
