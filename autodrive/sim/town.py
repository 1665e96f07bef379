"""A town: SUMO's road network and what stands beside the roads, in two small files, NAME.yaml and NAME.net.xml.gz."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import shapely
import yaml

from autodrive.errors import ConfigError
from autodrive.files import write_atomic
from autodrive.geometry import box_corners
from autodrive.scene import DetectedObject, ObjectClass
from autodrive.sim.town_network import Array, Connection, Crossing, Lane, Network, read_network
from autodrive.sim.town_surface import Surface, build_surface

T = TypeVar("T")
FORMAT = "autodrive-town/1"
TOWNS_DIR = Path(__file__).parent / "towns"
FACADES = 8
TRAFFIC_HALF_WIDTH_M = 0.95  # a car in the middle of its lane, mirrors left out
_BOUNDS_MARGIN_M = 40.0
_MAX_YAML_BYTES = 4 * 2**20
_PARKED_LABELS = frozenset({ObjectClass.CAR, ObjectClass.TRUCK})
_OBSTACLE_LABELS = frozenset({ObjectClass.CONE, ObjectClass.BARRIER})


@dataclass(frozen=True, slots=True)
class Building:
    """An upright box on the ground, centre (x, y) in ``map``; ``style`` 0..FACADES-1 picks the facade."""

    x: float
    y: float
    yaw: float
    length: float
    width: float
    height: float
    style: int

    @property
    def corners(self) -> Array:
        """Footprint (4, 2)."""
        return box_corners(self.x, self.y, self.yaw, self.length, self.width)


@dataclass(frozen=True, slots=True)
class Tree:
    """Decoration only: a trunk at (x, y) with a crown of ``radius`` [m], ``height`` [m] over all."""

    x: float
    y: float
    height: float
    radius: float


@dataclass(frozen=True, eq=False)
class Town:
    """Everything static, in ``map``. ``net_file`` is what libsumo loads; its coordinates are the map's.

    ``parked`` are cars and trucks at the kerb, ``obstacles`` cones and barriers; z is the centre of the box.
    ``bounds`` is (x_min, x_max, y_min, y_max) around all roads with a margin.
    """

    name: str
    seed: int
    net_file: Path
    network: Network
    buildings: tuple[Building, ...]
    trees: tuple[Tree, ...]
    parked: tuple[DetectedObject, ...]
    obstacles: tuple[DetectedObject, ...]
    bounds: tuple[float, float, float, float]

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """Lanes of every kind, those inside junctions left out."""
        return self.network.lanes

    @property
    def connections(self) -> tuple[Connection, ...]:
        """Ways for cars through the junctions."""
        return self.network.connections

    @property
    def junctions(self) -> tuple[Array, ...]:
        """Polygons (N, 2) of the junctions, pavement corners included."""
        return self.network.junctions

    @property
    def crossings(self) -> tuple[Crossing, ...]:
        """Zebra crossings."""
        return self.network.crossings

    @property
    def stop_lines(self) -> tuple[Array, ...]:
        """Segments (2, 2), right end first, where the approach must give way or stop."""
        return self.network.stop_lines

    @cached_property
    def lane(self) -> dict[str, Lane]:
        """Lanes by id."""
        return {lane.id: lane for lane in self.lanes}

    @cached_property
    def surface(self) -> Surface:
        """Ground areas as polygons."""
        return build_surface(self.network)

    @cached_property
    def blocked_lanes(self) -> tuple[str, ...]:
        """Road lanes on which a car in the middle would hit something parked or put up; keep SUMO's cars off them."""
        footprints = [box_corners(o.x, o.y, o.yaw, o.length, o.width) for o in (*self.parked, *self.obstacles)]
        return tuple(lane.id for lane in self.lanes if lane.kind == "road" and _is_blocked(lane, footprints))


def _is_blocked(lane: Lane, footprints: Sequence[Array]) -> bool:
    swept = shapely.LineString(lane.centerline).buffer(TRAFFIC_HALF_WIDTH_M, cap_style="flat")
    return any(swept.intersects(shapely.Polygon(corners)) for corners in footprints)


def shipped_towns() -> tuple[str, ...]:
    """Names that ``load_town`` knows."""
    return tuple(sorted(path.stem for path in TOWNS_DIR.glob("*.yaml")))


def load_town(name_or_path: str) -> Town:
    """Load a shipped town by name, or the .yaml of one made by ``autodrive town``.

    Raises ConfigError if there is no such town, or if its files are damaged or do not belong together.
    """
    known = shipped_towns()
    path = TOWNS_DIR / f"{name_or_path}.yaml" if name_or_path in known else Path(name_or_path)
    if path.suffix != ".yaml" or not path.is_file():
        raise ConfigError(
            f"unknown town {name_or_path!r}: shipped are {', '.join(known)}; "
            "or give the .yaml that `autodrive town --seed N --out DIR` wrote"
        )
    return _load(path.resolve())


