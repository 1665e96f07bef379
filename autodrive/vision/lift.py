"""Where each bird's-eye voxel falls in the camera images: the rig enters the network here and nowhere else.

Every voxel picks its best cameras (visible, zoomed, centred), so the cost does not grow with the number of cameras and
the camera axis stays dynamic. All of it is elementwise float32 arithmetic, which autocast leaves alone: projection in
bfloat16 would be metres off.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from autodrive.rig import NETWORK_HEIGHT, NETWORK_WIDTH

FEATURE_STRIDE = 8
FEATURE_WIDTH = NETWORK_WIDTH // FEATURE_STRIDE
FEATURE_HEIGHT = NETWORK_HEIGHT // FEATURE_STRIDE
CAMERAS_PER_VOXEL = 2
TOKEN_FEATURES = 7
QUERY_FEATURES = 6
MIN_DEPTH_M = 0.1


class Sampling(NamedTuple):
    """Where to sample the atlas (camera feature maps stacked vertically) for each voxel, and what is known of each ray.

    K cameras per voxel, P = heights * cells voxels: ``grid`` (B, K, P, 2) normalised atlas coordinates, ``visible``
    (B, K, P) 0 or 1, ``token`` (B, TOKEN_FEATURES, K, P) geometry of each ray, ``query`` (B, QUERY_FEATURES, G, G).
    """

    grid: Tensor
    visible: Tensor
    token: Tensor
    query: Tensor


def cell_centres(extent: Tensor, cells: int) -> tuple[Tensor, Tensor]:
    """Coordinates x, y (B, G * G) [m] of the cell centres of a grid with ``extent`` (B, 4), x the slower index."""
    unit = (torch.arange(cells, device=extent.device, dtype=torch.float32) + 0.5) / cells
    x = extent[:, 0:1] + unit * (extent[:, 1:2] - extent[:, 0:1])  # (B, G)
    y = extent[:, 2:3] + unit * (extent[:, 3:4] - extent[:, 2:3])
    batch = extent.shape[0]
    grid_x = x[:, :, None].expand(batch, cells, cells).reshape(batch, cells * cells)
    grid_y = y[:, None, :].expand(batch, cells, cells).reshape(batch, cells * cells)
    return grid_x, grid_y


def project_cells(
    intrinsics: Tensor, optical_from_base: Tensor, x: Tensor, y: Tensor, heights: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Pixel u, v and depth [m], each (B, N, Z * G * G), of points x, y (B, G * G) at ``heights`` (Z,) in N cameras."""
    batch, cameras = intrinsics.shape[:2]
    axis = [optical_from_base[:, :, :, k, None] for k in range(4)]  # each (B, N, 3, 1)
    ground = axis[0] * x[:, None, None] + axis[1] * y[:, None, None] + axis[3]  # (B, N, 3, G*G)
    points = ground[:, :, :, None] + axis[2][..., None] * heights[:, None]  # (B, N, 3, Z, G*G)
    points = points.reshape(batch, cameras, 3, -1)
    depth = points[:, :, 2]
    safe = depth.clamp(min=MIN_DEPTH_M)
    u = intrinsics[:, :, 0:1] * points[:, :, 0] / safe + intrinsics[:, :, 2:3]
    v = intrinsics[:, :, 1:2] * points[:, :, 1] / safe + intrinsics[:, :, 3:4]
    return u, v, depth


def inside_image(u: Tensor, v: Tensor, depth: Tensor) -> Tensor:
    """Whether a projected point lies in front of the camera and inside the image (pixel centres at integers)."""
    inside_u = (u >= -0.5) & (u <= NETWORK_WIDTH - 0.5)
    inside_v = (v >= -0.5) & (v <= NETWORK_HEIGHT - 0.5)
    return (depth > MIN_DEPTH_M) & inside_u & inside_v


