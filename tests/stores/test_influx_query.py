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
        ("SHOW RETENTION POLICIES ON dots", Show("retention policies", "dots")),
        ('SHOW MEASUREMENTS ON "dots" LIMIT 100', Show("measurements", "dots", limit=100)),
        ('SHOW TAG KEYS ON dots FROM "dots"."autogen"."pv"', Show("tag keys", "dots", "pv")),
        ("SHOW FIELD KEYS FROM pv", Show("field keys", "", "pv")),
        ('SHOW TAG VALUES FROM pv WITH KEY = "esdl_id" LIMIT 5', Show("tag values", "", "pv", "esdl_id", 5)),
        ("SELECT * FROM pv", Select((Column("*"),), "pv")),
        (
            'SELECT "a b", c::field AS d FROM "dots"."autogen"."pv"',
            Select((Column("a b"), Column("c", None, "d")), "pv", database="dots"),
        ),
        ('SELECT a FROM "dots".."pv"', Select((Column("a"),), "pv", database="dots")),
        ("SELECT a FROM autogen.pv", Select((Column("a"),), "pv")),
        ('SHOW FIELD KEYS ON dots FROM "other".."pv"', Show("field keys", "other", "pv")),
        ("SELECT a FROM pv LIMIT 0", Select((Column("a"),), "pv")),
        ("SELECT time AS moment, a FROM pv", Select((Column("a"),), "pv", time="moment")),
        ("SELECT sum(a) FROM pv GROUP BY time(0s)", Select((Column("a", "sum"),), "pv")),
        ("SELECT sum(a) FROM pv GROUP BY time(-1h), b", Select((Column("a", "sum"),), "pv", tags=("b",))),
        (
            "SELECT mean(a) FROM pv WHERE time = 5s GROUP BY time(1m) fill(none)",
            Select((Column("a", "mean"),), "pv", (Condition("time", "=", 5.0),), every=60.0, empty=False),
        ),
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
        (
            "SELECT mean(a) FROM pv WHERE ((b = 'c') AND (time > 5s)) GROUP BY time(1m) fill(null)",
            Select(
                (Column("a", "mean"),),
                "pv",
                (Condition("b", "=", "c"), Condition("time", ">", 5.0), Condition("time", "<=", 1000.0)),
                every=60.0,
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
        ("SELECT a FROM pv WHERE (b = 'c'", "found the end, expected )"),
        ("SELECT a FROM pv WHERE (b = 'c') OR d = 'e'", "found OR, expected ;"),
        ("SELECT a FROM pv WHERE b = 'c')", "found ), expected ;"),
        ("SELECT a FROM pv WHERE " + "(" * 50_000, "found the end, expected a name"),
        ("SELECT mean(a) FROM pv GROUP BY time(1h) fill(previous)", "found previous, expected NONE, NULL"),
        ("SELECT a FROM pv WHERE b = $b", "cannot read ' $b'"),
        ("SHOW TAG VALUES FROM pv", "found the end, expected WITH"),
        ("SHOW SERIES", "found SERIES, expected DATABASES or RETENTION POLICIES or"),
        ("SELECT a FROM pv WHERE time > 'soon'", "invalid date 'soon'"),
        ("SELECT a FROM pv WHERE time > '1500-01-01'", "time 1500-01-01 underflows time literal"),
        ("SELECT a FROM pv WHERE time < '9999-12-31T23:59:59Z'", "time 9999-12-31T23:59:59Z overflows time literal"),
        ("SELECT a FROM pv WHERE time != 5s", "invalid time comparison operator: !="),
        ("SELECT a FROM pv WHERE time > " + "9" * 5000, "unable to parse integer"),
        ("SELECT a FROM pv WHERE time > -9223372036854775809", "unable to parse integer"),
        ("SELECT a FROM pv WHERE time > now() - 99999999w", "overflowed duration 99999999w"),
        ("SELECT a FROM pv WHERE time > " + "9" * 5000 + "s", "unable to parse integer"),
        ("SELECT mean(a) FROM pv GROUP BY time(99999999999w)", "overflowed duration 99999999999w"),
        ('SELECT mean(a) FROM pv GROUP BY "time"', "time() is a function and expects at least one argument"),
        ("SELECT mean(a) FROM pv GROUP BY time(1h), b, time(2h)", "multiple time dimensions not allowed"),
        ("SELECT time, time AS t FROM pv", "at least 1 non-time field must be queried"),
        ("SELECT a FROM pv LIMIT -1", "found -1, expected integer"),
        ("SHOW MEASUREMENTS LIMIT -1", "found -1, expected integer"),
        ("SELECT a FROM dots.autogen.pv.more", "found ., expected ;"),
        ('SELECT a FROM "monthly"."pv"', "retention policy not found: monthly"),
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