@lru_cache(maxsize=8)
def _load(path: Path) -> Town:
    document = _read_yaml(path)
    try:
        return _town(path, document)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        reason = f"missing key {error}" if isinstance(error, KeyError) else str(error)
        raise ConfigError(f"{path}: {reason}; make the town again: autodrive town") from error


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes()
        if len(data) > _MAX_YAML_BYTES:
            raise ConfigError(f"{path} is larger than {_MAX_YAML_BYTES} bytes: not a town")
        document = yaml.load(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except ConfigError:
        raise
    except Exception as error:  # besides YAMLError whatever the conversion of a malformed number or date raises
        raise ConfigError(f"{path} cannot be read as YAML ({error}); make the town again: autodrive town") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ConfigError(f"{path} is not a town file (format: {FORMAT}); make it with `autodrive town`")
    return document


def _town(path: Path, document: dict[str, Any]) -> Town:
    file_name = str(document["net"])
    if Path(file_name).name != file_name:
        raise ValueError(f"net {file_name!r} must be a file name in the same folder")
    net_file = path.parent / file_name
    if not net_file.is_file():
        raise ValueError(f"its network {net_file} is missing")
    if hashlib.sha256(net_file.read_bytes()).hexdigest() != document["net_sha256"]:
        raise ValueError(f"{net_file} is not the network that this town was made with (net_sha256 differs)")
    network = read_network(net_file)
    town = Town(
        name=str(document["name"]),
        seed=_seed(document["seed"]),
        net_file=net_file,
        network=network,
        buildings=_rows(document, "buildings", _building),
        trees=_rows(document, "trees", _tree),
        parked=_rows(document, "parked", lambda row: _object(row, _PARKED_LABELS)),
        obstacles=_rows(document, "obstacles", lambda row: _object(row, _OBSTACLE_LABELS)),
        bounds=network_bounds(network),
    )
    _check_inside(town)
    return town


def network_bounds(network: Network) -> tuple[float, float, float, float]:
    """(x_min, x_max, y_min, y_max) around all lanes, with room for the houses beyond the last road."""
    points = np.concatenate([lane.centerline for lane in network.lanes])
    low, high = points.min(axis=0) - _BOUNDS_MARGIN_M, points.max(axis=0) + _BOUNDS_MARGIN_M
    return float(low[0]), float(high[0]), float(low[1]), float(high[1])


def _check_inside(town: Town) -> None:
    x_min, x_max, y_min, y_max = town.bounds
    for kind in ("buildings", "trees", "parked", "obstacles"):
        for index, item in enumerate(getattr(town, kind)):
            if not (x_min <= item.x <= x_max and y_min <= item.y <= y_max):
                raise ValueError(f"{kind}[{index}] at ({item.x}, {item.y}) is outside the town")


def _rows(document: dict[str, Any], key: str, read: Callable[[Any], T]) -> tuple[T, ...]:
    """What stands under ``key``; raises ValueError that names the row."""
    rows, found = document[key], []
    if not isinstance(rows, list):
        raise ValueError(f"{key} must be a list, got {rows!r:.80}")
    for index, row in enumerate(rows):
        try:
            found.append(read(row))
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{key}[{index}]: {error}") from error
    return tuple(found)


def _seed(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"seed must be an integer, got {value!r:.80}")
    return value


def _numbers(row: Any, count: int) -> list[float]:
    if not isinstance(row, list) or len(row) != count:
        raise ValueError(f"expected a list of {count} numbers, got {row!r}")
    values = [float(value) for value in row]
    if not all(math.isfinite(value) for value in values):
        raise ValueError(f"not finite: {row!r}")
    return values


def _tree(row: Any) -> Tree:
    tree = Tree(*_numbers(row, 4))
    if not min(tree.height, tree.radius) > 0:
        raise ValueError(f"a tree needs a positive size, got {row!r}")
    return tree


def _building(row: Any) -> Building:
    x, y, yaw, length, width, height, style = _numbers(row, 7)
    if not (style == int(style) and 0 <= style < FACADES):
        raise ValueError(f"facade style must be 0..{FACADES - 1}, got {style}")
    building = Building(x, y, yaw, length, width, height, int(style))
    if not min(building.length, building.width, building.height) > 0:
        raise ValueError(f"a building needs a positive size, got {row!r}")
    return building


def _object(row: Any, allowed: frozenset[ObjectClass]) -> DetectedObject:
    if not isinstance(row, list) or not row or row[0] not in {label.name for label in allowed}:
        raise ValueError(f"expected [{'|'.join(sorted(label.name for label in allowed))}, ...], got {row!r}")
    x, y, yaw, length, width, height = _numbers(row[1:], 6)
    if not min(length, width, height) > 0:
        raise ValueError(f"an object needs a positive size, got {row!r}")
    return DetectedObject(ObjectClass[row[0]], 1.0, x, y, height / 2, yaw, length, width, height)


def save_town(town: Town, directory: Path) -> Path:
    """Write NAME.net.xml.gz (a copy of ``town.net_file``, which must be gzipped) and NAME.yaml; returns the latter."""
    network = town.net_file.read_bytes()
    net_name = f"{town.name}.net.xml.gz"
    lines = [
        f"format: {FORMAT}",
        f"name: {town.name}",
        f"seed: {town.seed}",
        f"net: {net_name}",
        f"net_sha256: {hashlib.sha256(network).hexdigest()}",
    ]
    rows: dict[str, list[list[Any]]] = {
        "buildings": [[b.x, b.y, b.yaw, b.length, b.width, b.height, b.style] for b in town.buildings],
        "trees": [[t.x, t.y, t.height, t.radius] for t in town.trees],
        "parked": [_row(item) for item in town.parked],
        "obstacles": [_row(item) for item in town.obstacles],
    }
    for key, items in rows.items():
        lines.append(f"{key}:" if items else f"{key}: []")
        lines += [f"- [{', '.join(_text(value) for value in item)}]" for item in items]
    write_atomic(directory / net_name, network)
    path = directory / f"{town.name}.yaml"
    write_atomic(path, ("\n".join(lines) + "\n").encode())
    return path


def _row(item: DetectedObject) -> list[str | float]:
    return [item.label.name, item.x, item.y, item.yaw, item.length, item.width, item.height]


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.3f}".rstrip("0").rstrip(".")
