"""What a comparison of engines says, on frames whose outcome is known."""

from __future__ import annotations

import numpy as np
import pytest
from fake_samples import ROOT, fake_sample, shipped_rig

from autodrive.data.compare_engines import compare_engines, cosine_similarity
from autodrive.data.evaluate_perception import Arrays
from autodrive.errors import InputError
from autodrive.inference.engine import Engine, load_engine

RIG = shipped_rig("humanoid")
SAMPLES = [fake_sample(RIG, seed) for seed in range(8)]


class Altered:
    """The shipped network, whose outputs are changed afterwards."""

    def __init__(self, engine: Engine, change) -> None:
        self.manifest, self.runtime, self._engine, self._change = engine.manifest, "altered", engine, change

    def run(self, inputs: Arrays) -> Arrays:
        outputs = self._engine.run(inputs)
        return {**outputs, **self._change(outputs)}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return load_engine(ROOT / "engines" / "vision.yaml", threads=2)


def test_an_engine_agrees_with_itself(engine: Engine) -> None:
    result = compare_engines(engine, engine, RIG, SAMPLES[:2])
    assert result.frames == 2 and set(result.cosine) == {"heat", "box", "ground", "features"}
    assert min(result.cosine.values()) == pytest.approx(1.0)
    assert result.reference.map_percent == result.candidate.map_percent


def test_a_head_that_is_blind_costs_all_points_and_only_its_own_similarity(engine: Engine) -> None:
    blind: Engine = Altered(engine, lambda outputs: {"heat": np.zeros_like(outputs["heat"])})
    result = compare_engines(engine, blind, RIG, SAMPLES)
    found = [value for value in result.reference.map_percent.values() if value is not None]
    assert len(found) == 4 and max(found) > 1, "the drawn objects must be found for this to say anything"
    assert result.ap_points_lost == pytest.approx(np.mean(found))
    assert result.cosine["heat"] == 0.0 and result.cosine["box"] == pytest.approx(1.0)


def test_the_worst_run_counts_and_nan_is_not_forgotten(engine: Engine) -> None:
    runs = iter(range(10))
    spoilt: Engine = Altered(engine, lambda o: {"box": o["box"] * (np.nan if next(runs) == 1 else 1.0)})
    assert np.isnan(compare_engines(engine, spoilt, RIG, SAMPLES[:2]).cosine["box"])
    runs = iter(range(10))
    turned: Engine = Altered(engine, lambda o: {"box": o["box"] * (-1.0 if next(runs) == 1 else 1.0)})
    assert compare_engines(engine, turned, RIG, SAMPLES[:2]).cosine["box"] == pytest.approx(-1.0)


def test_without_frames_there_is_nothing_to_say(engine: Engine) -> None:
    with pytest.raises(InputError, match="no frames"):
        compare_engines(engine, engine, RIG, [])


def test_cosine_similarity_of_what_is_zero_or_of_another_shape() -> None:
    zero, one = np.zeros(3), np.array([1.0, 0.0, 0.0])
    assert cosine_similarity(zero, zero) == 1.0 and cosine_similarity(zero, one) == 0.0
    assert cosine_similarity(2 * one, one) == pytest.approx(1.0)
    assert np.isnan(cosine_similarity(one, np.array([1.0, np.inf, 0.0])))
    with pytest.raises(InputError, match="shapes"):
        cosine_similarity(one, np.zeros(4))
