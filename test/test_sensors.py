"""The motion sensors: enough to dead-reckon a bend, exact zero at rest, and the same noise for the same seed."""

from __future__ import annotations

import math

import mujoco
import numpy as np
import pytest

from autodrive.geometry import Pose2, wrap_angle
from autodrive.localization.dead_reckoning import DeadReckoning
from autodrive.sim.car_model import load_car_spec
from autodrive.sim.sensors import MotionReading, MotionSensors, SensorNoise
from autodrive.sim.vehicle import Vehicle

SILENT = SensorNoise(
    wheel_speed=0, wheel_scale=0, steering=0, gyro=0, gyro_bias=0, accelerometer=0, accelerometer_bias=0
)


def car_at_rest() -> Vehicle:
    spec = load_car_spec()
    spec.worldbody.add_geom(name="road", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1])
    model = spec.compile()
    car = Vehicle(model, mujoco.MjData(model))
    car.reset(Pose2(10.0, -5.0, 2.0))
    for _ in range(200):
        car.step()
    return car


def drive(car: Vehicle, sensors: MotionSensors, seconds: float) -> list[MotionReading]:
    """Accelerate, weave, and stop."""
    readings = []
    ticks = round(seconds * 10)
    for k in range(ticks):
        speed = 0.0 if k > ticks - 60 else 8.0
        car.command(0.08 * math.sin(0.1 * k) if car.speed > 1 else 0.0, 1.0 * (speed - car.speed))
        for _ in range(20):
            car.step()
        readings.append(sensors.read())
    return readings


@pytest.mark.parametrize(("noise", "error_m", "error_rad"), [(SILENT, 0.1, 0.003), (None, 0.4, 0.008)])
def test_dead_reckoning_follows_the_truth(noise: SensorNoise | None, error_m: float, error_rad: float) -> None:
    car = car_at_rest()
    odometry = DeadReckoning(car.pose)
    odometry.update(0, 0.0, 0.0, 0.0)
    travelled = 0.0
    sensors = MotionSensors(car, 3, noise)
    for k, reading in enumerate(drive(car, sensors, 20.0)):
        state = odometry.update(
            (k + 1) * 100_000_000, reading.wheel_speed, float(reading.gyro[2]), reading.steering,
            float(reading.accelerometer[0]),
        )  # fmt: skip
        travelled += reading.wheel_speed * 0.1
    assert travelled > 80.0
    assert math.hypot(state.pose.x - car.pose.x, state.pose.y - car.pose.y) < error_m
    assert abs(wrap_angle(state.pose.yaw - car.pose.yaw)) < error_rad


def test_at_rest_wheels_say_zero_and_the_accelerometer_feels_gravity() -> None:
    car = car_at_rest()
    sensors = MotionSensors(car, 1)
    readings = []
    for _ in range(50):
        for _ in range(20):
            car.step()
        readings.append(sensors.read())
    assert all(r.wheel_speed == 0.0 for r in readings)
    assert np.mean([r.accelerometer for r in readings], axis=0) == pytest.approx([0, 0, 9.81], abs=0.05)
    assert np.mean([r.gyro for r in readings], axis=0) == pytest.approx([0, 0, 0], abs=1e-3)


def test_accelerometer_has_the_signs_of_rep_103() -> None:
    car = car_at_rest()
    sensors = MotionSensors(car, 1, SILENT)
    car.command(0.0, 2.0)
    for _ in range(300):
        car.step()
    sensors.read()
    for _ in range(20):
        car.step()
    assert sensors.read().accelerometer[0] == pytest.approx(2.0, abs=0.15)
    car.command(0.2, 0.0)
    for _ in range(300):
        car.step()
    sensors.read()
    for _ in range(20):
        car.step()
    left_turn = sensors.read()
    assert left_turn.gyro[2] > 0.2
    assert left_turn.accelerometer[1] == pytest.approx(car.speed * left_turn.gyro[2], abs=0.3)
    assert left_turn.steering == pytest.approx(0.2, abs=0.01)


def test_the_same_seed_gives_the_same_noise() -> None:
    runs = []
    for seed in (5, 5, 6):
        car = car_at_rest()
        runs.append(drive(car, MotionSensors(car, seed), 1.0))
    assert [r.wheel_speed for r in runs[0]] == [r.wheel_speed for r in runs[1]]
    assert np.array_equal(runs[0][-1].gyro, runs[1][-1].gyro)
    assert not np.array_equal(runs[0][-1].gyro, runs[2][-1].gyro)
