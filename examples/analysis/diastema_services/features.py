"""What algorithms learn from: a table as numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diastema_services.tables import Refused, Tables

MOST_VALUES = 30  # a text with more different ones is a name and tells nothing
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Features:
    names: list[str]
    values: Numbers  # a row each


def features(data: Tables, without: Iterable[str] = ()) -> Features:
    """Numbers as they are, missing ones as the median; a column of 0 and 1 for each value of a text."""
    columns: dict[str, Numbers] = {}
    for name, values in data.arrays().items():
        if name in without:
            continue
        if values.dtype.kind in "iufb":
            numbers = np.ma.filled(np.ma.asarray(values).astype(float), np.nan)
            columns[name] = np.where(np.isnan(numbers), np.nanmedian(numbers), numbers)
        elif values.dtype.kind in "OU":
            texts = texts_of(values)
            kinds = np.unique(texts)
            if len(kinds) <= MOST_VALUES:
                columns |= {f"{name}={kind}": (texts == kind).astype(float) for kind in kinds}
    if not columns:
        raise Refused("there is no column to learn from")
    return Features(list(columns), np.column_stack(list(columns.values())))


def texts_of(values: Any) -> NDArray[np.str_]:
    return np.ma.filled(np.ma.asarray(values).astype(object), "").astype(str)
