"""Augmentation keeps images, geometry and labels true to each other; targets decode back to their objects."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from fake_samples import fake_sample, shipped_rig
from hypothesis import given, settings
from hypothesis import strategies as st

from autodrive.data.augment import (
    augment,
    jitter_extent,
    jitter_extrinsics,
    plain_view,
    turn_and_mirror,
    vary_light,
)
from autodrive.data.dataset import Source, TrainingBatches, collate
from autodrive.data.sample import Sample, save_sample
from autodrive.data.targets import ground_targets, make_targets, visible_objects
from autodrive.errors import InputError
from autodrive.scene import GridExtent, GroundClass, ObjectClass
from autodrive.vision.coverage import seen_by_cameras
from autodrive.vision.decode import DecodeConfig, decode_objects

RIG = shipped_rig("car")
SAMPLE = fake_sample(RIG, 3)
ANGLES = st.floats(-math.pi, math.pi)


def project(view, points, camera):
    """Pixels (M, 2) and depth of base points in one camera of a view."""
    x, y, depth = (points @ view.optical_from_base[camera][:, :3].T + view.optical_from_base[camera][:, 3]).T
    fx, fy, cx, cy = view.intrinsics[camera]
    return np.stack([fx * x / depth + cx, fy * y / depth + cy], -1), depth


@settings(max_examples=30, deadline=None)
@given(angle=ANGLES, mirror=st.booleans())
def test_turned_objects_stay_on_their_pixels(angle: float, mirror: bool) -> None:
    view = plain_view(SAMPLE, RIG.extent)
    turned = turn_and_mirror(view, angle, mirror)
    for camera in range(len(view.images)):
        before, depth = project(view, view.objects[:, 1:4].astype(float), camera)
        after, depth_after = project(turned, turned.objects[:, 1:4].astype(float), camera)
        if mirror:
            after[:, 0] = 319 - after[:, 0]
        front = depth > 0.5
        np.testing.assert_allclose(depth_after, depth, atol=1e-3)
        np.testing.assert_allclose(after[front], before[front], rtol=1e-3, atol=0.05)
        pixels = view.images[camera][:, ::-1] if mirror else view.images[camera]
        np.testing.assert_array_equal(turned.images[camera], pixels)


@settings(max_examples=30, deadline=None)
@given(angle=ANGLES, mirror=st.booleans())
def test_turned_motion_moves_points_like_the_original(angle: float, mirror: bool) -> None:
    view = plain_view(SAMPLE, RIG.extent)
    turned = turn_and_mirror(view, angle, mirror)
    points = np.random.default_rng(0).normal(0, 10, (20, 2))
    before = view.previous_from_current.apply(points)
    # the same physical points, in the turned frames of now and of before
    np.testing.assert_allclose(
        turned.previous_from_current.apply(points @ turned.base_from_view), before @ turned.base_from_view, atol=1e-9
    )


@settings(max_examples=20, deadline=None)
@given(angle=ANGLES, mirror=st.booleans())
def test_turning_keeps_heading_and_velocity_together(angle: float, mirror: bool) -> None:
    """Fake objects move along their heading, so they must after any turn."""
    turned = turn_and_mirror(plain_view(SAMPLE, RIG.extent), angle, mirror)
    speed = np.hypot(turned.objects[:, 8], turned.objects[:, 9])
    assert (speed > 0.1).any()
    heading = np.stack([np.cos(turned.objects[:, 4]), np.sin(turned.objects[:, 4])], -1)
    np.testing.assert_allclose((turned.objects[:, 8:10] * heading).sum(-1), speed, atol=1e-4)


def test_mirroring_twice_is_no_change() -> None:
    view = plain_view(SAMPLE, RIG.extent)
    twice = turn_and_mirror(turn_and_mirror(view, 0.0, True), 0.0, True)
    np.testing.assert_array_equal(twice.images, view.images)
    np.testing.assert_allclose(twice.intrinsics, view.intrinsics)
    np.testing.assert_allclose(twice.optical_from_base, view.optical_from_base, atol=1e-6)
    np.testing.assert_allclose(twice.objects, view.objects, atol=1e-5)


def test_targets_decode_back_to_the_visible_objects() -> None:
    for seed in range(8):
        sample = fake_sample(RIG, seed)
        view = turn_and_mirror(plain_view(sample, RIG.extent), 0.7 * seed, bool(seed % 2))
        targets = make_targets(view, sample.masks, sample.mask_half_extent)
        found = decode_objects(targets.heat, targets.box, RIG.extent, DecodeConfig(score_threshold=0.99))
        extent = RIG.extent
        inside = (
            (view.objects[:, 1] > extent.x_min)
            & (view.objects[:, 1] < extent.x_max)
            & (np.abs(view.objects[:, 2]) < extent.y_max)
        )
        expected = view.objects[visible_objects(view) & inside]
        assert len(expected) > 0
        matched = 0
        for row in expected:
            near = [o for o in found if o.label == row[0] and math.hypot(o.x - row[1], o.y - row[2]) < 1e-3]
            if not near:
                continue  # merged with a neighbour of its class
            matched += 1
            (box,) = near
            np.testing.assert_allclose([box.z, box.length, box.width, box.height], row[[3, 5, 6, 7]], rtol=1e-4)
            if ObjectClass(int(row[0])) in (ObjectClass.CAR, ObjectClass.PEDESTRIAN):
                assert abs(math.remainder(box.yaw - row[4], 2 * math.pi)) < 1e-4
                np.testing.assert_allclose([box.vx, box.vy], row[8:10], atol=1e-5)
        assert matched >= len(expected) - 1


def hidden(sample: Sample) -> Sample:
    """The sample with every object occluded."""
    objects = sample.objects.copy()
    objects[:, 10] = 0
    return Sample(**{**sample.__dict__, "objects": objects})


def test_invisible_objects_are_neither_asked_for_nor_forbidden() -> None:
    sample = hidden(SAMPLE)
    view = plain_view(sample, RIG.extent)
    targets = make_targets(view, sample.masks, sample.mask_half_extent)
    assert targets.heat.max() == 0 and targets.box_weight.max() == 0
    assert (targets.heat_weight == 0).any()
    assert (targets.heat_weight == 1).mean() > 0.95


def test_an_object_of_a_dropped_camera_is_not_asked_for() -> None:
    everywhere = plain_view(SAMPLE, RIG.extent)
    names = [camera.name for camera in RIG.cameras]
    rear_only = plain_view(SAMPLE, RIG.extent, np.array([names.index("rear")]))
    assert visible_objects(rear_only).sum() < visible_objects(everywhere).sum()
    front = np.array([[15.0, 0.0, 0.5]])
    for view, expected in ((everywhere, True), (rear_only, False)):
        assert seen_by_cameras(front, view.intrinsics, view.optical_from_base).tolist() == [expected]


def test_ground_follows_a_turn() -> None:
    """A lane along x of the sample lies along y of a frame that is turned by a quarter."""
    view = turn_and_mirror(plain_view(SAMPLE, RIG.extent), math.pi / 2, False)
    square = GridExtent(-32, 32, -32, 32)
    turned = on_grid(view, square)
    ground, _ = ground_targets(turned, SAMPLE.masks, SAMPLE.mask_half_extent)
    straight, _ = ground_targets(on_grid(plain_view(SAMPLE, RIG.extent), square), SAMPLE.masks, SAMPLE.mask_half_extent)
    lane, lane_turned = straight[GroundClass.LANE_MARKING], ground[GroundClass.LANE_MARKING]
    assert lane.any(axis=1).all() and not lane.any(axis=0).all()
    assert lane_turned.any(axis=0).all() and not lane_turned.any(axis=1).all()


def on_grid(view, extent):
    """The view on another grid."""
    return type(view)(**{**view.__dict__, "extent": extent})


def test_cells_beyond_the_masks_or_out_of_sight_do_not_count() -> None:
    view = on_grid(plain_view(SAMPLE, RIG.extent), GridExtent(-64, 64, -64, 64))
    _, weight = ground_targets(view, SAMPLE.masks, 20.0)
    assert weight[0].max() == 0 and weight[:, 0].max() == 0 and weight.max() == 1
    _, one_camera = ground_targets(plain_view(SAMPLE, RIG.extent, np.array([0])), SAMPLE.masks, 48.0)
    assert 0 < one_camera.mean() < 0.7


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_augmented_views_are_sound(seed: int) -> None:
    view = augment(SAMPLE, RIG.extent, np.random.default_rng(seed))
    assert view.images.dtype == np.uint8 and 5 <= len(view.images) <= 6
    assert (view.dt > 0) == (len(view.previous_images) > 0)
    rotation = view.told_optical_from_base[:, :, :3].astype(float)
    identity = np.einsum("nij,nkj->nik", rotation, rotation)
    np.testing.assert_allclose(identity, np.tile(np.eye(3), (len(rotation), 1, 1)), atol=1e-4)
    # what the network is told differs by about half a degree, not by a sign or an axis
    angle = np.arccos(
        np.clip((np.einsum("nij,nij->n", rotation, view.optical_from_base[:, :, :3].astype(float)) - 1) / 2, -1, 1)
    )
    assert np.degrees(angle).max() < 4
    targets = make_targets(view, SAMPLE.masks, SAMPLE.mask_half_extent)
    for value in vars(targets).values():
        assert np.isfinite(value).all()
    again = augment(SAMPLE, RIG.extent, np.random.default_rng(seed))
    np.testing.assert_array_equal(again.images, view.images)


def test_extent_stays_square_and_light_stays_in_range() -> None:
    rng = np.random.default_rng(0)
    for name, low, high in (("car", 56, 72), ("humanoid", 14, 20)):
        for _ in range(50):
            extent = jitter_extent(shipped_rig(name).extent, rng)
            size = extent.x_max - extent.x_min
            assert low - 1e-9 <= size <= high + 1e-9 and extent.y_max - extent.y_min == pytest.approx(size)
    view = plain_view(SAMPLE, RIG.extent)
    assert (vary_light(view.images, 1) == vary_light(view.images, 1)).all()
    assert (vary_light(view.images, 1) != vary_light(view.images, 2)).any()
    assert (jitter_extrinsics(view, rng).optical_from_base == view.optical_from_base).all()


def test_collate_keeps_each_samples_cameras() -> None:
    views = [
        plain_view(SAMPLE, RIG.extent, np.array([0, 2]), memory=False),
        plain_view(SAMPLE, RIG.extent, np.array([1, 3, 4]), memory=True),
    ]
    batch = collate([(v, make_targets(v, SAMPLE.masks, SAMPLE.mask_half_extent)) for v in views])
    assert batch.images.shape[0] == 5 and batch.camera_index.tolist() == [[0, 1, 5], [2, 3, 4]]
    assert batch.memory_rows.tolist() == [1] and batch.previous_index.tolist() == [[0, 1, 2]]
    assert batch.memory_dt.tolist() == [0.0, 0.5]
    np.testing.assert_array_equal(batch.images[3].permute(1, 2, 0).numpy(), views[1].images[1])


def test_batches_depend_on_seed_and_step_alone(tmp_path) -> None:
    for name in ("car", "humanoid"):
        for seed in range(3):
            save_sample(tmp_path / f"{name}_train" / f"{seed}.npz", fake_sample(shipped_rig(name), seed))
    sources = [Source(tmp_path, name, shipped_rig(name).extent) for name in ("car", "humanoid")]
    one, two = (TrainingBatches(sources, 4, 7, 100) for _ in range(2))
    one[0]
    for key, value in vars(one[5]).items():
        assert (value == getattr(two[5], key)).all(), key
    with pytest.raises(InputError, match="no samples of rig 'car'"):
        TrainingBatches([Source(tmp_path / "empty", "car", RIG.extent)], 2, 0, 10)[0]
    sources = [replace(sources[0], share=1), replace(sources[1], share=3)]
    extent = TrainingBatches(sources, 8, 7, 100)[0].extent
    widths = extent[:, 1] - extent[:, 0]
    assert (widths > 30.0).tolist() == [True, False, False, False] * 2, "one car, three humanoids, in turn"
