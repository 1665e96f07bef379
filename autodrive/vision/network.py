"""The rig-agnostic multi-camera bird's-eye-view network: one set of weights for any camera rig and grid size.

backbone per camera -> attention lift onto a 64 x 64 grid (lift.py) -> fusion with the warped memory of an earlier frame
-> bird's-eye U-Net with global self-attention -> heads. The network keeps no state: the caller stores ``features``
(lifted features and heat maps) and feeds them back as ``memory``. Lifted features alone are smeared along the rays of
the cameras; the heat maps of then beside those of now are what shows motion.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autodrive.scene import GroundClass, ObjectClass
from autodrive.vision.layout import (
    BOX_CHANNELS,
    CHANNELS,
    GRID_CELLS,
    HEIGHTS_M,
    MEMORY_CHANNELS,
    SUBCELLS,
    VELOCITY,
    VELOCITY_SCALE,
)
from autodrive.vision.lift import CAMERAS_PER_VOXEL, QUERY_FEATURES, TOKEN_FEATURES, Sampling, sampling, warp_grid


class Outputs(NamedTuple):
    """Logits ``heat`` (B, classes, F, F), ``ground`` (B, ground classes, G, G); ``box`` (B, channels, F, F), SI units.

    G is GRID_CELLS, F is OBJECT_CELLS: objects have a finer grid than the ground.
    """

    heat: Tensor
    box: Tensor
    ground: Tensor


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(True)
    )


class Residual(nn.Module):
    """Two 3x3 convolutions with a skip connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _conv(channels, channels)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        return F.relu(x + self.second(self.first(x)))


class Backbone(nn.Module):
    """Image (M, 3, 128, 320) to features (M, C, 16, 40). Plain convolutions: fast on CPUs and in TensorRT."""

    def __init__(self, channels: int, widths: tuple[int, int, int] = (24, 48, 96)) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, widths[0], 5, 4, 2, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(True),
            Residual(widths[0]),
        )
        self.stride8 = nn.Sequential(_conv(widths[0], widths[1], stride=2), Residual(widths[1]), Residual(widths[1]))
        self.stride16 = nn.Sequential(_conv(widths[1], widths[2], stride=2), Residual(widths[2]), Residual(widths[2]))
        self.lateral8 = nn.Conv2d(widths[1], channels, 1)
        self.lateral16 = nn.Conv2d(widths[2], channels, 1)
        self.out = _conv(channels, channels)

    def forward(self, images: Tensor) -> Tensor:
        """Run the feature pyramid."""
        fine = self.stride8(self.stem(images))
        coarse = F.interpolate(self.lateral16(self.stride16(fine)), scale_factor=2.0, mode="nearest")
        return self.out(self.lateral8(fine) + coarse)


