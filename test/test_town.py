"""Towns: what is shipped is sound, damaged files are refused by name, and the ground adds up."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import shapely

from autodrive.errors import ConfigError
from autodrive.geometry import box_corners
from autodrive.sim.town import TOWNS_DIR, Town, load_town, save_town, shipped_towns

WHEELBASE_M, MAX_ROAD_WHEEL_RAD = 2.58, 0.6
MAX_FILE_BYTES = 400_000


@pytest.fixture(params=["brook", "harbor", "summit"])
def town(request: pytest.FixtureRequest) -> Town:
    return load_town(request.param)


def _footprint(item) -> shapely.Polygon:
    return shapely.Polygon(box_corners(item.x, item.y, item.yaw, item.length, item.width))


def test_three_small_towns_are_shipped():
    assert shipped_towns() == ("brook", "harbor", "summit")
    assert all(path.stat().st_size < MAX_FILE_BYTES for path in TOWNS_DIR.iterdir())


def test_has_what_a_drive_needs(town: Town):
    x_min, x_max, y_min, y_max = town.bounds
    assert 300 < x_max - x_min < 600 and 300 < y_max - y_min < 600
    assert len(town.junctions) >= 8 and len(town.crossings) >= 15 and len(town.buildings) > 80
    assert len(town.parked) >= 20 and len(town.obstacles) >= 8 and town.stop_lines
    assert all(lane.speed == 8.33 for lane in town.lanes if lane.kind == "road")


def test_pavement_and_road_are_apart_and_nothing_is_built_on_them(town: Town):
    surface = town.surface
    assert surface.road.intersection(surface.pavement).area < 1.0
    ground = surface.road.union(surface.pavement)
    assert all(not shapely.Polygon(b.corners).intersects(ground) for b in town.buildings)
    assert surface.road.geom_type == "Polygon", "roads hang together"


def test_paint_is_on_the_road(town: Town):
    surface = town.surface
    for paint in (surface.lane_lines, surface.centre_lines, surface.zebra, surface.crosswalks):
        assert paint.difference(surface.road.buffer(0.05)).area < 0.05
    assert surface.stop_lines.difference(surface.road.buffer(0.3)).area < 1.0


def test_lanes_and_ways_through_junctions_are_on_the_road(town: Town):
    for lane in town.lanes:
        ground = town.surface.pavement if lane.kind == "sidewalk" else town.surface.road
        assert shapely.LineString(lane.centerline).difference(ground.buffer(0.1)).length < 0.5, lane.id
    for link in town.connections:
        assert shapely.LineString(link.path).difference(town.surface.road.buffer(0.1)).length < 0.2


def test_a_car_can_follow_every_way_and_there_are_no_turnarounds(town: Town):
    tightest = WHEELBASE_M / np.tan(MAX_ROAD_WHEEL_RAD)
    for link in town.connections:
        before, after = town.lane[link.from_lane].centerline, town.lane[link.to_lane].centerline
        line = shapely.LineString(np.concatenate([before[-2:-1], link.path, after[1:2]]))
        points = np.array([line.interpolate(s).coords[0] for s in np.arange(0.0, line.length, 1.0)])
        yaw = np.unwrap(np.arctan2(*np.diff(points, axis=0).T[::-1]))
        radius = 3.0 / max(1e-6, float(np.abs(yaw[3:] - yaw[:-3]).max()))
        assert radius > 1.3 * tightest, (link.from_lane, link.to_lane)
        assert abs(yaw[-1] - yaw[0]) < np.radians(150)


def test_every_lane_leads_on_and_stop_lines_only_where_all_ways_yield(town: Town):
    entrances = {link.from_lane for link in town.connections}
    roads = [lane for lane in town.lanes if lane.kind == "road"]
    assert {lane.edge_id for lane in roads} == {town.lane[name].edge_id for name in entrances}
    ends = np.array([line.mean(axis=0) for line in town.stop_lines])
    for lane in roads:
        ways = [link for link in town.connections if link.from_lane == lane.id]
        near = np.hypot(*(ends - lane.centerline[-1]).T).min() < 0.6
        assert near == (bool(ways) and all(link.yields for link in ways)), lane.id


def test_parked_cars_narrow_lanes_but_only_the_blocked_ones_fully(town: Town):
    road_lanes = {lane.id: shapely.LineString(lane.centerline) for lane in town.lanes if lane.kind == "road"}
    widths = {lane.id: lane.width for lane in town.lanes}
    things = [_footprint(item) for item in (*town.parked, *town.obstacles)]
    narrowed = [
        thing
        for thing in things
        if any(line.buffer(widths[name] / 2, cap_style="flat").intersects(thing) for name, line in road_lanes.items())
    ]
    assert len(narrowed) > len(things) / 2
    assert 2 <= len(town.blocked_lanes) <= 6
    for name, line in road_lanes.items():
        swept = line.buffer(0.9, cap_style="flat")
        assert name in town.blocked_lanes or not any(swept.intersects(thing) for thing in things), name
    # a car (1.9 m with mirrors) finds a way past everything that stands in its lane
    for thing in things:
        around = thing.buffer(6.0)
        free = town.surface.road.intersection(around).difference(shapely.union_all(things)).buffer(-0.95)
        assert free.area > 4.0


def test_nothing_blocking_stands_near_a_junction(town: Town):
    junctions = shapely.union_all([shapely.Polygon(j) for j in town.junctions])
    assert all(_footprint(item).distance(junctions) > 6.0 for item in (*town.parked, *town.obstacles))


def test_unknown_town_names_those_there_are():
    with pytest.raises(ConfigError, match=r"atlantis.*brook, harbor, summit"):
        load_town("atlantis")


def _copy(folder: Path) -> Path:
    for path in TOWNS_DIR.glob("summit*"):
        shutil.copy(path, folder)
    return folder / "summit.yaml"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("format: autodrive-town/1", "format: something", "not a town file"),
        ("net: summit", "net: ../summit", "same folder"),
        ("net: summit", "net: winter", "missing"),
        ("seed: 27", "seed: three", "three"),
        ("trees:", "shrubs:", "missing key 'trees'"),
        ("- [CAR,", "- [TANK,", "TANK"),
        ("- [CAR, ", "- [CAR, .nan, ", "6 numbers"),
        ("- [CONE, ", "- [CONE, 90000", "outside the town"),
        ("buildings:\n- [", "buildings:\n- [.inf, ", "7 numbers"),
        ("buildings:\n", "buildings:\n- [0, 0, 0, 8, 8, 8, 8]\n", "facade style"),
        ("buildings:\n", "buildings:\n- [0, 0, 0, .nan, 8, 8, 1]\n", "finite"),
        ("buildings:\n", "buildings:\n- [0, 0, 0, -8, 8, 8, 1]\n", "positive size"),
        ("trees:\n", "trees: {{{\n", "YAML"),
    ],
)
def test_a_damaged_town_is_refused_with_its_name(tmp_path: Path, old: str, new: str, says: str):
    path = _copy(tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError, match=says) as error:
        load_town(str(path))
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize("damage", [lambda data: data[:-200], lambda data: data + b"x", lambda data: b"<net/>"])
def test_a_network_of_another_town_is_refused(tmp_path: Path, damage):
    path = _copy(tmp_path)
    net = tmp_path / "summit.net.xml.gz"
    net.write_bytes(damage(net.read_bytes()))
    with pytest.raises(ConfigError, match="sha256"):
        load_town(str(path))


def test_save_and_load_round_trip(tmp_path: Path):
    town = load_town("summit")
    copy = load_town(str(save_town(town, tmp_path)))
    assert (copy.buildings, copy.trees, copy.parked, copy.obstacles) == (
        town.buildings,
        town.trees,
        town.parked,
        town.obstacles,
    )
    assert (tmp_path / "summit.yaml").read_bytes() == (TOWNS_DIR / "summit.yaml").read_bytes()
