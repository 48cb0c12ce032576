"""YAML that somebody wrote by hand, read safely: nothing is constructed but plain values, and nothing grows on reading.

A key given twice is refused, because the one that counts would not be the one that was looked at. A date is the text
that it looks like: whoever it goes to gets it as JSON.
"""

from __future__ import annotations

from typing import Any

import yaml

_MOST_KEYS = 1000  # of a mapping with others merged into it
_DATE = "tag:yaml.org,2002:timestamp"


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice, and keys merged with keys merged with keys until there are too many."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _DATE]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        seen: set[object] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.composer.ComposerError(None, None, f"the key {key.value!r} is given twice", key.start_mark)
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else key)
        return node

    def flatten_mapping(self, node: Any) -> None:
        before = len(node.value)
        super().flatten_mapping(node)
        if len(node.value) > max(_MOST_KEYS, before):
            raise yaml.constructor.ConstructorError(None, None, "these are too many keys", node.start_mark)


def parsed(content: bytes) -> Any:
    """What the text says; an alias (`*name`) gives the very value that its anchor has.

    Raises: ValueError, in words.
    """
    try:
        return yaml.load(content.decode("utf-8-sig"), _Loader)  # noqa: S506 - it is a SafeLoader
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 at byte {error.start + 1}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        at = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"{at}{error.problem}") from None
    except yaml.reader.ReaderError as error:
        raise ValueError(f"it has a character that YAML forbids, no. {error.position + 1}") from None
