"""The benchmarks measure the real thing: every frame arrives through the ring, and both ways make the same picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_samples import shipped_rig

from autodrive_nodes import bench_preprocess, bench_record, bench_transport
from autodrive_nodes.bench_transport import PLAIN, RING, Load
from autodrive_nodes.cli import main


def test_the_ring_loses_nothing_and_plain_images_are_counted() -> None:
    load = Load(cameras=2, width=64, height=48, rate=40.0, frames=20)
    ring, plain = (bench_transport.measure(way, load) for way in (RING, PLAIN))
    assert ring["sent"] == plain["sent"] == 40
    assert ring["lost"] == 0
    assert 0 <= plain["lost"] < 40
    assert 0 < ring["latency_p50_ms"] <= ring["latency_p99_ms"]
    assert ring["writer_cpu_s"] > 0 and ring["reader_cpu_s"] > 0


def test_preprocessing_is_timed_for_all_ways() -> None:
    rig = shipped_rig("humanoid")
    rig = replace(rig, cameras=rig.cameras[:2])
    times = bench_preprocess.measure(rig, 640, 480, repeats=2)
    assert set(times) == {"autodrive", "undistort_resize", "stored_maps_resize"}
    assert all(np.isfinite(ms) and ms > 0 for ms in times.values())


def test_a_recorder_under_load_loses_nothing(tmp_path: Path) -> None:
    load = bench_record.Load(bench_record.scaled_rig(tmp_path, (160, 100)), rate=20.0, seconds=1.0)
    found = bench_record.measure_losses(load)
    assert found["images sent"] == 8 * 20 and found["other messages sent"] > 200
    assert found["lost"] == 0
    assert found["recorder's CPU, s per s"] > 0 and found["on disk, MB/s"] > 0


def test_of_a_killed_recorder_at_most_a_second_is_lost(tmp_path: Path) -> None:
    found = bench_record.measure_kills(bench_record.scaled_rig(tmp_path, (160, 100)), times=2)
    assert found["bags readable after repair"] == 2 and found["messages kept"] > 100
    assert found["lost at most, s"] <= 1.0


@pytest.mark.parametrize(
    "words",
    [
        ("preprocess", "--repeats", "0"),
        ("transport", "--rate", "nan"),
        ("transport", "--size", "1", "9"),
        ("record", "--drive", "-1"),
    ],
)
def test_senseless_options_are_refused(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *words]) == 1
    assert words[1] in capsys.readouterr().err
