"""What an InfluxDB's store promises beyond the protocol: its address, and what happens when it is not there."""

from __future__ import annotations

import pytest

from podium.errors import SettingsError, Unavailable
from podium.stores.influx import InfluxSeries
from podium.stores.series import series_store
from tests.parts import free_port
from tests.stores.points import point


async def test_an_address_names_host_user_password_and_database(tmp_path):
    store = series_store("http://us%40er:p%2Fw@host:8086/dots", tmp_path / "unused")
    assert isinstance(store, InfluxSeries)
    assert (store.url, store.database) == ("http://host:8086", "dots")
    await store.close()


@pytest.mark.parametrize("url", ["influx://host/db", "http://host:8086", "http:///db", "somewhere"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(SettingsError, match="http://user:password@host:8086/database"):
        InfluxSeries.from_url(url)


async def test_one_that_is_down_stops_nobody_from_starting():
    store = InfluxSeries.from_url(f"http://user:hush@127.0.0.1:{free_port()}/dots")
    await store.open()
    for call in (store.summary("demo-1"), store.measurements("demo-1"), store.write([point()]), store.drop("demo-1")):
        with pytest.raises(Unavailable, match="InfluxDB cannot be reached") as refused:
            await call
        assert "hush" not in str(refused.value)
    await store.close()


async def test_a_wrong_password_is_named(influx):
    store = InfluxSeries(influx.url, influx.user, "wrong", "dots")
    await store.open()
    with pytest.raises(Unavailable, match="401"):
        await store.summary("demo-1")
    await store.close()


async def test_names_and_texts_with_special_characters_come_back(influx, tmp_path):
    store = InfluxSeries(influx.url, influx.user, influx.password, f'd "{tmp_path.name}"')
    await store.open()
    odd = point(0, {'a "b", c=d': 'x "y" \\ z'}, measurement="m, n=o", run="it's", esdl_name="a, b=c d")
    await store.write([odd])
    (row,) = await store.rows("it's")
    assert (row.measurement, row.field, row.value, row.esdl_name) == ("m, n=o", 'a "b", c=d', 'x "y" \\ z', "a, b=c d")
    await store.close()
