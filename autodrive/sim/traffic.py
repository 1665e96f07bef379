"""Traffic around the ego by SUMO (libsumo, in this process): cars, trucks, cyclists, and pedestrians who cross.

SUMO drives everybody but the ego, which is mirrored into it as one more vehicle, so that others follow it, yield to it
and expect it to yield. Nobody vanishes: a route that is about to end is extended.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import libsumo

from autodrive.errors import EnvironmentProblem, InputError
from autodrive.geometry import Pose2
from autodrive.scene import ObjectClass
from autodrive.sim.car_model import FRONT_OVERHANG_M, LENGTH_M, REAR_OVERHANG_M, WHEELBASE_M, WIDTH_M
from autodrive.sim.traffic_motion import Body, Motion, RoadUser
from autodrive.sim.traffic_net import TrafficNet, distance, lane_length, place_on
from autodrive.sim.world import TICK_S

SPAWN_CLEARANCE_M = 40.0
WARM_UP_TICKS = 30  # others already move when the episode starts; within 3 s none comes closer than 25 m
_RESPAWN_CLEARANCE_M = 80.0
_SPACING_M = 14.0
_SPOT_ATTEMPTS = 200
_FRONT_M = WHEELBASE_M + FRONT_OVERHANG_M
_PROLONG_TICKS = 5
_TRIGGER_M = (22.0, 45.0)  # a waiting pedestrian sets off when the ego is this close
_WAIT_S = 1e6
_STRIDE_SPEED = 1.3
_STANDING_SPEED = 0.5
_OFF_ROUTE = 2  # moveToXY: not bound to the route; never 4 (any lane): on a zebra crossing's lane libsumo 1.28 crashes
_EGO_CLASS = "private"  # may use every lane for cars, also those that are closed to the others


@dataclass(frozen=True, kw_only=True)
class TrafficCounts:
    """How many of each; ``crossing`` of the pedestrians wait beside the ego's route and cross as it comes."""

    cars: int = 26
    trucks: int = 4
    cyclists: int = 5
    pedestrians: int = 35
    crossing: int = 3


@dataclass(frozen=True, slots=True)
class _Kind:
    """What SUMO needs to know of a class, and its range of sizes (length, width, height)."""

    label: ObjectClass
    base: str
    sumo_class: str
    smallest: tuple[float, float, float]
    largest: tuple[float, float, float]
    speed_factor: tuple[float, float]


_CAR = _Kind(ObjectClass.CAR, "DEFAULT_VEHTYPE", "passenger", (3.8, 1.7, 1.4), (4.9, 1.95, 1.8), (0.75, 1.0))
_TRUCK = _Kind(ObjectClass.TRUCK, "DEFAULT_VEHTYPE", "truck", (6.0, 2.1, 2.8), (8.0, 2.4, 3.5), (0.65, 0.9))
_CYCLIST = _Kind(ObjectClass.CYCLIST, "DEFAULT_BIKETYPE", "bicycle", (1.7, 0.55, 1.65), (1.9, 0.7, 1.85), (0.7, 1.0))
_WALKER = _Kind(
    ObjectClass.PEDESTRIAN, "DEFAULT_PEDTYPE", "pedestrian", (0.45, 0.45, 1.5), (0.6, 0.6, 1.95), (0.7, 1.2)
)

_open: list[Traffic] = []  # libsumo holds one simulation per process


