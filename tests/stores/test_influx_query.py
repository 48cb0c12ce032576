from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.errors import DocumentRefused
from podium.stores.influx_query import Column, Condition, CreateDatabase, Select, Show, read


def one(text: str):
    (statement,) = read(text, now=1000.0)
    return statement


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ('CREATE DATABASE "dots results"', CreateDatabase("dots results")),
        ("create database dots;", CreateDatabase("dots")),
        ("SHOW DATABASES", Show("databases")),
        ("show measurements", Show("measurements")),
        ("SELECT * FROM pv", Select((Column("*"),), "pv")),
        (
            'SELECT "a b", c::field AS d FROM "dots"."autogen"."pv"',
            Select((Column("a b"), Column("c", None, "d")), "pv"),
        ),
        ('SELECT a FROM "dots".."pv"', Select((Column("a"),), "pv")),
        ("SELECT Mean(a), last(*) FROM pv", Select((Column("a", "mean"), Column("*", "last")), "pv")),
        (
            """SELECT a FROM pv WHERE b = 'it\\'s' AND "c"::tag <> ''
            AND time >= '2023-01-25T00:00:00Z' AND time < now() - 1h""",
            Select(
                (Column("a"),),
                "pv",
                (
                    Condition("b", "=", "it's"),
                    Condition("c", "!=", ""),
                    Condition("time", ">=", 1674604800.0),
                    Condition("time", "<", 1000.0 - 3600),
                ),
            ),
        ),
        (
            """SELECT max(a) FROM pv WHERE time > 5s AND time <= 6000000000
            GROUP BY b, time(15m) ORDER BY time DESC LIMIT 7""",
            Select(
                (Column("a", "max"),),
                "pv",
                (Condition("time", ">", 5.0), Condition("time", "<=", 6.0)),
                ("b",),
                every=900.0,
                descending=True,
                limit=7,
            ),
        ),
        ("SELECT a FROM pv GROUP BY * ORDER BY time ASC", Select((Column("a"),), "pv", all_tags=True)),
    ],
)
def test_what_is_understood(text, statement):
    assert one(text) == statement


def test_several_statements():
    assert read("SHOW DATABASES; ;SHOW MEASUREMENTS;", now=0) == [Show("databases"), Show("measurements")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "missing query"),
        ("DELETE FROM pv", "found DELETE, expected SELECT"),
        ("SELECT a FROM pv GROUP time(1h)", "found time, expected BY"),
        ("SELECT a FROM pv LIMIT many", "found many, expected a number"),
        ("SELECT a FROM pv WHERE b = c", "found c, expected a string in single quotes"),
        ("SELECT a FROM pv WHERE b ~ 'c'", "cannot read \" ~ 'c'\""),
        ("SELECT a FROM pv WHERE", "found the end, expected a name"),
        ("SELECT a FROM pv WHERE b > 'c'", "a tag is compared with = or !=, not >"),
        ("SELECT mean(a) FROM pv GROUP BY time(x)", "found x, expected a duration"),
        ("SHOW DATABASES SHOW DATABASES", "found SHOW, expected ;"),
        ("SELECT a FROM pv WHERE time > 'soon'", "invalid date 'soon'"),
    ],
)
def test_what_is_not_is_refused_with_what_there_is(text, found):
    with pytest.raises(DocumentRefused) as refused:
        read(text, now=0)
    assert found in refused.value.problem
    assert "Supported are" in str(refused.value)


@given(st.text(st.sampled_from("select from where a*,()'\"=<>; 10hns\\.:-"), max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        statements = read(text, now=0)
    except DocumentRefused:
        return
    assert statements
