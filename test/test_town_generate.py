"""Street plans hold what they promise for any seed, and making towns fails with one clear line."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from autodrive.errors import AutodriveError, ConfigError, EnvironmentProblem
from autodrive.sim.town import TOWNS_DIR, load_town
from autodrive.sim.town_generate import generate_town
from autodrive.sim.town_roads import draw_street_plan, plain_xml
from autodrive_nodes.commands import town as command

seeds = st.integers(0, 10_000)


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_plans_have_no_dead_end_and_roads_that_a_car_can_follow(seed: int):
    plan = draw_street_plan(seed)
    arms = {node: [road for road in plan.roads if node in (road.start, road.end)] for node in plan.junctions}
    assert all(3 <= len(roads) <= 4 for roads in arms.values())
    for road in plan.roads:
        assert road.start in plan.junctions and road.end in plan.junctions and road.start != road.end
        assert np.allclose(road.middle[[0, -1]], [plan.junctions[road.start][0], plan.junctions[road.end][0]])
        line = shapely.LineString(road.middle)
        assert line.is_simple and line.length > 40
        points = np.array([line.interpolate(s).coords[0] for s in np.arange(0.0, line.length, 2.0)])
        yaw = np.unwrap(np.arctan2(*np.diff(points, axis=0).T[::-1]))
        assert 4.0 / np.abs(yaw[2:] - yaw[:-2]).max() > 9.0
    positions = np.array([p for p, _ in plan.junctions.values()])
    assert 180 < np.ptp(positions, axis=0).max() < 480
    assert all(road in arms[node] for node, road in plan.crossings)
    crossed = {node: sum(n == node for n, _ in plan.crossings) for node in plan.junctions}
    assert all(crossed[node] >= len(arms[node]) - 1 for node in arms), "people can get round every junction"


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_plans_are_reproducible_and_roads_meet_at_junctions_only(seed: int):
    plan = draw_street_plan(seed)
    assert plain_xml(plan) == plain_xml(draw_street_plan(seed))
    assert all(ElementTree.fromstring(text) is not None for text in plain_xml(plan))
    lines = [shapely.LineString(road.middle) for road in plan.roads]
    corners = shapely.union_all([shapely.Point(p) for p, _ in plan.junctions.values()]).buffer(2.0)
    for k, line in enumerate(lines):
        for other in lines[:k]:
            assert line.intersection(other).difference(corners).is_empty


def test_seeds_differ():
    assert len({plain_xml(draw_street_plan(seed)) for seed in range(20)}) == 20


@pytest.mark.parametrize("name", ["", "New Town", "../evil", "9lives", "a" * 40])
def test_refuses_bad_names(tmp_path: Path, name: str):
    with pytest.raises(ConfigError, match="town name"):
        generate_town(1, tmp_path, name)


def test_refuses_a_negative_seed(tmp_path: Path):
    with pytest.raises(ConfigError, match="seed -1"):
        generate_town(-1, tmp_path, "fine")


def _arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    return parser.parse_args(["town", *words])


def test_says_what_to_install_when_netconvert_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentProblem, match=r"pip install eclipse-sumo=="):
        command.run(_arguments("--seed", "1", "--out", str(tmp_path / "new")))
    assert not (tmp_path / "new").exists(), "nothing half-written"


@pytest.mark.skipif(importlib.util.find_spec("sumo") is None, reason="needs the eclipse-sumo wheel")
def test_the_command_makes_the_shipped_town_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    shipped = load_town("summit")
    assert command.run(_arguments("--seed", str(shipped.seed), "--out", str(tmp_path), "--name", "summit")) == 0
    assert (tmp_path / "summit.png").read_bytes()[:4] == b"\x89PNG"
    assert f"--town {tmp_path / 'summit.yaml'}" in capsys.readouterr().out
    for name in ("summit.yaml", "summit.net.xml.gz"):
        assert (tmp_path / name).read_bytes() == (TOWNS_DIR / name).read_bytes()


@pytest.mark.skipif(importlib.util.find_spec("sumo") is None, reason="needs the eclipse-sumo wheel")
def test_cannot_write(tmp_path: Path):
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(AutodriveError, match="choose another --out"):
        command.run(_arguments("--seed", "1", "--out", str(blocker)))