class Traffic:
    """One traffic simulation; ``reset`` first, then ``step`` once per tick. Only the one reset last can be stepped."""

    def __init__(self, net_file: Path, counts: TrafficCounts | None = None, closed_lanes: Sequence[str] = ()) -> None:
        """``closed_lanes`` are driven by nobody but the ego, because something stands on them.

        ``net_file`` must be sound, as ``load_town`` makes sure: libsumo 1.28 ends the process on a damaged one.
        """
        if not net_file.is_file():
            raise InputError(f"traffic: SUMO net {net_file} does not exist")
        self._net_file = net_file
        self._counts = counts or TrafficCounts()
        self._closed = frozenset(closed_lanes)

    def reset(self, seed: int, route_edges: Sequence[str], ego: Pose2) -> None:
        """Start anew with the ego's base_link at ``ego``; pedestrians will cross the streets of ``route_edges``."""
        self._load(seed)
        self._rng = random.Random(seed)
        self._tick = 0
        self._motions: dict[str, Motion] = {}
        self._bodies: dict[str, tuple[Body, _Kind]] = {}
        self._walk_ends: dict[str, str] = {}
        self._waiting: dict[str, float] = {}
        self._halted: set[str] = set()
        self._net = TrafficNet({k.sumo_class for k in (_CAR, _TRUCK, _CYCLIST, _WALKER)}, self._closed)
        self._add_ego(ego)
        self._add_vehicles(ego)
        self._add_walkers(route_edges)
        libsumo.simulationStep()
        for _ in range(WARM_UP_TICKS):
            self.step(ego, 0.0)

    def step(self, ego: Pose2, speed: float) -> None:
        """Advance by one tick, with the ego's base_link at ``ego`` moving at ``speed`` [m/s]."""
        if self not in _open:
            raise EnvironmentProblem(
                "traffic: libsumo holds one simulation per process and another world was reset since; "
                "run each world in a process of its own"
            )
        self._mirror_ego(ego, speed)
        self._send_waiting(ego)
        self._heed_ego(ego, speed)
        self._prolong_drives()
        self._prolong_walks()
        libsumo.simulationStep()
        self._tick += 1
        for name in libsumo.simulation.getArrivedIDList():
            if name in self._bodies:
                self._add_vehicle(name, ego, _RESPAWN_CLEARANCE_M)
        self._read()

    def users(self) -> tuple[RoadUser, ...]:
        """All road users but the ego, in a fixed order."""
        return tuple(self._motions[name].user() for name in sorted(self._motions))

    def close(self) -> None:
        """End the simulation; harmless if it is not open."""
        if self in _open:
            _open.clear()
            libsumo.close()

    def _load(self, seed: int) -> None:
        options = [
            *("-n", str(self._net_file), "--step-length", str(TICK_S), "--seed", str(seed % 2**31)),
            *("--no-step-log", "true", "--no-warnings", "true", "--xml-validation", "never"),
            *("--collision.action", "warn", "--collision.mingap-factor", "0"),
            *("--time-to-teleport", "-1", "--lanechange.duration", "3", "--time-to-impatience", "30"),
        ]
        if _open:
            libsumo.load(options)
        else:
            libsumo.start(["sumo", *options])
        _open[:] = [self]

    # --- the ego ---

    def _add_ego(self, ego: Pose2) -> None:
        libsumo.vehicletype.copy("DEFAULT_VEHTYPE", "ego")
        libsumo.vehicletype.setLength("ego", LENGTH_M)
        libsumo.vehicletype.setWidth("ego", WIDTH_M)
        libsumo.vehicletype.setVehicleClass("ego", _EGO_CLASS)
        self._insert_ego()
        libsumo.simulationStep()
        self._mirror_ego(ego, 0.0)

    def _insert_ego(self) -> None:
        """Enter it anywhere: it is moved to its place at once, and SUMO finds what route that place belongs to."""
        edge, lane = self._net.random_lane(self._rng, "passenger")
        route = f"ego/{self._tick}"
        libsumo.route.add(route, [edge])
        libsumo.vehicle.add("ego", route, typeID="ego", departLane=str(lane), departPos="base", departSpeed="0")
        libsumo.vehicle.setSpeedMode("ego", 0)
        libsumo.vehicle.setLaneChangeMode("ego", 0)

    def _mirror_ego(self, ego: Pose2, speed: float) -> None:
        if "ego" not in libsumo.vehicle.getIDList():
            self._insert_ego()
        x, y = ego.x + _FRONT_M * math.cos(ego.yaw), ego.y + _FRONT_M * math.sin(ego.yaw)
        libsumo.vehicle.moveToXY("ego", "", -1, x, y, angle=(90 - math.degrees(ego.yaw)) % 360, keepRoute=_OFF_ROUTE)
        libsumo.vehicle.setSpeed("ego", max(0.0, speed))

    # --- the others ---

    def _add_body(self, name: str, kind: _Kind) -> Body:
        size = [self._rng.uniform(a, b) for a, b in zip(kind.smallest, kind.largest, strict=True)]
        body = Body(name, kind.label, size[0], size[1], size[2], self._rng.randrange(2**31))
        libsumo.vehicletype.copy(kind.base, name)
        libsumo.vehicletype.setVehicleClass(name, kind.sumo_class)
        libsumo.vehicletype.setLength(name, body.length)
        libsumo.vehicletype.setWidth(name, body.width)
        libsumo.vehicletype.setHeight(name, body.height)
        libsumo.vehicletype.setSpeedFactor(name, self._rng.uniform(*kind.speed_factor))
        libsumo.vehicletype.setSpeedDeviation(name, 0.0)
        self._bodies[name] = body, kind
        return body

    def _add_vehicles(self, ego: Pose2) -> None:
        self._spots: list[tuple[float, float]] = []
        numbers = ((_CAR, self._counts.cars), (_TRUCK, self._counts.trucks), (_CYCLIST, self._counts.cyclists))
        for kind, number in numbers:
            for k in range(number):
                name = f"{kind.label.name.lower()}/{k}"
                self._add_body(name, kind)
                self._add_vehicle(name, ego, SPAWN_CLEARANCE_M)

    def _add_vehicle(self, name: str, ego: Pose2, clearance: float) -> None:
        """Put a vehicle somewhere with a random route; in a town that is full it is left out."""
        kind = self._bodies[name][1]
        spots = self._spots if self._tick == 0 else [(m.pose.x, m.pose.y) for m in self._motions.values()]
        for _ in range(_SPOT_ATTEMPTS):
            edge, index = self._net.random_lane(self._rng, kind.sumo_class)
            length = lane_length(edge, index)
            if length < 25.0:
                continue
            position = self._rng.uniform(12.0, length - 8.0)
            spot = place_on(edge, index, position)
            if distance(spot, (ego.x, ego.y)) < clearance or any(distance(spot, s) < _SPACING_M for s in spots):
                continue
            route = f"{name}/{self._tick}"
            libsumo.route.add(route, self._net.random_route(self._rng, kind.sumo_class, name, edge))
            libsumo.vehicle.add(
                name, route, typeID=name, departLane=str(index), departPos=f"{position:.3f}", departSpeed="0"
            )
            self._spots.append(spot)
            return

    def _add_walkers(self, route_edges: Sequence[str]) -> None:
        streets = [
            e for e in route_edges[:-1]
            if self._net.walkable(e) and (o := self._net.opposite(e)) is not None and self._net.walkable(o)
        ]  # fmt: skip
        for k in range(self._counts.pedestrians):
            name = f"pedestrian/{k}"
            self._add_body(name, _WALKER)
            if k < self._counts.crossing and streets:
                self._add_waiting(name, streets[k % len(streets)])
            else:
                edge, index = self._net.random_lane(self._rng, "pedestrian")
                libsumo.person.add(name, edge, self._rng.uniform(0.0, lane_length(edge, index)), typeID=name)
                self._append_walk(name, edge)

    def _add_waiting(self, name: str, street: str) -> None:
        """A pedestrian who waits at the far end of ``street``, on either side, to cross it."""
        opposite = self._net.opposite(street)
        assert opposite is not None
        back = self._rng.uniform(0.5, 5.0)
        near = self._rng.random() < 0.5
        start, goal = (street, opposite) if near else (opposite, street)
        length = lane_length(start, 0)
        libsumo.person.add(name, start, length - back if near else back, typeID=name)
        # a walk at speed zero, not SUMO's waiting stage: that one keeps people beside the sidewalk
        libsumo.person.appendWalkingStage(name, [start, goal], back if near else lane_length(goal, 0) - back)
        self._walk_ends[name] = goal
        self._waiting[name] = self._rng.uniform(*_TRIGGER_M)

    def _append_walk(self, name: str, start: str) -> None:
        end, stages = self._net.random_walk(self._rng, start)
        if not stages:
            libsumo.person.appendWaitingStage(name, _WAIT_S)
        for stage in stages:
            libsumo.person.appendStage(name, stage)
        self._walk_ends[name] = end

    def _send_waiting(self, ego: Pose2) -> None:
        for name, trigger in list(self._waiting.items()):
            if distance(libsumo.person.getPosition(name), (ego.x, ego.y)) < trigger:
                self._let_walk(name)
                del self._waiting[name]
            else:
                libsumo.person.setSpeed(name, 0.0)

    def _heed_ego(self, ego: Pose2, speed: float) -> None:
        """Nobody runs into a car that is plainly there: SUMO trusts its rules, and looks no further once it has begun.

        Walkers halt before a car that stands; drivers brake for one that is in the way, whoever has right of way.
        """
        standing = abs(speed) < _STANDING_SPEED
        for name, motion in self._motions.items():
            if name in self._waiting:
                continue
            walks = motion.body.label == ObjectClass.PEDESTRIAN
            if (standing or not walks) and motion.would_enter(ego, -REAR_OVERHANG_M, _FRONT_M, WIDTH_M / 2):
                (libsumo.person if walks else libsumo.vehicle).setSpeed(name, 0.0)
                self._halted.add(name)
            elif name in self._halted:
                self._halted.discard(name)
                if walks:
                    self._let_walk(name)
                else:
                    libsumo.vehicle.setSpeed(name, -1.0)  # SUMO decides again

    def _let_walk(self, name: str) -> None:
        libsumo.person.setSpeed(name, _STRIDE_SPEED * libsumo.person.getSpeedFactor(name))

    def _prolong_walks(self) -> None:
        for name in libsumo.person.getIDList():
            if libsumo.person.getRemainingStages(name) <= 1:
                self._append_walk(name, self._walk_ends[name])

    def _prolong_drives(self) -> None:
        for k, name in enumerate(libsumo.vehicle.getIDList()):
            if (k + self._tick) % _PROLONG_TICKS or libsumo.vehicle.getRoadID(name).startswith(":"):
                continue
            edges, index = libsumo.vehicle.getRoute(name), libsumo.vehicle.getRouteIndex(name)
            if index >= max(0, len(edges) - 2):
                kind = _CAR if name == "ego" else self._bodies[name][1]
                further = self._net.random_route(self._rng, kind.sumo_class, name, edges[-1])
                if len(further) > 1:
                    libsumo.vehicle.setRoute(name, [*edges[index:], *further[1:]])

    def _read(self) -> None:
        present = set()
        for domain in (libsumo.vehicle, libsumo.person):
            for name in domain.getIDList():
                if name == "ego":
                    continue
                present.add(name)
                x, y = domain.getPosition(name)
                yaw = math.radians(90.0 - domain.getAngle(name))
                motion = self._motions.get(name)
                if motion is None:
                    self._motions[name] = Motion(self._bodies[name][0], x, y, yaw)
                else:
                    motion.update(x, y, yaw, domain.getSpeed(name), TICK_S)
        for name in self._motions.keys() - present:
            del self._motions[name]
