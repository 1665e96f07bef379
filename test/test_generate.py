"""Training samples: labels agree with the pictures, motion with the poses, and a data set is a function of its seed."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from autodrive.data import generate as generation
from autodrive.data.random_scene import Crowd, EgoMotion, Paths, arc, make_path
from autodrive.data.sample import MASK_CELLS, OBJECT_COLUMNS, Sample, decode_images, load_sample
from autodrive.data.settings import HallSetting
from autodrive.data.studio import Studio, jitter_rig, object_rows
from autodrive.errors import InputError
from autodrive.geometry import Pose2
from autodrive.rig import load_rig
from autodrive.scene import DetectedObject, GroundClass, ObjectClass

RIGS = Path(__file__).parents[1] / "config" / "rigs"
COLUMN = {name: k for k, name in enumerate(OBJECT_COLUMNS)}


@pytest.fixture(scope="module")
def hall_samples() -> list[Sample]:
    studio = Studio(HallSetting(7, 7), load_rig(RIGS / "humanoid.yaml"))
    samples = [studio.shoot(11, k) for k in range(4)]
    studio.close()
    return samples


@pytest.fixture(scope="module")
def street_samples() -> list[Sample]:
    from autodrive.data.street_setting import StreetSetting

    studio = Studio(StreetSetting("brook", "car", 3), load_rig(RIGS / "car.yaml"))
    samples = [studio.shoot(12, k) for k in range(3)]
    studio.close()
    return samples


@pytest.mark.parametrize("fixture", ["hall_samples", "street_samples"])
def test_visible_objects_project_into_some_image(fixture: str, request: pytest.FixtureRequest) -> None:
    for sample in request.getfixturevalue(fixture):
        assert len(sample.objects) >= 5
        assert (sample.objects[:, COLUMN["visible_px"]] > 20).sum() >= 2
        for row in sample.objects:
            if row[COLUMN["visible_px"]] < 100:
                continue
            points = sample.optical_from_base[:, :, :3] @ row[1:4] + sample.optical_from_base[:, :, 3]
            depth = np.maximum(points[:, 2], 0.05)
            u = sample.intrinsics[:, 0] * points[:, 0] / depth + sample.intrinsics[:, 2]
            v = sample.intrinsics[:, 1] * points[:, 1] / depth + sample.intrinsics[:, 3]
            margin = sample.intrinsics[:, 0] * max(row[5:8]) / depth
            inside = (points[:, 2] > -1) & (u > -margin) & (u < 320 + margin) & (v > -margin) & (v < 128 + margin)
            assert inside.any(), row


@pytest.mark.parametrize("fixture", ["hall_samples", "street_samples"])
def test_masks_and_shapes(fixture: str, request: pytest.FixtureRequest) -> None:
    for sample in request.getfixturevalue(fixture):
        images = decode_images(sample.images)
        assert len(images) == len(sample.intrinsics) == len(decode_images(sample.previous_images))
        assert images.std() > 15
        assert 0.4 <= sample.dt <= 0.6
        assert np.isfinite(sample.objects).all()
        assert np.abs(sample.objects[:, 1:3]).max() < sample.mask_half_extent
        free = sample.masks[GroundClass.FREE]
        assert 0.01 < free.mean() < 0.9
        cells = ((sample.objects[:, 1:3] / sample.mask_half_extent + 1) / 2 * MASK_CELLS).astype(int)
        assert not free[cells[:, 0], cells[:, 1]].any()
        assert free[MASK_CELLS // 2 - 12 : MASK_CELLS // 2 + 12, MASK_CELLS // 2 - 12 : MASK_CELLS // 2 + 12].any()


def test_street_holds_traffic_and_people(street_samples: list[Sample]) -> None:
    rows = np.concatenate([sample.objects for sample in street_samples])
    labels = set(rows[:, 0].astype(int))
    assert {ObjectClass.CAR, ObjectClass.PEDESTRIAN} <= labels
    speed = np.hypot(rows[:, COLUMN["vx"]], rows[:, COLUMN["vy"]])
    cars = rows[:, 0] == ObjectClass.CAR
    assert speed[cars].max() > 1.0
    moving = cars & (speed > 1.0)
    heading = np.arctan2(rows[moving, COLUMN["vy"]], rows[moving, COLUMN["vx"]])
    error = (heading - rows[moving, COLUMN["yaw"]] + math.pi) % (2 * math.pi) - math.pi
    assert np.abs(error).max() < 1e-3
    assert all(sample.masks[GroundClass.LANE_MARKING].any() for sample in street_samples)


def test_same_seed_same_sample() -> None:
    rig = load_rig(RIGS / "humanoid.yaml")
    shots = []
    for order in ((0, 1), (1, 0)):
        studio = Studio(HallSetting(3, 3), rig)
        shots.append({k: studio.shoot(5, k) for k in order})
        studio.close()
    for k in (0, 1):
        a, b = shots[0][k], shots[1][k]
        assert a.images == b.images
        assert a.previous_images == b.previous_images
        np.testing.assert_array_equal(a.objects, b.objects)
        np.testing.assert_array_equal(a.masks, b.masks)
    assert shots[0][0].images != shots[0][1].images


def test_arcs_are_circles() -> None:
    ahead = arc(5.0, 0.0, 0.5)
    assert (ahead.x, ahead.y, ahead.yaw) == pytest.approx((2.5, 0.0, 0.0))
    left = arc(2.0, 0.5, 1.0)
    assert (left.x, left.y, left.yaw) == pytest.approx((4 * math.sin(0.5), 4 * (1 - math.cos(0.5)), 0.5))
    back = arc(2.0, 0.5, 1.0) @ arc(2.0, 0.5, -1.0)
    assert (back.x, back.y, back.yaw) == pytest.approx((0.0, 0.0, 0.0), abs=1e-12)


def test_the_ego_car_drives_forward(street_samples: list[Sample]) -> None:
    assert max(sample.previous_from_current.x for sample in street_samples) > 0.2
    assert min(sample.previous_from_current.x for sample in street_samples) >= -1e-6


def test_rows_are_in_base_link() -> None:
    item = DetectedObject(ObjectClass.CAR, 1.0, 10.0, 7.0, 0.9, math.pi / 2, 4.0, 2.0, 1.5, vx=0.0, vy=3.0)
    (row,) = object_rows([(item, 42)], Pose2(10.0, 2.0, math.pi / 2), 0.1, 56.0)
    assert row == pytest.approx([0, 5.0, 0.0, 0.8, 0.0, 4.0, 2.0, 1.5, 3.0, 0.0, 42], abs=1e-6)
    assert object_rows([(item, 42)], Pose2(10.0, 2.0, 0.0), 0.0, 4.0).shape == (0, len(OBJECT_COLUMNS))


def test_previous_pose_is_where_the_velocity_came_from() -> None:
    ego = EgoMotion(Pose2(0, 0, 0), Pose2(0, 0, 0), 0.0, (1.2, 4.6, 1.9))
    crowd = Crowd(np.random.default_rng(0), ego, 0.5)
    assert crowd.add(ObjectClass.CAR, Pose2(12.0, 5.0, 0.3), (4.0, 1.8, 1.5), 0.0, speed=6.0)
    (mover,) = crowd.movers
    assert mover.previous.x + 0.5 * mover.item.vx == pytest.approx(12.0)
    assert mover.previous.y + 0.5 * mover.item.vy == pytest.approx(5.0)
    assert not crowd.add(ObjectClass.CAR, Pose2(13.0, 5.5, 0.3), (4.0, 1.8, 1.5), 0.0)
    assert not crowd.add(ObjectClass.PEDESTRIAN, Pose2(2.0, 0.3, 0.3), (0.5, 0.5, 1.7), 0.0)


def test_path_poses() -> None:
    path = make_path(np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0]]), 3.0, 0.0)
    pose = path.pose(5.0, 1.0)
    assert (pose.x, pose.y, pose.yaw) == pytest.approx((5.0, 1.0, 0.0))
    beyond = path.pose(23.0)
    assert (beyond.x, beyond.y) == pytest.approx((10.0, 13.0))
    found = Paths([path]).pick(np.random.default_rng(1), Pose2(10.0, 10.0, math.pi), 3.0)
    assert found is not None
    assert found[1] > 16.0
    assert Paths([path]).pick(np.random.default_rng(1), Pose2(100.0, 0.0, 0.0), 3.0) is None


def test_rig_jitter_is_small_and_seeded() -> None:
    rig = load_rig(RIGS / "car.yaml")
    a, b = (jitter_rig(rig, np.random.default_rng(4)) for _ in range(2))
    for camera, twin, original in zip(a.cameras, b.cameras, rig.cameras, strict=True):
        np.testing.assert_array_equal(camera.rotation, twin.rotation)
        angle = math.acos(np.clip((np.trace(camera.rotation.T @ original.rotation) - 1) / 2, -1, 1))
        assert 0 < math.degrees(angle) < 12
        np.testing.assert_allclose(camera.rotation @ camera.rotation.T, np.eye(3), atol=1e-12)
        assert 0.92 <= camera.K[0, 0] / original.K[0, 0] <= 1.08


def test_resumes_and_replaces_broken_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "HALL_SHARE", 1.0)
    generation.generate("humanoid", ("brook",), 2, 9, tmp_path, workers=1, progress=False)
    first, second = (generation.sample_path(tmp_path, k) for k in range(2))
    stamp, content = first.stat().st_mtime_ns, second.read_bytes()
    second.write_bytes(b"broken")
    generation.generate("humanoid", ("brook",), 2, 9, tmp_path, workers=1, progress=False)
    assert first.stat().st_mtime_ns == stamp
    assert load_sample(second).images == load_sample(_copy(tmp_path, content)).images


def _copy(folder: Path, content: bytes) -> Path:
    path = folder / "copy.npz"
    path.write_bytes(content)
    return path


def test_bad_requests_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="rig 'boat'"):
        generation.generate("boat", ("brook",), 2, 1, tmp_path)
    with pytest.raises(InputError, match="count"):
        generation.generate("car", ("brook",), 0, 1, tmp_path)
