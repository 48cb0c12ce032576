"""Classification, regression and clustering: the platform's algorithms, with scikit-learn's in their places.

What is predicted are rows that were not learned from. Beside the predictions lies `model.json`: what was learned, how
well, and what mattered, for people; nothing that had to be trusted to be opened.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.inspection import permutation_importance
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import GammaRegressor, LinearRegression, LogisticRegression
from sklearn.metrics import silhouette_score
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from diastema_services import drawing
from diastema_services.features import Features, Numbers, features, texts_of
from diastema_services.store import Store
from diastema_services.tables import Refused, Tables, quoted, tables

SEED = 7
HELD_OUT = 0.25
Make = Callable[..., Any]


def _scaled(make: Make) -> Make:
    return lambda **parameters: make_pipeline(StandardScaler(), make(**parameters))


def _seeded(make: Make) -> Make:
    return lambda **parameters: make(random_state=SEED, **parameters)


def _pairs(**parameters: Any) -> Any:
    """In the place of factorization machines: they, too, weigh pairs of features."""
    return make_pipeline(
        StandardScaler(), PolynomialFeatures(2, interaction_only=True), LogisticRegression(max_iter=2000, **parameters)
    )


CLASSIFIERS: Mapping[str, Make] = {
    "decisiontree": _seeded(DecisionTreeClassifier),
    "randomforest": _seeded(RandomForestClassifier),
    "logisticregression": _scaled(LogisticRegression),
    "gbt": _seeded(GradientBoostingClassifier),
    "mlp": _scaled(_seeded(lambda **parameters: MLPClassifier(**{"max_iter": 1000} | parameters))),
    "linearsvc": _scaled(_seeded(LinearSVC)),
    "onevsrest": lambda **parameters: make_pipeline(
        StandardScaler(), OneVsRestClassifier(LogisticRegression(**parameters))
    ),
    "naivebayes": GaussianNB,
    "fm": _pairs,
}
REGRESSORS: Mapping[str, Make] = {
    "linearregression": LinearRegression,
    "decisiontree": _seeded(DecisionTreeRegressor),
    "randomforest": _seeded(RandomForestRegressor),
    "gbt": _seeded(GradientBoostingRegressor),
    "survival": _scaled(GammaRegressor),  # of times until an event: positive, on a logarithmic scale
    "isotonic": IsotonicRegression,
}
# What AutoML chooses from, as the platform's users call it, with the parameters it tries.
CHOICES: Mapping[str, Sequence[tuple[str, str, Mapping[str, Any]]]] = {
    "classification": [
        ("decision tree classifier", "decisiontree", {"max-depth": 5}),
        ("random forest classifier", "randomforest", {"n-estimators": 100}),
        ("logistic regression", "logisticregression", {}),
        ("gradient boosted tree classifier", "gbt", {"max-depth": 2}),
        ("gradient boosted tree classifier", "gbt", {"max-depth": 3}),
    ],
    "regression": [
        ("linear regression", "linearregression", {}),
        ("decision tree regression", "decisiontree", {"max-depth": 5}),
        ("random forest regression", "randomforest", {"n-estimators": 100}),
        ("gradient boosted tree regression", "gbt", {"max-depth": 2}),
    ],
}


def learn(task: str, store: Store, source: str, target: str, job: str, algorithm: str, **more: Any) -> str:
    """Do it all, and say in a few words how well it went. `more` are `column` and `parameters`."""
    with tables(store, source) as data:
        if task == "clustering":
            return _cluster(data, store, target, job, **more)
        return _predict(task, data, store, target, job, algorithm, **more)


def _predict(
    task: str,
    data: Tables,
    store: Store,
    target: str,
    job: str,
    algorithm: str,
    *,
    column: str,
    parameters: Mapping[str, Any],
) -> str:
    known = CLASSIFIERS if task == "classification" else REGRESSORS
    if algorithm.lower() not in known:
        raise Refused(f"no algorithm for {task}: {algorithm!r}; there are {', '.join(known)}")
    given, wanted = _asked(data, task, column)
    model = _made(known[algorithm.lower()], parameters)
    alone = algorithm.lower() == "isotonic"
    if alone:  # it follows one feature: the one that says most
        best = int(np.argmax(np.abs([_correlation(values, wanted) for values in given.values.T])))
        given = Features([given.names[best]], given.values[:, [best]])
    learned, held, answers, truth = train_test_split(given.values, wanted, test_size=HELD_OUT, random_state=SEED)
    model.fit(learned.ravel() if alone else learned, answers)
    found = model.predict(held.ravel() if alone else held)
    if alone:
        found = np.where(np.isnan(found), answers.mean(), found)  # beyond what it has seen
    score = float(np.mean(found == truth)) if task == "classification" else _explained(truth, found)
    measure = "accuracy" if task == "classification" else "r2"
    _save(data, target, {column: truth, "prediction": found})
    matters = {} if alone else _matters(model, held, truth, given.names)
    told: dict[str, Any] = {"task": task, "algorithm": algorithm, "parameters": dict(parameters), "column": column}
    told |= {"learned_from": len(answers), measure: score, "matters": matters}
    _tell(store, target, told)
    drawing.predictions(store, job, task, truth, found, f"{algorithm}: {column}, {measure} {score:.3f}", matters)
    return f"{task} of {column} by {algorithm}: {measure} {score:.3f} on {len(truth)} rows"


def _cluster(
    data: Tables, store: Store, target: str, job: str, *, column: str = "", parameters: Mapping[str, Any]
) -> str:
    given = features(data, [column])
    scaled: Numbers = StandardScaler().fit_transform(given.values)
    count = _number(parameters.get("k"))
    if count is None:
        count = max(range(2, min(9, len(scaled))), key=lambda k: silhouette_score(scaled, _kmeans(k, scaled).labels_))
    try:
        groups = _kmeans(int(count), scaled)
    except ValueError as error:
        raise Refused(f"k = {count}: {error}") from error
    score = float(silhouette_score(scaled, groups.labels_))
    data.run("ALTER TABLE t0 ADD COLUMN prediction INTEGER")
    data.run("CREATE TABLE groups AS SELECT unnest(?::INTEGER[]) AS prediction", [groups.labels_.tolist()])
    names = ", ".join(quoted(name) for name in data.columns() if name != "prediction")
    data.save(f"SELECT {names}, groups.prediction FROM t0 POSITIONAL JOIN groups", target)
    sizes = np.bincount(groups.labels_).tolist()
    _tell(store, target, {"task": "clustering", "k": int(count), "silhouette": score, "sizes": sizes})
    drawing.groups(store, job, scaled, groups.labels_, f"{count} groups, silhouette {score:.3f}")
    return f"clustering: {count} groups of {sizes}, silhouette {score:.3f}"


def choose(task: str, store: Store, source: str, column: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """AutoML: the algorithm and parameters that predict best, by cross-validation."""
    if task not in CHOICES:
        raise Refused(f"nothing to choose from for {task!r}")
    known = CLASSIFIERS if task == "classification" else REGRESSORS
    with tables(store, source) as data:
        given, wanted = _asked(data, task, column)
    folds = int(parameters.get("folds", 3))

    def score(choice: tuple[str, str, Mapping[str, Any]]) -> float:
        _, short, tried = choice
        return float(np.mean(cross_val_score(_made(known[short], tried), given.values, wanted, cv=folds)))

    name, _, best = max(CHOICES[task], key=score)
    return {"algorithm": name, **best}


def _asked(data: Tables, task: str, column: str) -> tuple[Features, Any]:
    columns = data.columns()
    if column not in columns:
        raise Refused(f"there is no column {column!r}; there are {', '.join(columns)}")
    data.run(f"DELETE FROM t0 WHERE {quoted(column)} IS NULL")
    values = data.arrays()[column]
    if task == "classification":
        wanted = texts_of(values)
        if min(np.unique(wanted, return_counts=True)[1]) < 2 or len(np.unique(wanted)) < 2:
            raise Refused(f"{column!r} has no two classes of two rows each")
        return features(data, [column]), wanted
    if values.dtype.kind not in "iuf":
        raise Refused(f"{column!r} is no number")
    return features(data, [column]), np.ma.filled(values).astype(float)


def _made(make: Make, parameters: Mapping[str, Any]) -> Any:
    """Parameters may be written as the platform does, with `-`, and as text."""
    given = {name.replace("-", "_"): _number(value) for name, value in parameters.items()}
    try:
        return make(**given)
    except TypeError as error:
        raise Refused(str(error)) from error


def _number(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _kmeans(count: int, values: Numbers) -> KMeans:
    return KMeans(count, n_init=10, random_state=SEED).fit(values)


def _matters(model: Any, values: Numbers, truth: Any, names: list[str]) -> dict[str, float]:
    """How much worse it predicts when a feature is shuffled, the greatest first."""
    found = permutation_importance(model, values, truth, n_repeats=3, random_state=SEED).importances_mean
    order = np.argsort(found)[::-1][:10]
    return {names[at]: round(float(found[at]), 4) for at in order}


def _correlation(left: Numbers, right: Numbers) -> float:
    return 0.0 if np.ptp(left) == 0 else float(np.corrcoef(left, right)[0, 1])


def _explained(truth: Numbers, found: Numbers) -> float:
    return float(1 - np.sum((truth - found) ** 2) / np.sum((truth - truth.mean()) ** 2))


def _save(data: Tables, target: str, columns: Mapping[str, Any]) -> None:
    lists = ", ".join(f"unnest(?) AS {quoted(name)}" for name in columns)
    data.run(f"CREATE TABLE predicted AS SELECT {lists}", [values.tolist() for values in columns.values()])
    data.save("FROM predicted", target)


def _tell(store: Store, target: str, what: Mapping[str, Any]) -> None:
    store.write(f"{target.rstrip('/')}/model.json", json.dumps(what, indent=2).encode())
