"""What can be said against a call of a function before it is made, from the source alone.

Nothing of it is run: a document can be looked at as often as one likes, whatever its functions do when they are
imported. So only what is certain is said; where a module makes its names as it runs, nothing is.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
    SourcelessFileLoader,
)
from pathlib import Path

from podium.errors import Fault

LARGEST = 1 << 20  # bytes; a larger module is not looked into
ANY = "*"
_LOADERS = (
    (ExtensionFileLoader, EXTENSION_SUFFIXES),
    (SourceFileLoader, SOURCE_SUFFIXES),
    (SourcelessFileLoader, BYTECODE_SUFFIXES),
)
_MAKE_NAMES = {
    *("__getattr__", "__import__", "eval", "exec", "globals", "locals", "modules", "setattr", "vars"),
    *("__code__", "__defaults__", "__dict__", "__globals__", "__kwdefaults__"),
}
"""A module that says one of these may have other names than those that can be read in it, or change its functions."""


@dataclass(frozen=True, slots=True)
class Module:
    """What a module says of itself.

    Args:
        fault: why it cannot be imported, if that is certain.
        names: those it binds, with the only plain `def` of each; None: whatever else. None instead of all: who knows.
    """

    fault: str | None = None
    names: Mapping[str, ast.arguments | None] | None = None


def faults(name: str, arguments: Mapping[str, object] | None, paths: Sequence[str]) -> Iterator[Fault]:
    """What is wrong with a call of `package.module:name`, by key of the call; of None no argument is known yet."""
    module_name, _, function_name = name.partition(":")
    spec, missing = _spec(module_name, paths)
    if spec is None:
        hint = f"They are {', '.join(paths)}" if paths else "Podium was started without any"
        yield Fault("function", f"there is no module {missing!r} in the directories for Python functions", hint)
        return
    module = _module(spec)
    if module.fault is not None:
        yield Fault("function", module.fault)
    if module.names is None:
        return
    if function_name not in module.names:
        near = get_close_matches(function_name, module.names, 1, 0.6)
        advice = f"Did you mean {near[0]}?" if near else None
        yield Fault("function", f"there is no {function_name!r} in {module_name}", advice)
        return
    takes = module.names[function_name]
    if takes is not None and arguments is not None:
        yield from _misfits(name, takes, arguments)


def _spec(name: str, paths: Sequence[str]) -> tuple[ModuleSpec | None, str]:
    """The module, or None and the first of its packages that is not there."""
    places: Sequence[str] = paths
    spec: ModuleSpec | None = None
    here = ""
    for part in name.split("."):
        here = f"{here}.{part}" if here else part
        spec = _found(here, places)
        if spec is None:
            return None, here
        places = spec.submodule_search_locations or ()
    return spec, ""


def _found(name: str, places: Sequence[str]) -> ModuleSpec | None:
    """As an import finds it, but anew each time, and without what was imported here."""
    portions: list[str] = []
    for place in places:
        spec = FileFinder(place, *_LOADERS).find_spec(name)
        if spec is not None and spec.loader is not None:
            return spec
        portions += (spec.submodule_search_locations or ()) if spec is not None else ()
    if not portions:
        return None
    namespace = ModuleSpec(name, None)
    namespace.submodule_search_locations = portions
    return namespace


def _module(spec: ModuleSpec) -> Module:
    if spec.origin is None or not spec.origin.endswith(".py"):
        return Module()
    try:
        status = Path(spec.origin).stat()
        return _read(spec.origin, status.st_mtime_ns, status.st_size) if status.st_size <= LARGEST else Module()
    except OSError as error:
        return Module(f"{Path(spec.origin).name} cannot be read: {error.strerror}")


@lru_cache(maxsize=64)
def _read(path: str, changed: int, size: int) -> Module:  # noqa: ARG001 - it is another one when it has changed
    try:
        tree = ast.parse(Path(path).read_bytes())
    except SyntaxError as error:
        return Module(f"{Path(path).name} is not Python: {error.msg} (line {error.lineno})")
    except (ValueError, RecursionError, MemoryError):
        return Module()
    found: dict[str, ast.arguments | None] = {}
    for bound, takes in _bound(tree):
        if bound in _MAKE_NAMES or bound == ANY:
            return Module()
        found[bound] = None if bound in found else takes
    return Module(names=found)


def _bound(tree: ast.Module) -> Iterator[tuple[str, ast.arguments | None]]:
    """The names a module binds, and those it uses to make others."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name, node.args if isinstance(node, ast.FunctionDef) and not node.decorator_list else None
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Global):
                        yield from ((name, None) for name in inner.names)
                    else:
                        yield from ((name, None) for name in _making(inner))
                continue
            case ast.Name(ctx=ast.Store()):
                yield node.id, None
            case ast.Attribute(ctx=ast.Store()):
                yield ANY, None  # it may be one of this module or of its functions
            case ast.alias():
                yield (node.asname or node.name).partition(".")[0], None
            case ast.ExceptHandler() | ast.MatchAs() | ast.MatchStar() if node.name:
                yield node.name, None
            case ast.MatchMapping() if node.rest:
                yield node.rest, None
        yield from ((name, None) for name in _making(node))
        waiting += ast.iter_child_nodes(node)


def _making(node: ast.AST) -> Iterator[str]:
    """What it says of `_MAKE_NAMES`."""
    match node:
        case ast.Name(id=said) | ast.Attribute(attr=said) | ast.alias(name=said) if said in _MAKE_NAMES:
            yield said


def _misfits(name: str, takes: ast.arguments, given: Mapping[str, object]) -> Iterator[Fault]:
    if takes.posonlyargs:
        return
    named = [argument.arg for argument in (*takes.args, *takes.kwonlyargs)]
    defaults = len(takes.defaults)
    needed = [argument.arg for argument in takes.args[: len(takes.args) - defaults]]
    pairs = zip(takes.kwonlyargs, takes.kw_defaults, strict=True)
    needed += [argument.arg for argument, default in pairs if default is None]
    if takes.kwarg is None:
        for key in given:
            if key not in named:
                hint = f"It takes {', '.join(named)}" if named else "It takes none"
                yield Fault(f"arguments.{key}", f"{name} has no such argument", hint)
    for key in needed:
        if key not in given:
            yield Fault("arguments", f"{name} needs {key!r}")
