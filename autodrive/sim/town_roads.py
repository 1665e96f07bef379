"""A seeded street plan: a bent grid of roads, written as SUMO's plain XML for netconvert."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Node = tuple[int, int]
Link = tuple[Node, Node]

SPEED_LIMIT = 8.33  # 30 km/h
SIDEWALK_M = 2.2
PARKING_M = 1.6
CROSSING_M = 4.0
CORNER_RADIUS_M = 7.0
BEND_RADIUS_M = 16.0
LEAST_BOW_RADIUS_M = 25.0
STRAIGHT_APPROACH_M = 14.0


@dataclass(frozen=True, eq=False)
class Road:
    """A two-way road between two junctions: its middle line (N, 2) from ``start`` to ``end``."""

    name: str
    start: Node
    end: Node
    middle: Array
    lanes: int
    lane_width: float
    priority: int
    parking: tuple[bool, bool]  # on the right of the forward and of the backward direction


@dataclass(frozen=True, eq=False)
class StreetPlan:
    """Junctions with position and SUMO type, the roads between them, and the zebra crossings (junction, road)."""

    junctions: dict[Node, tuple[Array, str]]
    roads: tuple[Road, ...]
    crossings: tuple[tuple[Node, Road], ...] = field(default=())


def draw_street_plan(seed: int) -> StreetPlan:
    """A town of 3 x 3 to 4 x 4 blocks without dead ends; the same seed gives the same plan."""
    rng = np.random.default_rng([seed, 0x70A5])
    columns, rows = (int(n) for n in rng.integers(4, 6, 2))
    position = _grid(rng, columns, rows)
    axis = int(rng.integers(0, 2))
    street = int(rng.integers(1, (columns, rows)[axis] - 1))
    wide = rng.random() < 0.6

    def on_avenue(nodes: Sequence[Node]) -> bool:
        return all(node[axis] == street for node in nodes)

    links = _remove_some(rng, _grid_links(columns, rows), on_avenue)
    degree = {node: sum(node in link for link in links) for node in position}
    roads: list[Road] = []
    for chain in _chains(links, degree):
        middle = _bend(rng, np.array([position[node] for node in chain]))
        main = on_avenue(chain)
        roads.append(
            Road(
                name=f"r{len(roads)}",
                start=chain[0],
                end=chain[-1],
                middle=middle,
                lanes=2 if main and wide else 1,
                lane_width=round(float(rng.uniform(3.25, 3.5)), 2),
                priority=3 if main else int(rng.integers(1, 3)),
                parking=(bool(rng.random() < 0.5), bool(rng.random() < 0.5)),
            )
        )
    junctions = {
        node: (position[node], _junction_type(rng, [r for r in roads if node in (r.start, r.end)]))
        for node in position
        if degree[node] > 2
    }
    return StreetPlan(junctions, tuple(roads), tuple(_crossings(rng, junctions, roads)))


def plain_xml(plan: StreetPlan) -> tuple[str, str, str]:
    """The node, edge and connection files that netconvert reads."""
    nodes = [
        f'<node id="{_id(node)}" x="{p[0]:.2f}" y="{p[1]:.2f}" type="{kind}" radius="{CORNER_RADIUS_M}"/>'
        for node, (p, kind) in plan.junctions.items()
    ]
    edges, crossings = [], []
    for road in plan.roads:
        for forward in (True, False):
            edges.append(_edge_xml(road, forward))
    for node, road in plan.crossings:
        names = quoteattr(f"{road.name}f {road.name}b")
        crossings.append(f'<crossing node="{_id(node)}" edges={names} priority="true" width="{CROSSING_M}"/>')
    return tuple(  # type: ignore[return-value]
        f"<{tag}>\n" + "\n".join(body) + f"\n</{tag}>\n"
        for tag, body in (("nodes", nodes), ("edges", edges), ("connections", crossings))
    )


def _edge_xml(road: Road, forward: bool) -> str:
    start, end = (road.start, road.end) if forward else (road.end, road.start)
    line = road.middle if forward else road.middle[::-1]
    parking = road.parking[0 if forward else 1]
    shape = " ".join(f"{x:.2f},{y:.2f}" for x, y in line)
    strip = f'<lane index="0" disallow="all" width="{PARKING_M}"/>' if parking else ""
    return (
        f'<edge id="{road.name}{"f" if forward else "b"}" from="{_id(start)}" to="{_id(end)}" '
        f'priority="{road.priority}" numLanes="{road.lanes + parking}" speed="{SPEED_LIMIT}" '
        f'width="{road.lane_width}" sidewalkWidth="{SIDEWALK_M}" spreadType="right" shape="{shape}">{strip}</edge>'
    )


def _id(node: Node) -> str:
    return f"j{node[0]}_{node[1]}"


def _grid(rng: np.random.Generator, columns: int, rows: int) -> dict[Node, Array]:
    """Grid points, unevenly spaced, shaken, turned, and centred on the origin; ends up 250-350 m wide."""
    spacing = [_spacing(rng, count - 1) for count in (columns, rows)]
    x, y = (np.concatenate([[0.0], np.cumsum(s)]) for s in spacing)
    angle = rng.uniform(-0.35, 0.35)
    c, s = math.cos(angle), math.sin(angle)
    middle = np.array([x[-1], y[-1]]) / 2
    turn = np.array([[c, -s], [s, c]])
    return {
        (i, j): turn @ (np.array([x[i], y[j]]) - middle + rng.uniform(-6.0, 6.0, 2))
        for i in range(columns)
        for j in range(rows)
    }


def _spacing(rng: np.random.Generator, count: int) -> Array:
    parts = rng.uniform(0.75, 1.3, count)
    total = {3: rng.uniform(255, 300), 4: rng.uniform(310, 350)}[count]
    return parts / parts.sum() * total


def _grid_links(columns: int, rows: int) -> list[Link]:
    nodes = [(i, j) for i in range(columns) for j in range(rows)]
    across = [((i, j), (i + 1, j)) for i, j in nodes if i + 1 < columns]
    return across + [((i, j), (i, j + 1)) for i, j in nodes if j + 1 < rows]


def _remove_some(rng: np.random.Generator, links: list[Link], keep: Callable[[Link], bool]) -> list[Link]:
    """Drop about one link in eight, but none to ``keep``, and never leave a dead end or a bridge."""
    wanted = len(links) // 8
    for k in rng.permutation(len(links)).tolist():
        rest = [link for link in links if link != links[k]] if k < len(links) else links
        if wanted == 0:
            break
        if k >= len(links) or keep(links[k]) or not _two_ways_everywhere(rest):
            continue
        links, wanted = rest, wanted - 1
    return links


def _two_ways_everywhere(links: list[Link]) -> bool:
    """Whether every node of the grid can be reached by two separate ways, and no road leads back to where it began."""
    nodes = {node for link in links for node in link}
    return all(_connected([link for link in links if node not in link], nodes - {node}) for node in nodes)


def _connected(links: list[Link], nodes: set[Node]) -> bool:
    reached, border = set(), [min(nodes)]
    while border:
        node = border.pop()
        if node not in reached:
            reached.add(node)
            border += [b if a == node else a for a, b in links if node in (a, b)]
    return reached == nodes


def _chains(links: list[Link], degree: dict[Node, int]) -> Iterable[list[Node]]:
    """The roads: runs of links through nodes at which only two links meet."""
    left = list(links)
    while left:
        first = next(link for link in left if any(degree[node] > 2 for node in link))
        left.remove(first)
        chain = list(first if degree[first[0]] > 2 else first[::-1])
        while degree[chain[-1]] == 2:
            onward = next(link for link in left if chain[-1] in link)
            left.remove(onward)
            chain.append(onward[1] if onward[0] == chain[-1] else onward[0])
        yield chain


def _bend(rng: np.random.Generator, corners: Array) -> Array:
    """Round the corners of a road and bow its long straights, keeping both ends straight for the junctions."""
    legs = [rng.uniform(-7.0, 7.0) for _ in corners[1:]]  # how far each straight leaves the direct way
    cut = [0.0, *(_tangent(corners[k - 1 : k + 2]) for k in range(1, len(corners) - 1)), 0.0]
    points: list[Array] = [corners[:1]]
    for k, bow in enumerate(legs):
        a, b = corners[k], corners[k + 1]
        length = float(np.hypot(*(b - a)))
        ahead = (b - a) / length
        first, last = max(cut[k], STRAIGHT_APPROACH_M), length - max(cut[k + 1], STRAIGHT_APPROACH_M)
        bow = math.copysign(min(abs(bow), (last - first) ** 2 / (2 * math.pi**2 * LEAST_BOW_RADIUS_M)), bow)
        s = np.linspace(first, last, max(2, round((last - first) / 4.0)))
        wave = bow * np.sin(np.pi * (s - first) / (last - first)) ** 2
        points.append(a + s[:, None] * ahead + wave[:, None] * np.array([-ahead[1], ahead[0]]))
        if k + 2 < len(corners):
            points.append(_arc(b, ahead, corners[k + 2] - b, cut[k + 1]))
    line = np.concatenate([*points, corners[-1:]])
    steps = np.hypot(*np.diff(line, axis=0).T)
    return line[np.concatenate([steps > 0.5, [True]])]  # bends begin where straights end


def _tangent(three: Array) -> float:
    """How far from the middle corner a bend of BEND_RADIUS_M begins."""
    a, b = three[1] - three[0], three[2] - three[1]
    turn = abs(math.atan2(a[0] * b[1] - a[1] * b[0], float(a @ b)))
    return BEND_RADIUS_M * math.tan(turn / 2)


def _arc(corner: Array, ahead: Array, onward: Array, cut: float) -> Array:
    """Points of the bend between the tangent points ``cut`` [m] before and after a corner: Bezier, nearly a circle."""
    onward = onward / np.hypot(*onward)
    start, end = corner - ahead * cut, corner + onward * cut
    turn = abs(math.atan2(ahead[0] * onward[1] - ahead[1] * onward[0], float(ahead @ onward)))
    handle = 4 / 3 * math.tan(turn / 4) * cut / max(math.tan(turn / 2), 1e-6)
    p, q = start + ahead * handle, end - onward * handle
    t = np.linspace(0.0, 1.0, 2 + math.ceil(turn / 0.12))[:, None]
    return (1 - t) ** 3 * start + 3 * (1 - t) ** 2 * t * p + 3 * (1 - t) * t**2 * q + t**3 * end


def _junction_type(rng: np.random.Generator, arms: list[Road]) -> str:
    """Roads of different priority need a priority junction; equal ones may have another rule."""
    if len({road.priority for road in arms}) > 1:
        return "priority"
    return str(rng.choice(["priority", "right_before_left", "allway_stop"], p=[0.2, 0.45, 0.35]))


def _crossings(rng: np.random.Generator, junctions: Iterable[Node], roads: list[Road]) -> Iterable[tuple[Node, Road]]:
    """A zebra on every arm of a junction but perhaps one: whatever is left out, people can walk round."""
    for node in junctions:
        arms = [road for road in roads if node in (road.start, road.end)]
        without = int(rng.integers(0, 2 * len(arms)))
        yield from ((node, road) for k, road in enumerate(arms) if k != without)
