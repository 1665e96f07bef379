"""Training losses: focal on centres, L1 on boxes, logistic on fronts, Huber on velocities, cross-entropy on ground."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from autodrive.data.dataset import Batch
from autodrive.scene import GroundClass
from autodrive.vision.layout import AXIS, LOG_SIZE, OFFSET, RAY, VELOCITY, VELOCITY_SCALE, Z
from autodrive.vision.network import Outputs

# paint covers few cells
GROUND_POSITIVE_WEIGHT = {
    GroundClass.FREE: 1.0,
    GroundClass.LANE_MARKING: 3.0,
    GroundClass.CROSSWALK: 3.0,
    GroundClass.STOP_LINE: 15.0,  # two orders of magnitude rarer than lane markings
}
WEIGHTS = {"heat": 1.0, "offset": 0.5, "z": 1.0, "size": 0.5, "axis": 0.7, "ray": 1.0, "velocity": 4.0, "ground": 2.0}
# in units of VELOCITY_SCALE: quadratic below, linear above
VELOCITY_KNEE = 0.5
# the ray angle only decides which end of the box is its front: a choice of two, and L1 would settle between them
RAY_SHARPNESS = 4.0
BOX_PARTS = {"offset": OFFSET, "z": Z, "size": LOG_SIZE, "axis": AXIS, "ray": RAY, "velocity": VELOCITY}


def focal_loss(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Focal loss of CenterNet: a peak is 1, its surroundings are punished less, normalised by the number of peaks."""
    probability = torch.sigmoid(logits).clamp(1e-4, 1 - 1e-4)
    peak = (target >= 0.999).to(logits.dtype)
    at_peak = peak * (1 - probability) ** 2 * probability.log()
    elsewhere = (1 - peak) * (1 - target) ** 4 * probability**2 * (1 - probability).log()
    return -((at_peak + elsewhere) * weight).sum() / (peak * weight).sum().clamp(min=1)


def perception_losses(outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
    """The loss parts by name; their sum weighted by WEIGHTS is what is minimised."""
    heat, box, ground = (o.float() for o in outputs)
    true_heat, heat_weight, true_box, box_weight, true_ground, ground_weight = (
        t.float()
        for t in (
            *(batch.heat, batch.heat_weight),
            *(batch.box, batch.box_weight),
            *(batch.ground, batch.ground_weight),
        )
    )
    difference = box - true_box
    # counted once although it has two channels
    front = F.softplus(-RAY_SHARPNESS * (box[:, RAY] * true_box[:, RAY]).sum(1, keepdim=True)) / 2
    velocity = difference[:, VELOCITY] / VELOCITY_SCALE
    # most objects stand still: the median velocity, which L1 asks for, is zero whatever the images show
    error = torch.cat(
        [
            difference[:, : RAY.start].abs(),
            front.expand(-1, 2, -1, -1),
            F.smooth_l1_loss(velocity, torch.zeros_like(velocity), reduction="none", beta=VELOCITY_KNEE),
        ],
        1,
    )
    error = error * box_weight
    objects = box_weight[:, 0].sum().clamp(min=1)
    parts = {"heat": focal_loss(heat, true_heat, heat_weight)}
    for name, channels in BOX_PARTS.items():
        parts[name] = error[:, channels].sum() / objects
    positive = torch.tensor([GROUND_POSITIVE_WEIGHT[kind] for kind in GroundClass], device=ground.device)[:, None, None]
    crossentropy = F.binary_cross_entropy_with_logits(ground, true_ground, pos_weight=positive, reduction="none")
    weight = ground_weight[:, None]
    parts["ground"] = (crossentropy * weight).sum() / (weight.sum() * len(GroundClass)).clamp(min=1)
    return parts


def total_loss(parts: dict[str, Tensor]) -> Tensor:
    """The weighted sum of the parts."""
    return torch.stack([WEIGHTS[name] * value for name, value in parts.items()]).sum()
