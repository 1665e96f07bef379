"""The road network of a town as SUMO's net file states it: lanes, ways through junctions, crossings and areas."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from autodrive.errors import ConfigError

Array = NDArray[np.float64]
LaneKind = Literal["road", "sidewalk", "parking"]

_MAX_NET_BYTES = 64 * 2**20


@dataclass(frozen=True, eq=False)
class Lane:
    """One lane: centreline (N, 2) in ``map`` along the driving direction, width [m], speed limit [m/s].

    ``kind`` is "road" (cars drive on it), "sidewalk", or "parking" (an asphalt strip at the kerb that no route uses).
    ``left`` and ``right`` are the ids of neighbouring road lanes of the same direction, "" where there is none.
    """

    id: str
    edge_id: str
    centerline: Array
    width: float
    speed: float
    kind: LaneKind
    left: str = ""
    right: str = ""

    @property
    def length(self) -> float:
        """Length of the centreline [m]."""
        return float(np.hypot(*np.diff(self.centerline, axis=0).T).sum())


@dataclass(frozen=True, eq=False)
class Connection:
    """A way for cars through a junction: path (N, 2) from the end of ``from_lane`` to the start of ``to_lane``.

    ``direction`` is SUMO's: s straight, l / r left or right, L / R slightly so. ``yields`` says that cars on it must
    give way to other cars, ``stops`` that they must stop first.
    """

    from_lane: str
    to_lane: str
    path: Array
    direction: str
    yields: bool
    stops: bool


@dataclass(frozen=True, eq=False)
class Crossing:
    """A zebra crossing: centreline (2, 2) along which people walk, and its width [m] along the road."""

    id: str
    centerline: Array
    width: float
    edges: tuple[str, ...]

    @property
    def polygon(self) -> Array:
        """Corners (4, 2), counter-clockwise."""
        along = self.centerline[1] - self.centerline[0]
        side = np.array([-along[1], along[0]]) / np.hypot(*along) * self.width / 2
        a, b = self.centerline
        return np.array([a - side, b - side, b + side, a + side])


@dataclass(frozen=True, eq=False)
class Network:
    """All of it; polygons are (N, 2) each. ``walking_areas`` are the pavement corners inside the junctions."""

    lanes: tuple[Lane, ...]
    connections: tuple[Connection, ...]
    crossings: tuple[Crossing, ...]
    junctions: tuple[Array, ...]
    walking_areas: tuple[Array, ...]
    stop_lines: tuple[Array, ...]


def read_network(path: Path) -> Network:
    """Parse a SUMO .net.xml or .net.xml.gz; raises ConfigError that names the file and what is wrong."""
    try:
        root = ElementTree.fromstring(_read(path))
        return _network(root)
    except (OSError, EOFError, zlib.error, ElementTree.ParseError, KeyError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(
            f"{path} is not a usable SUMO network ({reason}); make the town again: autodrive town"
        ) from error


def _read(path: Path) -> bytes:
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        with gzip.open(path) as file:
            data = file.read(_MAX_NET_BYTES + 1)
    if len(data) > _MAX_NET_BYTES:
        raise ValueError(f"larger than {_MAX_NET_BYTES} bytes")
    return data


def _network(root: ElementTree.Element) -> Network:
    edges = [edge for edge in root.iter("edge") if edge.get("function") != "connector"]
    by_function: dict[str, list[ElementTree.Element]] = {}
    for edge in edges:
        by_function.setdefault(edge.get("function", "normal"), []).append(edge)
    lanes = tuple(lane for edge in by_function.get("normal", []) for lane in _lanes(edge))
    if not any(lane.kind == "road" for lane in lanes):
        raise ValueError("it has no lane for cars")
    paths = {
        lane.attrib["id"]: _points(lane.attrib["shape"])
        for edge in by_function.get("internal", [])
        for lane in edge.iter("lane")
    }
    connections = tuple(_connections(root, {lane.id: lane for lane in lanes if lane.kind == "road"}, paths))
    return Network(
        lanes=lanes,
        connections=connections,
        crossings=tuple(_crossing(edge) for edge in by_function.get("crossing", [])),
        junctions=tuple(
            _points(node.attrib["shape"])
            for node in root.iter("junction")
            if node.get("type") != "internal" and node.get("shape", "").count(" ") >= 2
        ),
        walking_areas=tuple(
            _points(lane.attrib["shape"]) for edge in by_function.get("walkingarea", []) for lane in edge.iter("lane")
        ),
        stop_lines=_stop_lines(lanes, connections),
    )


def _lanes(edge: ElementTree.Element) -> Iterable[Lane]:
    """The lanes of one edge, right to left as SUMO lists them."""
    found = [(lane, _kind(lane)) for lane in edge.iter("lane")]
    for index, (lane, kind) in enumerate(found):
        neighbour = {
            side: found[k][0].attrib["id"]
            for side, k in (("left", index + 1), ("right", index - 1))
            if kind == "road" and 0 <= k < len(found) and found[k][1] == "road"
        }
        yield Lane(
            id=lane.attrib["id"],
            edge_id=edge.attrib["id"],
            centerline=_points(lane.attrib["shape"]),
            width=float(lane.get("width", "3.2")),
            speed=float(lane.attrib["speed"]),
            kind=kind,
            **neighbour,
        )


def _kind(lane: ElementTree.Element) -> LaneKind:
    allow, disallow = lane.get("allow", ""), lane.get("disallow", "")
    if allow.split() == ["pedestrian"]:
        return "sidewalk"
    return "parking" if disallow.split() == ["all"] else "road"


def _connections(root: ElementTree.Element, lanes: dict[str, Lane], paths: dict[str, Array]) -> Iterable[Connection]:
    links = [(f"{c.attrib['from']}_{c.attrib['fromLane']}", c) for c in root.iter("connection")]
    # a left turn may be cut in two internal lanes; the second is named by a connection that starts at the first
    onward = {source: c.get("via") for source, c in links if source in paths}
    yielding = _yielding(root)
    for source, link in links:
        target = f"{link.attrib['to']}_{link.attrib['toLane']}"
        if source not in lanes or target not in lanes:
            continue
        pieces = [lanes[source].centerline[-1:]]
        first = link.get("via", "")
        via: str | None = first
        while via:
            pieces.append(paths[via])
            via = onward.get(via)
        path = np.concatenate([*pieces, lanes[target].centerline[:1]])
        steps = np.hypot(*np.diff(path, axis=0).T)
        yield Connection(
            from_lane=source,
            to_lane=target,
            path=path[np.concatenate([[True], steps > 1e-3])],
            direction=link.get("dir", "s"),
            yields=bool(first) and _link(first) in yielding,
            stops=link.get("state") in ("s", "w"),
        )


def _yielding(root: ElementTree.Element) -> set[tuple[str, int]]:
    """Links, as (junction, index), on which one must give way to cars.

    A connection's state will not do: it is "m" also where only people on a crossing have priority.
    """
    found = set()
    for node in root.iter("junction"):
        name = node.attrib["id"]
        # links come in the order of intLanes, those of cars before those of crossings
        cars = sum(not lane.startswith(f":{name}_c") for lane in node.get("intLanes", "").split())
        for request in node.iter("request"):
            index, response = int(request.attrib["index"]), request.attrib["response"]
            # one digit per link, the last for link 0
            if index < cars and ("1" in response[::-1][:cars] or node.get("type") == "allway_stop"):
                found.add((name, index))
    return found


def _link(via: str) -> tuple[str, int]:
    """(junction, index) of the link whose first internal lane is ``via``: SUMO numbers those by link."""
    junction, edge, lane = via.removeprefix(":").rsplit("_", 2)
    return junction, int(edge) + int(lane)


def _crossing(edge: ElementTree.Element) -> Crossing:
    lane = edge.find("lane")
    if lane is None:
        raise ValueError(f"crossing {edge.get('id')} has no lane")
    line = _points(lane.attrib["shape"])
    return Crossing(
        edge.attrib["id"], line[[0, -1]], float(lane.attrib["width"]), tuple(edge.get("crossingEdges", "").split())
    )


def _stop_lines(lanes: tuple[Lane, ...], connections: tuple[Connection, ...]) -> tuple[Array, ...]:
    """Across each road lane from which every way on must give way or stop."""
    segments = []
    for lane in lanes:
        onward = [c for c in connections if c.from_lane == lane.id]
        if onward and all(c.yields for c in onward):
            ahead = lane.centerline[-1] - lane.centerline[-2]
            side = np.array([-ahead[1], ahead[0]]) / np.hypot(*ahead) * (lane.width / 2 - 0.1)
            middle = lane.centerline[-1] - ahead / np.hypot(*ahead) * 0.4
            segments.append(np.array([middle - side, middle + side]))
    return tuple(segments)


def _points(shape: str) -> Array:
    points = np.array([[float(v) for v in point.split(",")[:2]] for point in shape.split()])
    if points.ndim != 2 or len(points) < 2 or not np.isfinite(points).all():
        raise ValueError(f"bad shape {shape[:40]!r}")
    points.setflags(write=False)
    return points
