"""Training: losses fall, a killed run resumes with the same bits, bad runs and files are refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_samples import fake_sample, shipped_rig

from autodrive.data.augment import plain_view
from autodrive.data.checkpoint import load_checkpoint, load_weights
from autodrive.data.dataset import collate
from autodrive.data.evaluate_perception import evaluate_samples, headline
from autodrive.data.losses import focal_loss, perception_losses, total_loss
from autodrive.data.recipe import draw_curves, make_validator, training_sources
from autodrive.data.sample import save_sample
from autodrive.data.targets import make_targets
from autodrive.data.train import CHECKPOINT_NAME, TrainConfig, Trainer, learning_rate, read_csv, train
from autodrive.errors import ConfigError, InputError
from autodrive.vision.layout import VELOCITY
from autodrive.vision.network import Outputs, VisionNetwork

RIGS = [shipped_rig("car"), shipped_rig("humanoid")]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for rig in RIGS:
        for kind, seeds in (("train", range(3)), ("val", range(10, 12))):
            for seed in seeds:
                save_sample(folder / f"{rig.name}_{kind}" / f"{seed}.npz", fake_sample(rig, seed))
    return folder


def config(data: Path, out: Path, **changes) -> TrainConfig:
    settings = {"steps": 4, "batch_size": 2, "workers": 0, **changes}
    return TrainConfig(training_sources(data, RIGS), out, **settings)


def perfect_outputs(batch) -> Outputs:
    """Logits that say exactly what the targets ask for."""
    return Outputs(torch.logit(batch.heat.float(), 1e-4), batch.box.float(), (batch.ground.float() * 2 - 1) * 20)


@pytest.fixture(scope="module")
def batch():
    samples = [fake_sample(rig, 5) for rig in RIGS]
    views = [plain_view(s, rig.extent) for s, rig in zip(samples, RIGS, strict=True)]
    return collate([(v, make_targets(v, s.masks, s.mask_half_extent)) for v, s in zip(views, samples, strict=True)])


def test_perfect_outputs_cost_almost_nothing_and_every_part_sees_its_error(batch) -> None:
    perfect = perception_losses(perfect_outputs(batch), batch)
    assert total_loss(perfect) < 0.3, "only the slopes of the heat spots cost a little"
    worse = perfect_outputs(batch)
    worse.box[:, VELOCITY] += 5.0
    parts = perception_losses(worse, batch)
    assert parts["velocity"] > 0.2
    assert all(parts[name] == perfect[name] for name in parts if name != "velocity")
    wrong_ground = Outputs(worse.heat, batch.box, -perfect_outputs(batch).ground)
    assert perception_losses(wrong_ground, batch)["ground"] > 1


def test_cells_with_zero_weight_never_matter(batch) -> None:
    outputs = perfect_outputs(batch)
    before = perception_losses(outputs, batch)
    noise = torch.randn_like(outputs.box) * 100 * (batch.box_weight == 0)
    ground_noise = torch.randn_like(outputs.ground) * 100 * (batch.ground_weight == 0)[:, None]
    after = perception_losses(Outputs(outputs.heat, outputs.box + noise, outputs.ground + ground_noise), batch)
    for name, value in before.items():
        torch.testing.assert_close(after[name], value)


def test_focal_loss_punishes_misses_and_false_alarms_but_not_don_t_cares() -> None:
    target, weight = torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
    target[0, 0, 4, 4] = 1
    good = torch.full((1, 1, 8, 8), -8.0)
    good[0, 0, 4, 4] = 8.0
    alarm = good.clone()
    alarm[0, 0, 1, 1] = 8.0
    assert focal_loss(good, target, weight) < 1e-3 < 1 < focal_loss(alarm, target, weight)
    assert focal_loss(torch.full_like(good, -8.0), target, weight) > 1
    weight[0, 0, 1, 1] = 0
    assert focal_loss(alarm, target, weight) < 1e-3


def test_learning_rate_warms_up_and_anneals(data: Path, tmp_path: Path) -> None:
    c = config(data, tmp_path)
    assert learning_rate(c, 0, 0.0) < 0.05 * c.learning_rate
    assert learning_rate(c, 500, 0.0) == pytest.approx(c.learning_rate)
    assert learning_rate(c, 500, 0.5) == pytest.approx(0.505 * c.learning_rate)
    assert learning_rate(c, 500, 1.2) == pytest.approx(0.01 * c.learning_rate)


def test_training_on_one_batch_learns_it(batch, data: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    trainer = Trainer(config(data, tmp_path))
    losses = [trainer.step(batch, 100 + k, 0.0)["loss"] for k in range(12)]
    assert min(losses[-3:]) < 0.6 * losses[0]
    assert all(math.isfinite(v) for v in losses)


def test_a_batch_without_finite_gradient_changes_nothing(batch, data: Path, tmp_path: Path) -> None:
    trainer = Trainer(config(data, tmp_path))
    before = {k: v.clone() for k, v in trainer.network.named_parameters()}
    broken = type(batch)(**{**vars(batch), "box": torch.full_like(batch.box, float("nan"))})
    assert trainer.step(broken, 100, 0.0)["skipped"] == 1
    for name, value in trainer.network.named_parameters():
        assert torch.equal(value, before[name])


def test_a_resumed_run_ends_with_the_same_bits(data: Path, tmp_path: Path) -> None:
    whole = train(config(data, tmp_path / "whole"))

    class Killed(Exception):
        """Stands for a power cut."""

    def kill(step: int) -> None:
        raise Killed

    interrupted = config(data, tmp_path / "parts", checkpoint_minutes=0.0)
    original = Trainer.step

    def step_until(self, batch, step, done):
        if step == 2:
            kill(step)
        return original(self, batch, step, done)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "step", step_until)
        with pytest.raises(Killed):
            train(interrupted)
    resumed = train(config(data, tmp_path / "parts", resume=True))
    with np.load(whole) as a, np.load(resumed) as b:
        assert set(a.files) == set(b.files)
        for name in a.files:
            if name != "header":
                np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    assert load_weights(resumed, VisionNetwork()).step == 4


def test_two_processes_share_a_batch_and_repeat_to_the_bit(data: Path, tmp_path: Path) -> None:
    runs = [train(config(data, tmp_path / name, steps=2, processes=2)) for name in ("one", "two")]
    alone = train(config(data, tmp_path / "alone", steps=2))
    with np.load(runs[0]) as a, np.load(runs[1]) as b, np.load(alone) as c:
        for name in a.files:
            if name != "header":
                np.testing.assert_array_equal(a[name], b[name], err_msg=name)
        # the same samples in one process differ only by what batch normalisation sees
        weight = "network/heads.ground.1.weight"
        assert (a[weight] != c[weight]).any() and np.abs(a[weight] - c[weight]).max() < 1e-3
    with pytest.raises(ConfigError, match="cannot be shared by 3 processes"):
        config(data, tmp_path, processes=3)


def test_damaged_or_foreign_checkpoints_are_refused(data: Path, tmp_path: Path) -> None:
    path = tmp_path / CHECKPOINT_NAME
    path.write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(InputError, match="cannot be read"):
        load_weights(path, VisionNetwork())
    np.savez(path, header=np.array("{}"))
    with pytest.raises(InputError, match="another network"):
        load_weights(path, VisionNetwork())
    trainer = Trainer(config(data, tmp_path))
    with pytest.raises(InputError, match="another network"):
        load_checkpoint(path, trainer.network, trainer.average, trainer.optimizer)


def test_budget_must_be_one_positive_number(data: Path, tmp_path: Path) -> None:
    for changes in ({"minutes": 1.0, "steps": 1}, {"steps": None}, {"steps": 0}, {"steps": None, "minutes": -1.0}):
        with pytest.raises(ConfigError, match="budget"):
            config(data, tmp_path, **changes)
    with pytest.raises(InputError, match="holds no samples of rig 'car'"):
        training_sources(tmp_path, RIGS)


def test_validation_and_curves(data: Path, tmp_path: Path) -> None:
    validate = make_validator(data, RIGS, frames=2)
    assert all(math.isnan(v) for v in make_validator(tmp_path, RIGS)(VisionNetwork()).values())
    train(config(data, tmp_path, steps=25), validate)
    scores = read_csv(tmp_path / "validation.csv")
    assert {"step", "car_vehicle", "humanoid_cone", "car_iou_free"} <= scores.keys()
    assert read_csv(tmp_path / "log.csv")["step"] == [25]
    picture = draw_curves(tmp_path)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert not list(tmp_path.glob("tmp*"))


def test_the_shuffled_control_exposes_what_is_not_seen() -> None:
    """A stand-in that knows the truth of every image: perfect on its own images, wrong when shown another frame's."""
    rig = RIGS[0]
    samples = [fake_sample(rig, seed) for seed in range(20, 26)]
    truth = {}
    for sample in samples:
        view = plain_view(sample, rig.extent)
        truth[view.images.tobytes()] = make_targets(view, sample.masks, sample.mask_half_extent)
    anything = next(iter(truth.values()))

    def run(inputs):
        images = np.round(inputs["images"] * 64 + 128).astype(np.uint8).transpose(0, 2, 3, 1)
        target = truth.get(images.tobytes(), anything)  # earlier frames are not known, and not scored
        outputs = {"heat": target.heat, "box": target.box, "ground": target.ground}
        return {**{name: value[None] for name, value in outputs.items()}, "features": np.zeros((1, 48, 64, 64))}

    right = headline("car", evaluate_samples(run, samples, rig))
    wrong = headline("car", evaluate_samples(run, samples, rig, shuffle=True))
    assert right["car_pedestrian"] > 0.9 and right["car_iou_free"] == 1.0
    assert wrong["car_pedestrian"] < 0.3
