"""The car against the figures of the CommonRoad multi-body model (measured once, quoted here), at any step size."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import mujoco
import numpy as np
import pytest

from autodrive.errors import InputError
from autodrive.geometry import Pose2
from autodrive.rig import load_rig
from autodrive.sim.car_model import LENGTH_M, MASS_KG, WHEELBASE_M, WIDTH_M, load_car_spec
from autodrive.sim.vehicle import ActuatorLimits, Vehicle

ROOT = Path(__file__).resolve().parents[1]
IDEAL = ActuatorLimits(max_acceleration=4.0, steering_rate=4.0, steering_lag_s=0.0, drive_lag_s=0.0, brake_lag_s=0.0)
STEPS = pytest.mark.parametrize("dt", [0.002, 0.005])


def build(
    dt: float = 0.005,
    speed: float = 0.0,
    limits: ActuatorLimits | None = IDEAL,
    slope: float = 0.0,
    friction: float = 1.0,
    extra: Callable[[mujoco.MjSpec], None] | None = None,
) -> tuple[mujoco.MjModel, mujoco.MjData, Vehicle]:
    spec = load_car_spec(dt)
    spec.worldbody.add_geom(name="road", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1])
    if slope:  # tilting gravity is tilting the road
        spec.option.gravity = [-9.81 * math.sin(slope), 0.0, -9.81 * math.cos(slope)]
    if extra:
        extra(spec)
    model = spec.compile()
    data = mujoco.MjData(model)
    car = Vehicle(model, data, limits, friction)
    car.reset(Pose2(0.0, 0.0, 0.0), speed)
    return model, data, car


def cruise(car: Vehicle, speed: float, seconds: float, dt: float, steering: float = 0.0) -> list[float]:
    """Hold a speed; returns the lateral positions."""
    trace = []
    for _ in range(round(seconds / dt)):
        car.command(steering, 2.0 * (speed - car.speed))
        car.step()
        trace.append(car.pose.y)
    return trace


@STEPS
def test_accelerates_as_the_multi_body_model(dt: float) -> None:
    _, _, car = build(dt)
    car.command(0.0, 3.79)  # 1500 Nm at the wheels
    steps = 0
    while car.speed < 10.0 and steps * dt < 10.0:
        car.step()
        steps += 1
    assert steps * dt == pytest.approx(2.64, abs=0.08)


@STEPS
def test_brakes_as_the_multi_body_model(dt: float) -> None:
    _, _, car = build(dt, speed=20.0)
    cruise(car, 20.0, 0.3, dt)
    start = car.pose.x
    car.command(0.0, -6.32)  # 2500 Nm
    for _ in range(round(5 / dt)):
        car.step()
    assert car.pose.x - start == pytest.approx(31.7, abs=0.6)
    assert abs(car.speed) < 1e-3


@STEPS
def test_yaw_response_of_a_steering_step(dt: float) -> None:
    _, data, car = build(dt, speed=15.0)
    cruise(car, 15.0, 1.0, dt)
    rates = []
    for _ in range(round(2 / dt)):
        car.command(0.03, 2.0 * (15.0 - car.speed))
        car.step()
        rates.append(float(data.qvel[5]))
    steady = float(np.mean(rates[-20:]))
    rise = next(i for i, rate in enumerate(rates) if rate > 0.9 * steady) * dt
    assert steady == pytest.approx(0.174, abs=0.004)
    assert rise == pytest.approx(0.222, abs=0.02)
    assert max(rates) < 1.02 * steady
    assert car.steering == pytest.approx(0.03, abs=5e-4)


def test_turns_equally_both_ways_on_the_kinematic_circle() -> None:
    ends = []
    for sign in (1, -1):
        _, data, car = build(speed=2.0)
        cruise(car, 2.0, 3.0, 0.005, steering=sign * 0.3)
        assert data.qvel[5] == pytest.approx(sign * car.speed * math.tan(0.3) / WHEELBASE_M, rel=0.02)
        ends.append(car.pose)
    assert ends[0].x == pytest.approx(ends[1].x, abs=1e-6)
    assert ends[0].y == pytest.approx(-ends[1].y, abs=1e-6)


def test_drives_straight_and_keeps_its_speed() -> None:
    _, _, car = build(speed=20.0)
    car.command(0.0, 0.0)
    for _ in range(2000):
        car.step()
    assert abs(car.pose.y) < 1e-3
    assert car.speed == pytest.approx(20.0, abs=0.1)
    assert car.wheel_speed == pytest.approx(car.speed, abs=0.01)


@pytest.mark.parametrize("parking_brake", [True, False])
def test_holds_on_a_slope_of_twelve_percent(parking_brake: bool) -> None:
    _, _, car = build(slope=math.atan(0.12))
    car.parking_brake = parking_brake
    for _ in range(200):
        car.step()
    start = car.pose.x
    for _ in range(1000):
        car.step()
    assert abs(car.pose.x - start) < 2e-3


def test_never_reverses_and_starts_again() -> None:
    _, _, car = build(speed=5.0)
    car.command(0.0, -8.0)
    for _ in range(600):
        car.step()
    stop = car.pose.x
    for _ in range(400):
        car.step()
    assert car.pose.x == pytest.approx(stop, abs=1e-3)
    car.command(0.0, 1.0)
    for _ in range(200):
        car.step()
    assert car.speed == pytest.approx(1.0, abs=0.1)


def test_actuators_have_limits_and_lag() -> None:
    _, _, car = build(speed=10.0, limits=ActuatorLimits())
    car.command(1.5, -50.0)
    car.step()
    assert car.steering < 0.01
    previous = car.speed
    worst = 0.0
    for _ in range(150):
        car.step()
        worst = max(worst, (previous - car.speed) / 0.005)
        previous = car.speed
    assert worst < 9.5
    assert car.steering < 0.4 * 0.76 + 0.02
    for _ in range(400):
        car.step()
    assert car.steering == pytest.approx(0.61, abs=0.02)


def test_slippery_road_lengthens_braking() -> None:
    _, _, car = build(speed=15.0, friction=0.3)
    car.command(0.0, -8.0)
    for _ in range(2000):
        car.step()
    assert 35.0 < car.pose.x < 60.0


def test_climbs_a_kerb_and_stops_at_a_wall() -> None:
    def kerb(spec: mujoco.MjSpec) -> None:
        spec.worldbody.add_geom(name="kerb", type=mujoco.mjtGeom.mjGEOM_BOX, size=[2, 5, 0.06], pos=[7, 0, 0.06])
        spec.worldbody.add_geom(name="wall", type=mujoco.mjtGeom.mjGEOM_BOX, size=[0.5, 5, 1], pos=[20, 0, 1])

    _, data, car = build(speed=5.0, extra=kerb)
    front = LENGTH_M - 0.95
    cruise(car, 5.0, 1.3, 0.005)
    assert data.qpos[2] > 0.03  # on the kerb
    cruise(car, 5.0, 5.0, 0.005)
    assert car.pose.x + front < 19.8
    assert np.isfinite(data.qpos).all()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_refuses_commands_that_are_not_finite(value: float) -> None:
    _, _, car = build()
    with pytest.raises(InputError, match="steering"):
        car.command(value, 0.0)
    with pytest.raises(InputError, match="acceleration"):
        car.command(0.0, value)


def test_urdf_frames_are_those_of_the_rig_file() -> None:
    model, data, _ = build()
    rig = load_rig(ROOT / "config" / "rigs" / "car.yaml")
    data.qpos[:7] = [0, 0, 0, 1, 0, 0, 0]
    mujoco.mj_kinematics(model, data)
    assert len(rig.cameras) == 8
    for camera in rig.cameras:
        body = model.body(camera.frame_id).id
        assert data.xpos[body] == pytest.approx(camera.position, abs=1e-9)
        assert data.xmat[body].reshape(3, 3) == pytest.approx(camera.rotation, abs=1e-9)
        assert model.body(f"camera/{camera.name}").id > 0


def test_mass_and_size_are_those_of_the_data_sheet() -> None:
    model, _, _ = build()
    assert model.body_subtreemass[model.body("base_link").id] == pytest.approx(MASS_KG)
    box = model.geom("ego_0")
    assert 2 * box.size[0] == pytest.approx(LENGTH_M)
    assert 2 * box.size[1] == pytest.approx(WIDTH_M)
    assert box.pos[0] + box.size[0] == pytest.approx(LENGTH_M - 0.95)