def sampling(intrinsics: Tensor, optical_from_base: Tensor, extent: Tensor, heights: Tensor, cells: int) -> Sampling:
    """Choose the best cameras of every voxel and describe their rays.

    ``intrinsics`` (B, N, 4), ``optical_from_base`` (B, N, 3, 4), ``extent`` (B, 4), ``heights`` (Z,); N >= 2. A camera
    that shows nothing (padding) has its optical axis pointing away or its principal point far outside.
    """
    batch = intrinsics.shape[0]
    x, y = cell_centres(extent, cells)
    u, v, depth = project_cells(intrinsics, optical_from_base, x, y, heights)
    focal = (intrinsics[:, :, 0:1] / NETWORK_WIDTH).expand_as(u)
    centred = torch.minimum(u, NETWORK_WIDTH - u) / NETWORK_WIDTH
    score = inside_image(u, v, depth).to(u.dtype) * (1.0 + focal + centred)
    best, camera = torch.topk(score, CAMERAS_PER_VOXEL, dim=1)  # (B, K, P)
    u, v, depth, focal = (torch.gather(t, 1, camera) for t in (u, v, depth.clamp(min=MIN_DEPTH_M), focal))

    # clamping to the camera's own tile keeps neighbours in the atlas from bleeding in, and lets padding stay "zeros"
    column = ((u + 0.5) / FEATURE_STRIDE - 0.5).clamp(0, FEATURE_WIDTH - 1)
    row = ((v + 0.5) / FEATURE_STRIDE - 0.5).clamp(0, FEATURE_HEIGHT - 1) + camera.to(u.dtype) * FEATURE_HEIGHT
    atlas_height = FEATURE_HEIGHT * intrinsics.shape[1]
    grid = torch.stack([2 * (column + 0.5) / FEATURE_WIDTH - 1, 2 * (row + 0.5) / atlas_height - 1], -1)

    log_size = torch.log(extent[:, 1] - extent[:, 0])[:, None] * 0.3 - 0.9  # (B, 1)
    height = heights.repeat_interleave(cells * cells).expand_as(u)
    pixels_per_metre = torch.log(focal * FEATURE_WIDTH / depth).clamp(-3, 3) * 0.5
    token = torch.stack(
        [
            torch.log(depth) * 0.5,
            (u / NETWORK_WIDTH - 0.5).clamp(-1, 1),
            (v / NETWORK_HEIGHT - 0.5).clamp(-1, 1),
            height,
            pixels_per_metre,
            log_size[:, :, None].expand_as(u),
            focal,
        ],
        1,
    )
    radius = torch.sqrt(x * x + y * y) + MIN_DEPTH_M
    query = torch.stack(
        [x / 20, y / 20, torch.log(radius) * 0.5, x / radius, y / radius, log_size.expand_as(x)], 1
    ).reshape(batch, QUERY_FEATURES, cells, cells)
    return Sampling(grid, (best > 0).to(u.dtype), token, query)


def warp_grid(extent: Tensor, previous_from_current: Tensor, cells: int) -> tuple[Tensor, Tensor]:
    """Where each cell of now was in the grid of before, for grid_sample on maps indexed [ix, iy].

    ``previous_from_current`` (B, 3) is x, y, yaw. Returns the sampling grid (B, G, G, 2) and a mask (B, 1, G, G) of the
    cells whose centre lies inside the earlier grid.
    """
    batch = extent.shape[0]
    x, y = cell_centres(extent, cells)
    cos, sin = torch.cos(previous_from_current[:, 2:3]), torch.sin(previous_from_current[:, 2:3])
    before_x = previous_from_current[:, 0:1] + cos * x - sin * y
    before_y = previous_from_current[:, 1:2] + sin * x + cos * y
    along_x = 2 * (before_x - extent[:, 0:1]) / (extent[:, 1:2] - extent[:, 0:1]) - 1
    along_y = 2 * (before_y - extent[:, 2:3]) / (extent[:, 3:4] - extent[:, 2:3]) - 1
    inside = (along_x.abs() <= 1) & (along_y.abs() <= 1)
    # the last axis of a map is iy, which grid_sample calls x
    grid = torch.stack([along_y, along_x], -1).reshape(batch, cells, cells, 2)
    return grid, inside.to(x.dtype).reshape(batch, 1, cells, cells)
