"""Halls as the truth of a world that nobody has to simulate, with made-up colours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from autodrive.geometry import Pose2
from autodrive.scene import ObjectClass
from autodrive.sim.actor_parts import box_colour
from autodrive.sim.hall import Hall, make_hall, object_name
from autodrive.sim.hall_tasks import surface_distance
from autodrive.sim.world import Contact, GroundTruth

COLOURS = {ObjectClass.CONE: ("orange",), ObjectClass.TABLE: ("brown", "white"), ObjectClass.SHELF: ("blue", "grey")}


def free_start(hall: Hall, rng: np.random.Generator) -> Pose2:
    """A pose somewhere in the hall with room around it."""
    things = [*hall.walls, *hall.objects, *hall.people, *hall.steps]
    while True:
        x, y = rng.uniform(-0.45, 0.45, 2) * [hall.length, hall.width]
        if all(surface_distance(item, x, y) > 0.6 for item in things):
            return Pose2(float(x), float(y), float(rng.uniform(-3.0, 3.0)))


def hall_truth(seed: int) -> tuple[Hall, GroundTruth]:
    """A hall and the truth at its start."""
    hall, rng = make_hall(seed), np.random.default_rng(seed)
    objects = (*hall.objects, *hall.people)
    names = tuple(object_name(k, item) for k, item in enumerate(objects))
    colours = []
    for k, item in enumerate(objects):
        choice = COLOURS.get(item.label, ("",))
        box = item.label == ObjectClass.BOX
        colours.append(box_colour(seed * 1000 + k) if box else choice[rng.integers(len(choice))])
    start = free_start(hall, rng)
    return hall, GroundTruth(100_000_000, start, 0.0, objects, names, (), False, colours=tuple(colours))


def later(truth: GroundTruth, seconds: float, **changes: object) -> GroundTruth:
    """The truth some time on."""
    return replace(truth, stamp_ns=truth.stamp_ns + round(seconds * 1e9), **changes)  # type: ignore[arg-type]


def moved(truth: GroundTruth, name: str, x: float, y: float, z: float | None = None) -> GroundTruth:
    """The truth with one object elsewhere."""
    k = truth.object_ids.index(name)
    item = replace(truth.objects[k], x=x, y=y, z=truth.objects[k].z if z is None else z)
    return replace(truth, objects=(*truth.objects[:k], item, *truth.objects[k + 1 :]))


def touching(truth: GroundTruth, *contacts: Contact) -> GroundTruth:
    """The truth with contacts."""
    return replace(truth, contacts=contacts)
