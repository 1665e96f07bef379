"""What the ground of a town is made of: asphalt, pavement and paint as polygons, for masks and meshes alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import shapely
import shapely.ops
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from autodrive.sim.town_network import Lane, Network

Array = NDArray[np.float64]

LINE_WIDTH_M = 0.15
STOP_LINE_WIDTH_M = 0.4
DASH_M, GAP_M = 3.0, 4.0
SOLID_BEFORE_JUNCTION_M = 12.0
ZEBRA_STRIPE_M = 0.5
_SEAM_M = 0.03  # closes hairline gaps between neighbouring lanes
_TOLERANCE_M = 0.02
_SLIT_M = 0.4


@dataclass(frozen=True, eq=False)
class Surface:
    """Areas in ``map``. ``road`` and ``pavement`` do not overlap; paint lies on ``road``.

    ``lane_lines`` are white, ``centre_lines`` part the two directions; ``zebra`` are the stripes of ``crosswalks``.
    """

    road: BaseGeometry
    pavement: BaseGeometry
    lane_lines: BaseGeometry
    centre_lines: BaseGeometry
    stop_lines: BaseGeometry
    zebra: BaseGeometry
    crosswalks: BaseGeometry


def build_surface(network: Network) -> Surface:
    """Derive all areas from the network."""
    corners = _union(shapely.Polygon(area) for area in network.walking_areas)
    walks = _union(_strip(lane) for lane in network.lanes if lane.kind == "sidewalk")
    asphalt = _union(_strip(lane) for lane in network.lanes if lane.kind != "sidewalk")
    junctions = _union(shapely.Polygon(area) for area in network.junctions)
    crosswalks = _union(shapely.Polygon(crossing.polygon) for crossing in network.crossings)
    pavement = _union([walks, corners])
    road = _without_slits(_tidy(_union([asphalt, junctions, crosswalks]).difference(pavement)), asphalt)
    separators, centres = _lines(network.lanes)
    stops = [shapely.LineString(s).buffer(STOP_LINE_WIDTH_M / 2, cap_style="flat") for s in network.stop_lines]
    return Surface(
        road=road,
        pavement=_tidy(_union([pavement, junctions]).difference(road)),
        lane_lines=_union(separators).intersection(road),
        centre_lines=_union(centres).intersection(road),
        stop_lines=_union(stops),
        zebra=_union(stripe for c in network.crossings for stripe in _stripes(c.centerline, c.width)).intersection(
            road
        ),
        crosswalks=crosswalks.intersection(road),
    )


def offset_line(line: Array, left: float) -> Array:
    """The line (N, 2) moved ``left`` metres to its left (right if negative), mitred."""
    step = np.diff(line, axis=0)
    normal = np.stack([-step[:, 1], step[:, 0]], axis=1) / np.hypot(*step.T)[:, None]
    mean = np.concatenate([normal[:1], normal[:-1] + normal[1:], normal[-1:]])
    mean /= np.hypot(*mean.T)[:, None]
    along = np.concatenate([normal, normal[-1:]])
    return line + mean * (left / np.maximum(0.5, (mean * along).sum(axis=1)))[:, None]


def _strip(lane: Lane) -> BaseGeometry:
    return shapely.LineString(lane.centerline).buffer(lane.width / 2, cap_style="flat", join_style="mitre")


def _union(parts: Iterable[BaseGeometry]) -> BaseGeometry:
    return shapely.union_all([shapely.make_valid(part) for part in parts])


def _tidy(area: BaseGeometry) -> BaseGeometry:
    closed = area.buffer(_SEAM_M, join_style="mitre").buffer(-_SEAM_M, join_style="mitre")
    return closed.simplify(_TOLERANCE_M).buffer(0)


def _without_slits(road: BaseGeometry, asphalt: BaseGeometry) -> BaseGeometry:
    """Leave out the cracks that SUMO's polygons leave between, and the scraps beyond, the pavements of a junction."""
    opened = road.buffer(-_SLIT_M / 2, join_style="mitre").buffer(_SLIT_M / 2, join_style="mitre").intersection(road)
    return shapely.union_all([part for part in shapely.get_parts(opened) if part.intersection(asphalt).area > 1.0])


def _lines(lanes: tuple[Lane, ...]) -> tuple[list[BaseGeometry], list[BaseGeometry]]:
    """Paint between lanes of one direction and beside parking strips; and between the two directions."""
    separators: list[BaseGeometry] = []
    centres: list[BaseGeometry] = []
    parking = {lane.edge_id for lane in lanes if lane.kind == "parking"}
    painted: list[Array] = []
    for lane in lanes:
        if lane.kind != "road":
            continue
        line = offset_line(lane.centerline, lane.width / 2)
        if lane.left:
            separators += _paint(line, dashed=True)
        elif not any(np.hypot(*(_middle(line) - other)) < 1.0 for other in painted):
            painted.append(_middle(line))
            centres += _paint(line, dashed=lane.length > 60.0)
        if not lane.right and lane.edge_id in parking:
            separators += _paint(offset_line(lane.centerline, -lane.width / 2), dashed=False)
    return separators, centres


def _middle(line: Array) -> Array:
    point = shapely.LineString(line).interpolate(0.5, normalized=True)
    return np.array([point.x, point.y])


def _paint(line: Array, dashed: bool) -> list[BaseGeometry]:
    """A painted line, solid near both ends; dashed in between if asked for."""
    whole = shapely.LineString(line)
    near = SOLID_BEFORE_JUNCTION_M
    if not dashed or whole.length < 3 * near:
        return [whole.buffer(LINE_WIDTH_M / 2, cap_style="flat")]
    pieces = [(0.0, near), (whole.length - near, whole.length)]
    pieces += [(s, s + DASH_M) for s in np.arange(near + GAP_M, whole.length - near - DASH_M - 1.0, DASH_M + GAP_M)]
    return [shapely.ops.substring(whole, a, b).buffer(LINE_WIDTH_M / 2, cap_style="flat") for a, b in pieces]


def _stripes(line: Array, width: float) -> Iterable[BaseGeometry]:
    """Bars along the road, every other ZEBRA_STRIPE_M across it."""
    across = line[1] - line[0]
    length = float(np.hypot(*across))
    across = across / length
    along = np.array([-across[1], across[0]]) * width / 2
    for s in np.arange(ZEBRA_STRIPE_M / 2, length - ZEBRA_STRIPE_M, 2 * ZEBRA_STRIPE_M):
        a, b = line[0] + s * across, line[0] + (s + ZEBRA_STRIPE_M) * across
        yield shapely.Polygon([a - along, b - along, b + along, a + along])
