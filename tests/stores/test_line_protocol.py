from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from influxdb.line_protocol import make_lines

from podium.errors import DocumentRefused
from podium.stores.line_protocol import MAX_ERRORS, MAX_LINE, parse
from podium.stores.series import Point

NOW = 1_700_000_000.0


def one(line: str, precision: str = "s") -> Point:
    parsed = parse(line.encode(), precision=precision, now=NOW)
    assert parsed.errors == []
    (point,) = parsed.points
    return point


def error(line: str) -> str:
    parsed = parse(line.encode(), precision="s", now=NOW)
    assert parsed.points == []
    assert parsed.refused == 1
    return parsed.errors[0]


def test_a_point():
    assert one('pv,simulation_id=s-1,esdl_id=a-b power=1.5,n=3i,on=t,state="up" 12') == Point(
        "pv", {"simulation_id": "s-1", "esdl_id": "a-b"}, {"power": 1.5, "n": 3, "on": True, "state": "up"}, 12.0
    )


def test_escapes_in_names_and_tags():
    point = one(r"a\ b\,c,k\=1\ x=v\,\ w,C=D:\new f\,\ 1=1")
    assert point == Point("a b,c", {"k=1 x": "v, w", "C": r"D:\new"}, {"f, 1": 1.0}, NOW)


def test_strings_hold_what_else_would_end_a_field():
    point = one('m a="b, c=d \\"e\\" \\\\ #\nf",g=1 5')
    assert point.fields == {"a": 'b, c=d "e" \\ #\nf', "g": 1.0}
    assert point.time == 5.0


def test_quotes_mean_nothing_in_names():
    point = one('say"so,tag="x" a"=1,b\\="=2 5\n').fields, one('say"so,tag="x" a=1 5').tags
    assert point == ({'a"': 1.0, 'b="': 2.0}, {"tag": '"x"'})
    assert len(parse(b'm "=1 1\nm "=2 2', now=NOW).points) == 2


@pytest.mark.parametrize(
    ("raw", "value"),
    [("1", 1.0), ("-1.5e3", -1500.0), (".5", 0.5), ("7.", 7.0), ("-9223372036854775808i", -(2**63)), ("FALSE", False)],
)
def test_values(raw, value):
    read = one(f"m a={raw} 1").fields["a"]
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("precision", "time", "seconds"),
    [
        ("", "1674604800123456789", 1674604800.1234567),
        ("ns", "-5000000000", -5.0),
        ("u", "1500000", 1.5),
        ("ms", "1500", 1.5),
        ("s", "7", 7.0),
        ("m", "2", 120.0),
        ("h", "2", 7200.0),
    ],
)
def test_precision(precision, time, seconds):
    assert one(f"m a=1 {time}", precision).time == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("m", "missing fields"),
        ("m ", "missing fields"),
        (",a=b c=1", "missing measurement"),
        ("m,a c=1", "missing tag"),
        ("m,a= c=1", "missing tag"),
        ("m,a=1,a=2 c=1", "duplicate tags"),
        ("m a", "invalid field"),
        ("m a=", "invalid field"),
        ("m a=1,", "missing fields"),
        ("m a=1x", "invalid value"),
        ("m a=0x10", "invalid value"),
        ("m a=1_000", "invalid value"),
        ("m a=\u0661", "invalid value"),
        ("m a=1u", "invalid value"),
        ("m a=nan", "cannot be kept"),
        ("m a=-Inf", "cannot be kept"),
        ("m a=1e999", "out of range"),
        ("m a=9223372036854775808i", "out of range"),
        ('m a="open', "unbalanced quotes"),
        ('m a="b"c', "invalid field format"),
        ("m a=1 1.5", "bad timestamp"),
        ("m a=1 1 1", "bad timestamp"),
        ("m a=1 99999999999", "time outside range"),
        ("m time=1", '"time" cannot be'),
        ("m,time=1 a=1", '"time" cannot be'),
        ("m a=" + "1" * MAX_LINE, "longer than"),
    ],
)
def test_a_bad_line_is_named_with_what_is_wrong(line, why):
    said = error(line)
    assert said.startswith(f"unable to parse '{line[:20]}")
    assert why in said
    assert len(said) < 400


def test_bad_lines_do_not_harm_their_neighbours():
    parsed = parse(b'# \'a "comment"\r\n\n m a=1 1\r\nm b=x 2\nm a=3 3\n   \n', precision="s", now=NOW)
    assert [(point.fields, point.time) for point in parsed.points] == [({"a": 1.0}, 1.0), ({"a": 3.0}, 3.0)]
    assert parsed.errors == ["unable to parse 'm b=x 2': invalid value: x"]


def test_errors_are_counted_beyond_those_that_are_listed():
    parsed = parse(b"m\n" * 1000, now=NOW)
    assert (len(parsed.errors), parsed.refused) == (MAX_ERRORS, 1000)


def test_points_of_one_object_share_their_tags():
    first, second = parse(b"m,a=b c=1 1\nm,a=b c=2 2", now=NOW).points
    assert first.tags is second.tags


@pytest.mark.parametrize("body", [b"m a=1 1\n\xff\xfe", b"\xc3\x28"])
def test_what_is_not_utf8_is_refused(body):
    with pytest.raises(DocumentRefused, match="not UTF-8 at byte"):
        parse(body, now=NOW)


def test_an_unknown_precision_is_refused():
    with pytest.raises(DocumentRefused, match='invalid precision "week"'):
        parse(b"m a=1", precision="week", now=NOW)


@pytest.mark.parametrize(
    "piece", ["\\", '"', " ", ",", "=", "a\\ ", '"\\', 'm a="', '="', '="\\', "m a=1.", "1", "\n", '\\"\n"']
)
def test_nothing_makes_it_slow(piece):
    """Each of these would take for ever if a repetition could backtrack."""
    parsed = parse((piece * 200_000).encode()[:1_000_000], now=NOW)
    assert parsed.points == []


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body):
    try:
        parsed = parse(body, now=NOW)
    except DocumentRefused:
        return
    assert len(parsed.points) + parsed.refused <= body.count(b"\n") + 1


# InfluxDB's client writes a line feed in a name as a backslash and an n, which InfluxDB keeps as these two.
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\t\0"), min_size=1, max_size=12)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1, max_size=20)
VALUES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**63), 2**63 - 1), st.booleans(), TEXTS
)  # fmt: skip


@given(
    measurement=NAMES.filter(lambda name: name[0] != "#"),
    tags=st.dictionaries(NAMES.filter(lambda name: name != "time"), NAMES, max_size=4),
    fields=st.dictionaries(NAMES.filter(lambda name: name != "time"), VALUES, min_size=1, max_size=4),
    time=st.integers(0, 4_000_000_000),
)
def test_what_the_influxdb_client_writes_is_read_back(measurement, tags, fields, time):
    made = {"points": [{"measurement": measurement, "tags": tags, "fields": fields, "time": time}] * 2}
    parsed = parse(make_lines(made, precision="s").encode(), precision="s", now=NOW)
    assert parsed.errors == []
    assert parsed.points == [Point(measurement, tags, fields, float(time))] * 2
    assert [type(value) for value in parsed.points[0].fields.values()] == [
        type(value) for _, value in sorted(fields.items())
    ]
