"""Flat palms on a robot model, for the physics and for the kinematics alike.

The shipped models of the G1 and the T1 have round hand colliders, between which a box pitches like a log. The real
rubber hands are flat, so a flat box takes the collider's place.
"""

from __future__ import annotations

import mujoco
import numpy as np

from autodrive.errors import ConfigError
from autodrive.geometry import Array
from autodrive.humanoid.arm_config import ArmsConfig

PALM_SITES = ("left_palm_face", "right_palm_face")  # axes: x along the fingers, z out of the palm
PALM_GEOMS = ("left_palm_pad", "right_palm_pad")
_FRICTION = (1.0, 0.02, 0.001)  # rubber on cardboard; torsional as of a patch of a few centimetres
# As stiff as twice the step of the physics allows (time constant [s], damping ratio), nearly without slack: friction
# gives way at a speed that grows with both. With MuJoCo's defaults a carried box slides out of the hands in a minute
_SOLREF, _SOLIMP = (0.008, 1.0), (0.99, 0.998, 0.001, 0.5, 2.0)
_PADDING_GROUP = 3  # not drawn, like the model's other colliders


def add_palms(spec: mujoco.MjSpec, arms: ArmsConfig, prefix: str = "") -> None:
    """Give both hands a flat pad (geom) and a frame in the middle of its face (site); their round colliders go.

    ``prefix`` is what the robot's names begin with where it was attached to a larger model.
    """
    length, width, thickness = arms.palm_size
    for side, site, pad in zip(arms.sides, PALM_SITES, PALM_GEOMS, strict=True):
        hand = spec.body(prefix + side.hand)
        if hand is None:
            raise ConfigError(f"arms of {arms.robot}: the model has no body {prefix + side.hand!r}")
        for geom in hand.geoms:
            geom.contype, geom.conaffinity = 0, 0
        axes = side.rotation()
        quaternion = _quaternion(axes)
        hand.add_site(name=prefix + site, pos=side.palm, quat=quaternion, size=[0.005, 0.005, 0.005], group=5)
        hand.add_geom(
            name=prefix + pad,
            type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=side.palm - side.normal * thickness / 2,
            quat=quaternion,
            size=[length / 2, width / 2, thickness / 2],
            mass=0.0,  # the body states its inertia
            contype=1,
            conaffinity=1,
            condim=4,
            priority=2,
            friction=_FRICTION,
            solref=_SOLREF,
            solimp=_SOLIMP,
            group=_PADDING_GROUP,
            rgba=[0.2, 0.6, 0.2, 0.3],
        )


def stiffen_grip(spec: mujoco.MjSpec) -> None:
    """Let friction in this world hold still what is gripped; with MuJoCo's defaults a carried box sinks in seconds."""
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10.0


def _quaternion(axes: Array) -> list[float]:
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, axes.ravel())
    return [float(v) for v in quaternion]
