"""The jobs of the field by their titles: what each takes, gives, and is called wherever it is spoken of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Title:
    """One title.

    Args:
        inputs: how many other jobs it takes data from, at least and (if not any number) at most.
        keys: of its own that a playbook must give.
        options: those that it may give.
        folder: its output is `<folder>-<step>`; empty: it has none.
        record: what its record says its directory is.
        told: what the front end hears when it is done.
        gives: others can take data from it.
    """

    inputs: tuple[int, int | None]
    keys: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    folder: str = ""
    record: str = ""
    told: str = ""
    gives: bool = True


_OF_MODELS = ("algorithm", "params", "automl")

TITLES: Mapping[str, Title] = {
    "dataset": Title((0, 0), ("label",)),
    "cleaning": Title((1, 1), (), ("max-shrink",), "cleaned", "cleaned-data", "Cleaning executed"),
    "data-join": Title((2, 2), ("column", "join-type"), (), "joined", "joined-data", "Join executed"),
    "function": Title((0, None), ("function",), (), "function", "function-data", "Function executed"),
    "classification": Title(
        (1, 1), ("column",), _OF_MODELS, "classified", "classified-data", "Classification executed"
    ),
    "regression": Title((1, 1), ("column",), _OF_MODELS, "regressed", "regressed-data", "Regression executed"),
    "clustering": Title((1, 1), (), ("column", *_OF_MODELS), "clustered", "clustered-data", "Clustering executed"),
    "visualization": Title((1, 1), ("label",), (), "", "visualization", "Visualization Executed", gives=False),
    "data-sink": Title((1, None), (), (), "", "", "Data Sink Executed", gives=False),
}
STARTS = ("dataset", "function")
ENDS = ("data-sink", "visualization")

ALGORITHMS: Mapping[str, Mapping[str, str]] = {
    "classification": {
        "decision tree classifier": "decisiontree",
        "random forest classifier": "randomForest",
        "logistic regression": "logisticregression",
        "gradient boosted tree classifier": "gbt",
        "multilayer perceptron": "mlp",
        "linear support vector machine": "linearsvc",
        "onevsrest": "onevsrest",
        "naive bayes": "naivebayes",
        "factorization machines": "fm",
    },
    "regression": {
        "linear regression": "linearregression",
        "decision tree regression": "decisiontree",
        "random forest regression": "randomforest",
        "gradient boosted tree regression": "gbt",
        "survival": "survival",
        "isotonic": "isotonic",
    },
    "clustering": {},
}
DEFAULT_ALGORITHM = {"classification": "decisiontree", "regression": "decisiontree", "clustering": "kmeans"}


def short_name(title: str, algorithm: str) -> str:
    """What the analytics component calls an algorithm; one that has no other name goes as it is."""
    return ALGORITHMS[title].get(algorithm.strip().lower(), algorithm)


def chosen(title: str, algorithm: object) -> str | None:
    """The short name of what a playbook says of an algorithm; None, when it leaves that open."""
    if not isinstance(algorithm, str) or algorithm.strip().lower() in ("", "false"):
        return None
    return short_name(title, algorithm)
