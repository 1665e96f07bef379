"""The network is rig-agnostic and stateless: properties that must hold for any weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fake_samples import shipped_rig

from autodrive.data.export import example_inputs
from autodrive.geometry import Pose2
from autodrive.rig import projection
from autodrive.vision.layout import BOX_CHANNELS, CHANNELS, GRID_CELLS, MEMORY_CHANNELS, OBJECT_CELLS, SUBCELLS
from autodrive.vision.lift import (
    FEATURE_HEIGHT,
    FEATURE_WIDTH,
    cell_centres,
    inside_image,
    project_cells,
    sampling,
    warp_grid,
)
from autodrive.vision.network import ExportedNetwork, VisionNetwork


@pytest.fixture(scope="module")
def network() -> VisionNetwork:
    torch.manual_seed(1)
    network = VisionNetwork().eval()
    # the heat bias hides everything in an untrained network
    torch.nn.init.zeros_(network.heads["heat"][1].bias)
    return network


def outputs(network: VisionNetwork, inputs: dict[str, np.ndarray]) -> list[torch.Tensor]:
    with torch.no_grad():
        return list(ExportedNetwork(network)(**{k: torch.from_numpy(v) for k, v in inputs.items()}))


@pytest.mark.parametrize("cameras", [2, 4, 8])
def test_shapes_do_not_depend_on_the_number_of_cameras(network: VisionNetwork, cameras: int) -> None:
    heat, box, ground, features = outputs(network, example_inputs(cameras))
    grid, objects = (GRID_CELLS, GRID_CELLS), (OBJECT_CELLS, OBJECT_CELLS)
    assert heat.shape == (1, 9, *objects) and ground.shape == (1, 4, *grid)
    assert box.shape == (1, len(BOX_CHANNELS), *objects) and features.shape == (1, MEMORY_CHANNELS, *grid)
    assert heat.min() >= 0 and heat.max() <= 1


def test_the_order_of_cameras_does_not_matter(network: VisionNetwork) -> None:
    inputs = example_inputs(5)
    order = np.array([3, 0, 4, 1, 2])
    shuffled = {k: v[order] if k in ("images", "intrinsics", "optical_from_base") else v for k, v in inputs.items()}
    for a, b in zip(outputs(network, inputs), outputs(network, shuffled), strict=True):
        torch.testing.assert_close(a, b, atol=2e-4, rtol=1e-3)


def test_an_unused_camera_slot_changes_nothing(network: VisionNetwork) -> None:
    inputs = {k: torch.from_numpy(v) for k, v in example_inputs(3).items()}
    images, extent = inputs["images"], inputs["extent"][None]
    index = torch.arange(3)[None]
    padded_index = torch.tensor([[0, 1, 2, 3, 3]])
    intrinsics, extrinsics = inputs["intrinsics"][None], inputs["optical_from_base"][None]
    pad_k = torch.tensor([1.0, 1, 0, 0]).expand(1, 2, 4)
    pad_t = torch.zeros(1, 2, 3, 4)
    pad_t[:, :, 2, 3] = -1
    with torch.no_grad():
        plain = network.encode(images, index, intrinsics, extrinsics, extent)
        padded = network.encode(
            images, padded_index, torch.cat([intrinsics, pad_k], 1), torch.cat([extrinsics, pad_t], 1), extent
        )
    torch.testing.assert_close(plain, padded, atol=1e-4, rtol=1e-3)


def test_batched_training_path_equals_the_exported_path(network: VisionNetwork) -> None:
    inputs = {k: torch.from_numpy(v) for k, v in example_inputs(4).items()}
    heat, box, ground, features = outputs(network, example_inputs(4))
    with torch.no_grad():
        encoded = network.encode(
            inputs["images"],
            torch.arange(4)[None],
            inputs["intrinsics"][None],
            inputs["optical_from_base"][None],
            inputs["extent"][None],
        )
        out = network.decode(
            encoded,
            inputs["memory"],
            inputs["previous_from_current"][None],
            inputs["memory_dt"],
            inputs["extent"][None],
        )
    for a, b in (
        (encoded, features[:, :CHANNELS]),
        (out.heat.sigmoid(), heat),
        (out.box, box),
        (out.ground.sigmoid(), ground),
    ):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-3)


def test_without_memory_its_content_has_no_influence(network: VisionNetwork) -> None:
    inputs = example_inputs(4)
    inputs["memory_dt"] = np.float32([0.0])
    blank = dict(inputs, memory=np.zeros_like(inputs["memory"]), previous_from_current=np.float32([9, 9, 1]))
    for a, b in zip(outputs(network, inputs), outputs(network, blank), strict=True):
        assert torch.equal(a, b)
    with_memory = outputs(network, dict(inputs, memory_dt=np.float32([0.5])))
    assert not torch.allclose(with_memory[0], outputs(network, inputs)[0])


def test_lifted_features_do_not_depend_on_memory(network: VisionNetwork) -> None:
    """Of what is fed back only the heat maps know of the frame before."""
    inputs = example_inputs(4)
    other = dict(inputs, memory=inputs["memory"] * 3 + 1, memory_dt=np.float32([0.4]))
    one, two = outputs(network, inputs), outputs(network, other)
    assert torch.equal(one[3][:, :CHANNELS], two[3][:, :CHANNELS])
    cells = one[0].reshape(1, -1, GRID_CELLS, SUBCELLS, GRID_CELLS, SUBCELLS)
    assert torch.equal(one[3][:, CHANNELS:], cells.amax((3, 5)))


def test_an_image_reaches_only_the_cells_that_its_camera_sees(network: VisionNetwork) -> None:
    inputs = example_inputs(4)
    changed = dict(inputs, images=inputs["images"].copy())
    changed["images"][0] += 1.0  # camera 0 looks along +x
    difference = (outputs(network, inputs)[3] - outputs(network, changed)[3])[:, :CHANNELS].abs().sum(1)[0]
    x, _ = cell_centres(torch.from_numpy(inputs["extent"])[None], GRID_CELLS)
    behind = (x < -2).reshape(GRID_CELLS, GRID_CELLS)
    assert difference[behind].max() == 0 and difference[~behind].max() > 0


def test_projection_agrees_with_the_rig() -> None:
    rig = shipped_rig("car")
    intrinsics, extrinsics = (torch.from_numpy(a) for a in projection(rig))
    x, y, heights = torch.tensor([[12.0, 3.0]]), torch.tensor([[1.0, -6.0]]), torch.tensor([0.0, 1.0])
    u, v, depth = project_cells(intrinsics[None], extrinsics[None], x, y, heights)
    for c, (k, matrix) in enumerate(zip(intrinsics.double(), extrinsics.double(), strict=True)):
        for p, (px, py, pz) in enumerate([(12, 1, 0), (3, -6, 0), (12, 1, 1), (3, -6, 1)]):
            camera = matrix @ torch.tensor([px, py, pz, 1.0], dtype=torch.float64)
            assert depth[0, c, p] == pytest.approx(float(camera[2]), abs=1e-4)
            if camera[2] > 0.5:
                assert u[0, c, p] == pytest.approx(float(k[0] * camera[0] / camera[2] + k[2]), abs=1e-2)
                assert v[0, c, p] == pytest.approx(float(k[1] * camera[1] / camera[2] + k[3]), abs=1e-2)


def test_sampling_picks_the_zoomed_camera_and_stays_in_its_tile() -> None:
    rig = shipped_rig("car")
    intrinsics, extrinsics = (torch.from_numpy(a)[None] for a in projection(rig))
    extent = torch.tensor([[-24.0, 40, -32, 32]])
    where = sampling(intrinsics, extrinsics, extent, torch.tensor([0.0]), GRID_CELLS)
    row = (where.grid[..., 1] + 1) / 2 * FEATURE_HEIGHT * len(rig.cameras) - 0.5
    column = (where.grid[..., 0] + 1) / 2 * FEATURE_WIDTH - 0.5
    assert column.min() > -1e-3 and column.max() < FEATURE_WIDTH - 1 + 1e-3
    tile = torch.div(row + 1e-3, FEATURE_HEIGHT, rounding_mode="floor")
    inside = row - tile * FEATURE_HEIGHT
    assert inside.min() > -2e-3 and inside.max() < FEATURE_HEIGHT - 1 + 1e-2
    far_ahead = 62 * GRID_CELLS + 32  # x 38.5 m, y 0.5 m
    best = int(tile[0, 0, far_ahead])
    assert rig.cameras[best].name == "front_narrow" and where.visible[0, 0, far_ahead] == 1
    u, v, depth = project_cells(intrinsics, extrinsics, *cell_centres(extent, GRID_CELLS), torch.tensor([0.0]))
    seen = inside_image(u, v, depth).sum(1).clamp(max=2)
    assert torch.equal(where.visible.sum(1), seen.float())


def test_warp_follows_the_body() -> None:
    """A blob in the memory lands where the same place of the world is now."""
    extent = torch.tensor([[-16.0, 16, -16, 16]])
    motion = Pose2(3.0, -1.5, 0.4)  # base_link now, seen from base_link then
    grid, inside = warp_grid(extent, torch.tensor([[motion.x, motion.y, motion.yaw]]), GRID_CELLS)
    x, y = cell_centres(extent, GRID_CELLS)
    then = torch.exp(-((x - 6.0) ** 2 + (y - 2.0) ** 2)).reshape(1, 1, GRID_CELLS, GRID_CELLS)
    now = torch.nn.functional.grid_sample(then, grid, align_corners=False)[0, 0].reshape(-1)
    best = int(now.argmax())
    expected = motion.inverse().apply(np.array([6.0, 2.0]))
    assert float(x[0, best]) == pytest.approx(expected[0], abs=0.5)
    assert float(y[0, best]) == pytest.approx(expected[1], abs=0.5)
    assert 0.5 < inside.mean() < 1


def test_bfloat16_training_keeps_geometry_in_float32(network: VisionNetwork) -> None:
    inputs = {k: torch.from_numpy(v) for k, v in example_inputs(4).items()}
    arguments = (inputs["intrinsics"][None], inputs["optical_from_base"][None], inputs["extent"][None])
    exact = sampling(*arguments, network.lift.heights, GRID_CELLS)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = sampling(*arguments, network.lift.heights, GRID_CELLS)
    for a, b in zip(exact, mixed, strict=True):
        assert b.dtype == torch.float32 and torch.equal(a, b)
