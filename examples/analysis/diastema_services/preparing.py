"""What makes data ready: cleaning, joining, functions of columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from diastema_services.store import Store
from diastema_services.tables import Refused, quoted, tables, text

JOINS = {"inner": "INNER", "left": "LEFT", "right": "RIGHT", "outer": "FULL", "full": "FULL"}
NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL")

# Operations of two values, of one, and of a whole column.
OPERATORS = {
    "addition": "({} + {})",
    "subtraction": "({} - {})",
    "multiplication": "({} * {})",
    "division": "({}::DOUBLE / nullif({}, 0))",
    "power": "pow({}, {})",
    "logarithm": "(ln({}) / ln({}))",
    "logical_and": "({} AND {})",
    "logical_or": "({} OR {})",
    "logical_not": "(NOT {})",
    "equal": "({} = {})",
    "not_equal": "({} <> {})",
    "less_than": "({} < {})",
    "less_or_equal": "({} <= {})",
    "greater_than": "({} > {})",
    "greater_or_equal": "({} >= {})",
    "mean_value": "avg({}) OVER ()",
    "variance_value": "var_pop({}) OVER ()",
    "amount_of": "count(*) FILTER ({} = {}) OVER ()",
}


def clean(store: Store, source: str, target: str, max_shrink: float | None) -> dict[str, int]:
    """Take away rows that are there twice, and those with missing values.

    Where that would take more than `max_shrink` of all rows, missing values become the column's median, or what is
    most frequent in it.
    """
    with tables(store, source) as data:
        raw = data.count()
        columns = data.columns()
        data.run("CREATE TABLE t1 AS SELECT DISTINCT * FROM t0")
        whole = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in columns)
        kept = data.count(1, whole)
        if raw - kept <= (1 if max_shrink is None else max_shrink) * raw:
            data.save(f"FROM t1 WHERE {whole} ORDER BY ALL", target)
        else:
            kept = data.count(1)
            filled = ", ".join(_filled(name, kind) for name, kind in columns.items())
            data.save(f"SELECT {filled} FROM t1 ORDER BY ALL", target)
        return {"raw": raw, "kept": kept}


def _filled(name: str, kind: str) -> str:
    usual = "median" if kind.startswith(NUMBERS) else "mode"
    column = quoted(name)
    return f"coalesce({column}, CAST({usual}({column}) OVER () AS {kind})) AS {column}"


def join(store: Store, sources: Sequence[str], target: str, column: str, kind: str) -> None:
    """By a column that both have; of others with one name the second becomes `<name>_2`."""
    if kind.lower() not in JOINS:
        raise Refused(f"no way to join: {kind!r}; there are {', '.join(JOINS)}")
    if len(sources) != 2:
        raise Refused(f"a join has two inputs and not {len(sources)}")
    with tables(store, *sources) as data:
        left, right = data.columns(0), data.columns(1)
        for number, columns in enumerate((left, right)):
            _check_column(sources[number], column, columns)
        wanted = [quoted(column), *(f"t0.{quoted(name)}" for name in left if name != column)]
        others = (name for name in right if name != column)
        wanted += (f"t1.{quoted(name)} AS {quoted(f'{name}_2' if name in left else name)}" for name in others)
        how = f"t0 {JOINS[kind.lower()]} JOIN t1 USING ({quoted(column)})"
        data.save(f"SELECT {', '.join(wanted)} FROM {how} ORDER BY ALL", target)


def _check_column(source: str, name: str, columns: Collection[str]) -> None:
    if name not in columns:
        raise Refused(f"{source} has no column {name!r}; it has {', '.join(columns)}")


def calculate(store: Store, sources: Sequence[str], target: str, function: Mapping[str, Any]) -> None:
    """The column `result` out of a graph of operations.

    `args` are features and values; a feature takes the next input, the last input serves all that are left. The steps
    in `expression` are an argument or an operation on what comes `from` others; the one before no other is the result.
    """
    with tables(store, *sources) as data:
        arguments: dict[Any, str] = {}
        inputs = iter(range(len(sources)))
        number = 0
        for argument in function["args"]:
            if "feature" in argument:
                number = next(inputs, number)
                name = str(argument["feature"]).lower()
                _check_column(sources[number], name, data.columns(number))
                arguments[argument["arg_id"]] = f"t{number}.{quoted(name)}"
            else:
                value = argument["value"]
                arguments[argument["arg_id"]] = str(value) if isinstance(value, int | float) else text(value)
        if len({data.count(number) for number in range(len(sources))}) > 1:
            raise Refused("the inputs of a function must have as many rows as each other")
        steps = {step["step"]: step for step in function["expression"]}
        ends = [step for step in steps.values() if not step.get("next")]
        if len(ends) != 1:
            raise Refused(f"a function has one result and not {len(ends)}")
        result = _expression(ends[0], steps, arguments, set())
        together = " POSITIONAL JOIN ".join(f"t{number}" for number in range(len(sources)))
        data.save(f"SELECT {result} AS result FROM {together}", target)


def _expression(step: Mapping[str, Any], steps: Mapping[Any, Any], arguments: Mapping[Any, str], seen: set[Any]) -> str:
    if step["step"] in seen:
        raise Refused(f"step {step['step']} of the function comes before itself")
    info = step["info"]
    if info["kind"] == "arg":
        return arguments[info["arg_id"]]
    if info["name"] not in OPERATORS:
        raise Refused(f"no operation: {info['name']!r}; there are {', '.join(OPERATORS)}")
    before = step["from"] if isinstance(step["from"], list) else [step["from"]]
    values = [_expression(steps[number], steps, arguments, seen | {step["step"]}) for number in before]
    operator = OPERATORS[info["name"]]
    if operator.count("{}") != len(values):
        raise Refused(f"{info['name']} has {operator.count('{}')} operands and not {len(values)}")
    return operator.format(*values)
