from __future__ import annotations

import asyncio
import re

import pytest
from PIL import Image

from podium.errors import NotFound
from podium.stores.plot import plot_run
from podium.stores.series import Point
from podium.stores.series_duckdb import DuckDbSeries
from tests.stores.points import point


@pytest.fixture
async def store(tmp_path):
    opened = DuckDbSeries(tmp_path / "series.duckdb")
    await opened.open()
    yield opened
    await opened.close()


def neighbourhood(homes: int, steps: int) -> list[Point]:
    return [
        point(step, {"power": float(step * home), "on": step % 2 == 0}, measurement=measurement, home=home)
        for measurement in ("pvinstallation", "heatpump")
        for home in range(homes)
        for step in range(steps)
    ]


@pytest.mark.parametrize(("homes", "steps"), [(1, 1), (3, 24), (20, 96), (5, 2000)])
async def test_a_png_with_a_panel_a_field(store, tmp_path, homes, steps):
    await store.write(neighbourhood(homes, steps))
    path = await plot_run(store, "demo-1", tmp_path / "plot.png", title="Neighbourhood")
    with Image.open(path) as image:
        image.verify()
        assert image.format == "PNG"
        assert image.width > 900
        assert image.height > 500


async def test_an_svg_holds_its_words(store, tmp_path):
    await store.write(neighbourhood(20, 24))
    await store.write(
        [point(step, {"state_of_charge": 0.5}, measurement="battery", esdl_name="$a_1$ <&") for step in range(3)]
    )
    units = {"heatpump": {"power": "W"}}
    path = await plot_run(store, "demo-1", tmp_path / "plot.svg", title="Neighbourhood, June", units=units)
    words = re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text())
    assert "Neighbourhood, June" in words
    assert "25 January 2023 00:00 to 05:45 UTC" in words
    assert (words.count("power"), words.count("power (W)")) == (1, 1)
    assert "state of charge" in words
    assert "battery · $a_1$ &lt;&amp;" in words
    assert "heatpump · mean and range of 20" in words


async def test_the_same_results_make_the_same_svg(store, tmp_path):
    await store.write(neighbourhood(2, 5))
    paths = [tmp_path / "a.svg", tmp_path / "b.svg"]
    await asyncio.gather(*(plot_run(store, "demo-1", path, title="Twice at once") for path in paths))
    assert paths[0].read_text() == paths[1].read_text()


async def test_only_so_many_panels(store, tmp_path):
    await store.write([point(step, {f"f{number}": 1.0 for number in range(40)}) for step in range(2)])
    path = await plot_run(store, "demo-1", tmp_path / "plot.svg", title="Many", panels=5)
    assert len(re.findall(r">f\d+</text>", path.read_text())) == 5


async def test_without_numbers_there_is_nothing_to_plot(store, tmp_path):
    await store.write([point(0, {"state": "idle"})])
    with pytest.raises(NotFound, match="nothing to plot"):
        await plot_run(store, "demo-1", tmp_path / "plot.png", title="Nothing")
    assert not (tmp_path / "plot.png").exists()
