"""The simulator's truth as messages for people and as JSON for the scorer; no driving node may import this."""

from __future__ import annotations

import math
from dataclasses import fields
from operator import attrgetter
from typing import Any

from nav_msgs.msg import Odometry

from autodrive.errors import InputError
from autodrive.geometry import Pose2
from autodrive.plain import PROBLEMS
from autodrive.scene import DetectedObject, EgoState, ObjectClass, TrackedObject
from autodrive.sim.world import Contact, GroundTruth
from autodrive_nodes import messages
from autodrive_nodes.object_bytes import tracks_to_bytes

SHOWN_WITHIN_M = 45.0
_FIELDS = attrgetter(*(field.name for field in fields(DetectedObject)))


def truth_messages(truth: GroundTruth) -> tuple[bytes, Odometry]:
    """Objects near the ego as the bytes of TrackedObjects, numbered by their place in the list, and the ego; in map."""
    near = [
        TrackedObject(
            track_id=k + 1,
            label=o.label,
            score=1.0,
            x=o.x,
            y=o.y,
            z=o.z,
            yaw=o.yaw,
            length=o.length,
            width=o.width,
            height=o.height,
            vx=o.vx,
            vy=o.vy,
            yaw_rate=0.0,
            age_s=0.0,
        )
        for k, o in enumerate(truth.objects)
        if math.hypot(o.x - truth.ego.x, o.y - truth.ego.y) < SHOWN_WITHIN_M
    ]
    ego = EgoState(truth.stamp_ns, truth.ego, truth.speed, 0.0)
    return tracks_to_bytes(truth.stamp_ns, near), messages.to_odometry(ego)


def truth_to_json(truth: GroundTruth) -> dict[str, Any]:
    """Plain types; an object is the list of its fields, in order."""
    return {
        "stamp_ns": truth.stamp_ns,
        "ego": [truth.ego.x, truth.ego.y, truth.ego.yaw],
        "speed": truth.speed,
        "objects": [_FIELDS(item) for item in truth.objects],
        "object_ids": truth.object_ids,
        "contacts": [[contact.kind, contact.name] for contact in truth.contacts],
        "off_road": truth.off_road,
        "visible_px": truth.visible_px,
        "fallen": truth.fallen,
        "colours": truth.colours,
    }


def truth_from_json(document: dict[str, Any]) -> GroundTruth:
    """The reverse of ``truth_to_json`` and JSON; raises InputError."""
    try:
        return GroundTruth(
            stamp_ns=document["stamp_ns"],
            ego=Pose2(*document["ego"]),
            speed=document["speed"],
            objects=tuple(DetectedObject(ObjectClass(label), *rest) for label, *rest in document["objects"]),
            object_ids=tuple(document["object_ids"]),
            contacts=tuple(Contact(*item) for item in document["contacts"]),
            off_road=document["off_road"],
            visible_px=tuple(document["visible_px"]),
            fallen=document["fallen"],
            colours=tuple(document["colours"]),
        )
    except PROBLEMS as error:
        raise InputError(f"ground truth event is malformed: {error}") from error
