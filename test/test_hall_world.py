"""The humanoid's world: frames and ticks, determinism, contacts, falls, people who look where they go."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from body_sim import NO_ARMS

from autodrive.body import JointCommand, WalkCommand
from autodrive.errors import ConfigError, InputError
from autodrive.geometry import Pose2
from autodrive.humanoid.robot import load_robot
from autodrive.humanoid.walker import Walker
from autodrive.rig import Rig, load_rig
from autodrive.scene import DetectedObject, ObjectClass
from autodrive.sim.hall_people import ROBOT_M, People
from autodrive.sim.hall_world import HallWorld
from autodrive.sim.world import Contact, HumanoidSensors

REPOSITORY = Path(__file__).resolve().parents[1]
TICK_NS, FRAME_NS = 20_000_000, 100_000_000


@pytest.fixture(scope="module")
def rig() -> Rig:
    return load_rig(REPOSITORY / "config" / "rigs" / "humanoid.yaml")


def walk(world: HallWorld, sensors: HumanoidSensors, walker: Walker, vx: float, ticks: int) -> HumanoidSensors:
    """Steps so often under a velocity command."""
    for _ in range(ticks):
        command = walker.step(sensors.body, WalkCommand(sensors.body.stamp_ns, vx, 0.0, 0.0), NO_ARMS)
        sensors = world.step(command)
    return sensors


def test_images_come_with_frames_and_joints_with_ticks(rig: Rig) -> None:
    world, walker = HallWorld("g1", rig), Walker(load_robot("g1"))
    sensors = world.reset(2)
    assert sensors.body.stamp_ns == FRAME_NS, "zero would be no time at all"
    for tick in range(6):
        assert sensors.body.stamp_ns == FRAME_NS + tick * TICK_NS
        assert len(sensors.images) == (4 if sensors.body.stamp_ns % FRAME_NS == 0 else 0)
        if sensors.images:
            assert all(image.shape == (160, 320, 3) and image.std() > 3 for image in sensors.images)
        sensors = walk(world, sensors, walker, 0.0, 1)
    truth = world.ground_truth()
    assert len(truth.objects) == len(truth.object_ids) == len(truth.colours)
    assert math.hypot(truth.ego.x - world.start.x, truth.ego.y - world.start.y) < 0.05
    assert not truth.fallen and truth.contacts == ()
    boxes = [c for o, c in zip(truth.objects, truth.colours, strict=True) if o.label == ObjectClass.BOX]
    assert all(boxes) and len(boxes) >= 3
    world.close()


_EPISODE = """
import sys
from pathlib import Path
sys.path.insert(0, "test")
from test_hall_world import HallWorld, Walker, load_rig, load_robot, walk
import hashlib
world = HallWorld("g1", load_rig(Path("config/rigs/humanoid.yaml")), images=sys.argv[2] == "images")
sensors = world.reset(int(sys.argv[1]))
sensors = walk(world, sensors, Walker(load_robot("g1")), 0.3, 60)
seen = hashlib.sha256(b"".join(image.tobytes() for image in sensors.images)).hexdigest()
print(world.state_digest().hex(), hashlib.sha256(sensors.body.position.tobytes()).hexdigest(), seen)
"""


def test_the_same_seed_gives_the_same_bytes_in_any_process() -> None:
    def episode(seed: int, images: str, hash_seed: str) -> list[str]:
        arguments = [sys.executable, "-c", _EPISODE, str(seed), images]
        environment = {"PYTHONHASHSEED": hash_seed, "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            arguments, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=120, check=True
        )
        return done.stdout.split()

    first, again, blind = episode(5, "images", "1"), episode(5, "images", "2"), episode(5, "none", "3")
    assert first == again
    assert first[:2] == blind[:2], "whoever looks changes nothing"
    assert first[0] != episode(6, "none", "1")[0]


def test_walking_blindly_ends_in_a_contact(rig: Rig) -> None:
    world, walker = HallWorld("g1", rig, images=False, people=False), Walker(load_robot("g1"))
    sensors, contacts = world.reset(2), set[Contact]()
    for _ in range(40):
        sensors = walk(world, sensors, walker, 0.6, 25)
        contacts |= set(world.ground_truth().contacts)
        if contacts:
            break
    assert contacts and {contact.kind for contact in contacts} <= {"object", "static"}


def test_a_limp_robot_falls(rig: Rig) -> None:
    world, robot = HallWorld("g1", rig, images=False, people=False), load_robot("g1")
    sensors = world.reset(3)
    folded = robot.nominal.copy()
    for side in ("left", "right"):
        folded[robot.joints.index(f"{side}_knee_joint")] = 2.2
    for _ in range(150):
        sensors = world.step(JointCommand(sensors.body.stamp_ns, robot.joints, folded, np.zeros(len(folded))))
    assert world.ground_truth().fallen


def test_commands_that_make_no_sense_are_refused(rig: Rig) -> None:
    world, robot = HallWorld("g1", rig, images=False, people=False), load_robot("g1")
    good = JointCommand(0, robot.joints, robot.nominal, np.zeros(len(robot.joints)))
    with pytest.raises(InputError, match="reset"):
        world.step(good)
    world.reset(2)
    for bad in (
        replace(good, position=np.full(len(robot.joints), np.nan)),
        replace(good, names=robot.joints[::-1]),
        replace(good, effort=np.zeros(3)),
    ):
        with pytest.raises(InputError, match="joint command"):
            world.step(bad)
    world.step(good)


def test_what_does_not_fit_is_told(rig: Rig) -> None:
    with pytest.raises(ConfigError, match="g1"):
        HallWorld("g2", rig)
    with pytest.raises(ConfigError, match="duration"):
        HallWorld("g1", rig, duration_s=math.nan)


def test_people_walk_and_never_into_a_robot_that_stands(rig: Rig) -> None:
    world = HallWorld("g1", rig, images=False)
    walked = 0.0
    for seed in range(1, 9):
        world.reset(seed)
        people, robot = world._people, world.start
        before = [item for item, _, _ in people.objects()]
        for _ in range(800):
            people.step(0.02, robot)
            for item, _, _ in people.objects():
                near = math.hypot(item.x - robot.x, item.y - robot.y)
                assert near > 0.85 * ROBOT_M or math.hypot(item.vx, item.vy) == 0.0
        walked += sum(math.hypot(a.x - b.x, a.y - b.y) for a, (b, _, _) in zip(before, people.objects(), strict=True))
    assert walked > 3.0


def test_a_person_whom_the_robot_walks_up_to_stands_still() -> None:
    room = np.full((256, 256), 3.0)
    world_people = make_person(room)
    start = world_people.objects()[0][0]
    robot = Pose2(start.x + 3.0, start.y, math.pi)
    for tick in range(400):
        person = world_people.objects()[0][0]
        robot = Pose2(robot.x + 0.01 * np.sign(person.x - robot.x), person.y, 0.0)
        near = abs(person.x - robot.x)
        world_people.step(0.02, robot)
        after = world_people.objects()[0][0]
        if near < ROBOT_M - 0.05:
            away = math.hypot(after.x - robot.x, after.y - robot.y)
            assert away >= near - 0.012, tick


def make_person(room: np.ndarray) -> People:
    """One person in the middle of an empty hall."""
    item = DetectedObject(ObjectClass.PEDESTRIAN, 1.0, 0.0, 0.0, 0.85, 0.0, 0.5, 0.55, 1.7)
    return People(np.random.default_rng(1), [item], room)