class AttentionLift(nn.Module):
    """Each bird's-eye cell attends to its voxels' pixels: 2 cameras x 3 heights, small keys, values projected first."""

    heights: Tensor

    def __init__(self, channels: int, heads: int = 4, key: int = 4) -> None:
        super().__init__()
        self.channels, self.heads, self.key = channels, heads, key
        self.register_buffer("heights", torch.tensor(HEIGHTS_M), persistent=False)
        self.query_embed = nn.Sequential(nn.Conv2d(QUERY_FEATURES, 32, 1), nn.ReLU(), nn.Conv2d(32, channels, 1))
        self.query = nn.Conv2d(channels, heads * key, 1)
        self.key_value = nn.Conv2d(channels, channels + heads * key, 1)
        # geometry of a ray -> what to add to its key, and a bias of its logit
        self.token_embed = nn.Sequential(
            nn.Conv2d(TOKEN_FEATURES, 16, 1), nn.ReLU(), nn.Conv2d(16, heads * key + heads, 1)
        )
        self.merge = nn.Conv2d(len(HEIGHTS_M) * channels, channels, 1)
        self.feed_forward = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 1), nn.ReLU(), nn.Conv2d(2 * channels, channels, 1)
        )
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, atlas: Tensor, where: Sampling) -> Tensor:
        """Lift the atlas (B, C, N * h, w) to bird's-eye features (B, C, G, G)."""
        batch, heads, key, heights = atlas.shape[0], self.heads, self.key, len(HEIGHTS_M)
        cells = where.query.shape[-1]
        area, tokens = cells * cells, CAMERAS_PER_VOXEL * heights
        sampled = F.grid_sample(
            self.key_value(atlas), where.grid, mode="bilinear", padding_mode="zeros", align_corners=False
        )
        value, keys = sampled.split([self.channels, heads * key], 1)
        key_bias, logit_bias = self.token_embed(where.token).split([heads * key, heads], 1)
        keys = (keys + key_bias).reshape(batch, heads, key, tokens, area)
        embedded = self.query_embed(where.query)
        query = self.query(embedded).reshape(batch, heads, key, 1, area)
        visible = where.visible.reshape(batch, 1, tokens, area)
        logits = (query * keys).sum(2) * key**-0.5 + logit_bias.reshape(batch, heads, tokens, area)
        # weights sum to the number of heights, because heights are concatenated, not averaged, below
        weights = torch.softmax(logits + (visible - 1) * 1e4, 2) * visible * heights
        per_height = (
            weights.reshape(batch, heads, 1, CAMERAS_PER_VOXEL, heights * area)
            * value.reshape(batch, heads, self.channels // heads, CAMERAS_PER_VOXEL, heights * area)
        ).sum(3)
        columns = per_height.reshape(batch, self.channels, heights, area).transpose(1, 2)
        x = embedded + self.merge(columns.reshape(batch, heights * self.channels, cells, cells))
        return self.norm(x + self.feed_forward(x))


class TransformerLayer(nn.Module):
    """Pre-norm self-attention and feed-forward over (B, L, D)."""

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm_feed = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Attend over all tokens; written out so that it exports to plain MatMul and Softmax."""
        batch, length, width = x.shape
        qkv = self.qkv(self.norm_attention(x)).reshape(batch, length, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        weights = torch.softmax(q @ k.transpose(-1, -2) * (width // self.heads) ** -0.5, -1)
        x = x + self.out((weights @ v).transpose(1, 2).reshape(batch, length, width))
        return x + self.feed_forward(self.norm_feed(x))


class BirdsEyeNet(nn.Module):
    """Fuse memory, then a U-Net 64 -> 32 -> 16 with global self-attention at the bottom."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        # + 2: whether the memory covers the cell, and how old it is
        self.enter = _conv(channels + MEMORY_CHANNELS + 2, channels)
        self.down2 = nn.Sequential(_conv(channels, 96, stride=2), Residual(96))
        self.down4 = _conv(96, 128, stride=2)
        self.position = nn.Parameter(torch.randn(1, (GRID_CELLS // 4) ** 2, 128) * 0.02)
        self.transformer = nn.Sequential(TransformerLayer(128), TransformerLayer(128))
        self.up4 = nn.Conv2d(128, 96, 1)
        self.merge2 = _conv(96, 96)
        self.up2 = nn.Conv2d(96, channels, 1)
        self.merge1 = _conv(channels, channels)

    def forward(self, features: Tensor, memory: Tensor) -> Tensor:
        """``features`` (B, C, G, G) of now and ``memory`` (B, M + 2, G, G) already warped; zeros mean no memory."""
        fine = self.enter(torch.cat([features, memory], 1))
        half = self.down2(fine)
        quarter = self.down4(half)
        batch, width, rows, columns = quarter.shape
        tokens = self.transformer(quarter.flatten(2).transpose(1, 2) + self.position)
        quarter = tokens.transpose(1, 2).reshape(batch, width, rows, columns)
        half = self.merge2(half + F.interpolate(self.up4(quarter), scale_factor=2.0, mode="nearest"))
        return self.merge1(fine + F.interpolate(self.up2(half), scale_factor=2.0, mode="nearest"))


class VisionNetwork(nn.Module):
    """The whole network, batched; ``ExportedNetwork`` is the single-sample form that ships."""

    box_scale: Tensor

    def __init__(self, channels: int = CHANNELS) -> None:
        super().__init__()
        self.channels = channels
        self.backbone = Backbone(channels)
        self.lift = AttentionLift(channels)
        self.birds_eye = BirdsEyeNet(channels)
        fine = SUBCELLS**2
        self.heads = nn.ModuleDict(
            {
                "heat": nn.Sequential(_conv(channels, 64), nn.Conv2d(64, fine * len(ObjectClass), 1)),
                "box": nn.Sequential(_conv(channels, 64), nn.Conv2d(64, fine * len(BOX_CHANNELS), 1)),
                "ground": nn.Sequential(_conv(channels, 32), nn.Conv2d(32, len(GroundClass), 1)),
            }
        )
        # nearly every cell is empty: start by saying so
        last = self.heads["heat"].get_submodule("1")
        assert isinstance(last, nn.Conv2d) and last.bias is not None
        nn.init.constant_(last.bias, -4.0)
        scale = torch.ones(len(BOX_CHANNELS))
        scale[VELOCITY] = VELOCITY_SCALE
        self.register_buffer("box_scale", scale[:, None, None], persistent=False)

    def encode(
        self, images: Tensor, camera_index: Tensor, intrinsics: Tensor, optical_from_base: Tensor, extent: Tensor
    ) -> Tensor:
        """Features (B, C, G, G) of one frame per sample, before any memory.

        ``images`` (M, 3, 128, 320) of all samples, ``camera_index`` (B, N) into them (M where a sample has fewer than N
        cameras), ``intrinsics`` (B, N, 4), ``optical_from_base`` (B, N, 3, 4), ``extent`` (B, 4).
        """
        maps = self.backbone(images)
        maps = torch.cat([maps, torch.zeros_like(maps[:1])])
        batch, cameras = camera_index.shape
        _, channels, height, width = maps.shape
        atlas = maps[camera_index.reshape(-1)].reshape(batch, cameras, channels, height, width)
        atlas = atlas.transpose(1, 2).reshape(batch, channels, cameras * height, width)
        return self.lift(atlas, sampling(intrinsics, optical_from_base, extent, self.lift.heights, GRID_CELLS))

    def decode(
        self, features: Tensor, memory: Tensor, previous_from_current: Tensor, memory_dt: Tensor, extent: Tensor
    ) -> Outputs:
        """Fuse ``features`` with ``memory`` (B, M, G, G) of ``memory_dt`` (B,) seconds ago and run the heads.

        ``previous_from_current`` (B, 3) is the planar pose of base_link now, seen from base_link then. Where
        ``memory_dt`` is 0 there is no memory, and whatever ``memory`` holds has no influence.
        """
        grid, inside = warp_grid(extent, previous_from_current, GRID_CELLS)
        warped = F.grid_sample(memory, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        inside = inside * (memory_dt > 0).to(inside.dtype)[:, None, None, None]
        fused = self.birds_eye(
            features, torch.cat([warped * inside, inside, inside * memory_dt[:, None, None, None]], 1)
        )
        # the channels of a cell are those of its subcells: a finer grid without the cost of finer features
        heat, box = (F.pixel_shuffle(self.heads[name](fused), SUBCELLS) for name in ("heat", "box"))
        ground: Tensor = self.heads["ground"](fused)
        return Outputs(heat, box * self.box_scale, ground)


def memory_of(features: Tensor, heat: Tensor) -> Tensor:
    """What to feed back later (B, M, G, G): lifted features (B, C, G, G) and heat maps (B, classes, F, F) in 0..1."""
    return torch.cat([features, F.max_pool2d(heat, SUBCELLS)], 1)


class ExportedNetwork(nn.Module):
    """The network as shipped: one frame of N cameras, sigmoid outputs, and the features to feed back later."""

    def __init__(self, network: VisionNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        images: Tensor,
        intrinsics: Tensor,
        optical_from_base: Tensor,
        extent: Tensor,
        memory: Tensor,
        previous_from_current: Tensor,
        memory_dt: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return heat, box, ground and features; shapes as in the manifest."""
        maps = self.network.backbone(images)
        atlas = maps.transpose(0, 1).reshape(1, maps.shape[1], -1, maps.shape[3])
        lift = self.network.lift
        where = sampling(intrinsics[None], optical_from_base[None], extent[None], lift.heights, GRID_CELLS)
        features = lift(atlas, where)
        out = self.network.decode(features, memory, previous_from_current[None], memory_dt, extent[None])
        heat = torch.sigmoid(out.heat)
        return heat, out.box, torch.sigmoid(out.ground), memory_of(features, heat)
