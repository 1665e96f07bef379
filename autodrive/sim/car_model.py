"""The car as a MuJoCo model: ``urdf/car.urdf.xacro`` completed with what URDF cannot say.

URDF gives geometry, masses and joints; springs, dampers, actuators and contact rules are added here. Wheel contacts
carry the normal force only: tyre forces come from ``vehicle.py``. Values: BMW 320i of the CommonRoad models.
"""

from __future__ import annotations

from pathlib import Path

import mujoco
import xacro

WHEELBASE_M = 2.5789128
FRONT_OVERHANG_M = 0.9790872  # front axle to front bumper
REAR_OVERHANG_M = 0.95
WIDTH_M = 1.61
LENGTH_M = REAR_OVERHANG_M + WHEELBASE_M + FRONT_OVERHANG_M
TRACK_FRONT_M = 1.38684
WHEEL_RADIUS_M = 0.344
WHEEL_INERTIA = 1.7
SPRUNG_MASS_KG = 965.71
MASS_KG = SPRUNG_MASS_KG + 4 * 31.895
MAX_WHEEL_ANGLE_RAD = 0.61  # of the single-track model; the inner wheel then turns 0.71, below its stop at 0.75

WHEELS = ("front_left", "front_right", "rear_left", "rear_right")
STEERED = WHEELS[:2]
DRIVEN = WHEELS[2:]

_REAR_AXLE_TO_COG_M = 1.4227171
_GRAVITY = 9.81
_SPRING = {"front": 24453.0, "rear": 19635.0}  # N/m
_DAMPER = {"front": 1786.0, "rear": 1649.0}  # N s/m
_URDF = Path(__file__).resolve().parents[2] / "urdf" / "car.urdf.xacro"


def car_urdf(path: Path = _URDF) -> str:
    """Expand the xacro file to URDF text."""
    return xacro.process_file(str(path)).toxml()


def load_car_spec(timestep_s: float = 0.005) -> mujoco.MjSpec:
    """The car, free to move, in an otherwise empty world; the caller adds ground and obstacles and compiles it.

    Bodies are named as the URDF's links; body geoms ``ego_*``, wheel geoms ``<wheel>_tyre``; actuators
    ``<wheel>_steering`` (position, rad) for STEERED and ``<wheel>_drive`` (torque, Nm) for DRIVEN.
    """
    spec = mujoco.MjSpec.from_string(car_urdf())
    # the defaults for URDF silently drop every visual geom, also those that a caller adds later, and fuse camera frames
    spec.compiler.discardvisual = False
    spec.compiler.fusestatic = False
    spec.option.timestep = timestep_s
    spec.option.gravity = [0.0, 0.0, -_GRAVITY]
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.body("base_link").add_freejoint(name="base_link")
    _suspend(spec)
    _shape_contacts(spec)
    _actuate(spec)
    return spec


def _suspend(spec: mujoco.MjSpec) -> None:
    sprung_weight = SPRUNG_MASS_KG * _GRAVITY / 2
    load = {
        "front": sprung_weight * _REAR_AXLE_TO_COG_M / WHEELBASE_M,
        "rear": sprung_weight * (1 - _REAR_AXLE_TO_COG_M / WHEELBASE_M),
    }
    for wheel in WHEELS:
        axle = wheel.split("_")[0]
        joint = spec.joint(f"{wheel}_suspension")
        joint.stiffness[0] = _SPRING[axle]
        joint.damping[0] = _DAMPER[axle]
        joint.springref = -load[axle] / _SPRING[axle]  # at rest the joint is at zero and base_link on the ground
        # brakes are the joint's dry friction: stiff, or a braked car creeps down a slope by 2 cm/s
        spin = spec.joint(f"{wheel}_spin")
        spin.solimp_friction = [0.999, 0.9999, 0.001, 0.5, 2.0]
        spin.solref_friction = [0.01, 1.0]


def _shape_contacts(spec: mujoco.MjSpec) -> None:
    for index, geom in enumerate(spec.body("body").geoms):
        geom.name = f"ego_{index}"
    for wheel in WHEELS:
        (geom,) = spec.body(f"{wheel}_wheel").geoms
        geom.name = f"{wheel}_tyre"
        # one contact point below the axle, as a tyre has; a cylinder's edge contacts make the car oversteer
        geom.type = mujoco.mjtGeom.mjGEOM_ELLIPSOID
        geom.size = [WHEEL_RADIUS_M, WHEEL_RADIUS_M, 0.1]
        geom.condim = 1
        geom.priority = 1
        # MuJoCo only filters parent and child: without this the body's box would block the steering
        spec.add_exclude(bodyname1="body", bodyname2=f"{wheel}_wheel")


def _actuate(spec: mujoco.MjSpec) -> None:
    for wheel in STEERED:
        joint = spec.joint(f"{wheel}_steering")
        joint.armature = 2.0
        joint.damping[0] = 60.0
        actuator = spec.add_actuator(
            name=f"{wheel}_steering", target=f"{wheel}_steering", trntype=mujoco.mjtTrn.mjTRN_JOINT
        )
        actuator.set_to_position(kp=9000.0, kv=300.0)
        actuator.forcerange = [-3000.0, 3000.0]
    for wheel in DRIVEN:
        actuator = spec.add_actuator(name=f"{wheel}_drive", target=f"{wheel}_spin", trntype=mujoco.mjtTrn.mjTRN_JOINT)
        actuator.set_to_motor()
