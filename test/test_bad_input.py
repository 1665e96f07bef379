"""Whatever is wrong, a user gets one clear line and a clean end; a bad message never stops the car's brakes."""

from __future__ import annotations

import fcntl
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from graph_bench import GraphBench
from graph_run import REPOSITORY, wait_for
from rosgraph_msgs.msg import Clock

from autodrive.geometry import Pose2
from autodrive.inference.manifest import load_manifest, write_manifest
from autodrive.rig import load_rig
from autodrive.scene import Command, EgoState
from autodrive.transport.ring import PREFIX, SHM, RingWriter
from autodrive_nodes import contracts, messages
from autodrive_nodes.camera_ingestion_node import CameraIngestionNode
from autodrive_nodes.cli import main
from autodrive_nodes.paths import DEFAULT_ENGINE, ENVELOPES, RIGS
from autodrive_nodes.perception_node import PerceptionNode
from autodrive_nodes.planning_node import PlanningNode
from autodrive_nodes.processes import containers
from autodrive_nodes.safety_gate_node import SafetyGateNode
from autodrive_nodes.stage_node import FATAL_PREFIX, StageNode
from autodrive_nodes.world_bridge_node import WorldBridgeNode

RIG = RIGS / "car.yaml"
Spoil = Callable[[Any], None]


def refusal(stage: StageNode, capfd: pytest.CaptureFixture[str]) -> str:
    """What a stage says that must not come up: one line."""
    capfd.readouterr()
    assert stage.trigger_configure().name == "FAILURE"
    said = capfd.readouterr().err
    assert said.startswith(f"{FATAL_PREFIX}{stage.get_name()}: ") and "Traceback" not in said
    return said


def without_position(rig: Any) -> None:
    del rig["cameras"][2]["position"]


def same_name_twice(rig: Any) -> None:
    rig["cameras"][1]["name"] = "front"


def not_a_number(rig: Any) -> None:
    rig["cameras"][3]["position"][1] = math.nan


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [(without_position, "position"), (same_name_twice, "not unique"), (not_a_number, "cameras[3]")],
)
def test_a_wrong_rig_file_is_refused(
    spoil: Spoil, complaint: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rig = yaml.safe_load(RIG.read_text())
    spoil(rig)
    path = tmp_path / "rig.yaml"
    path.write_text(yaml.safe_dump(rig))
    with GraphBench():
        said = refusal(CameraIngestionNode("camera_ingestion", {"rig": str(path)}), capfd)
    assert complaint in said and str(path) in said


def test_an_unknown_town_is_refused_with_the_names_of_those_that_exist(capfd: pytest.CaptureFixture[str]) -> None:
    world = {"world": "autodrive.sim.town_world:TownWorld", "town": "atlantis", "rig": str(RIG)}
    with GraphBench():
        said = refusal(WorldBridgeNode("world_bridge", world), capfd)
    assert "atlantis" in said and "brook" in said


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """A copy of the shipped network; its manifest."""
    for name in ("vision.yaml", "vision.onnx"):
        shutil.copy(DEFAULT_ENGINE.parent / name, tmp_path / name)
    return tmp_path / "vision.yaml"


def flip_a_byte(manifest: Path) -> None:
    file = manifest.with_suffix(".onnx")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def remove_the_file(manifest: Path) -> None:
    manifest.with_suffix(".onnx").unlink()


def manifest_of_another_network(manifest: Path) -> None:
    stated = load_manifest(manifest)
    first, *others = stated.inputs
    write_manifest(manifest, replace(stated, inputs=(replace(first, name="pixels"), *others)))


def another_shape(manifest: Path) -> None:
    stated = load_manifest(manifest)
    first, *others = stated.outputs
    write_manifest(manifest, replace(stated, outputs=(replace(first, shape=(*first.shape[:-1], 7)), *others)))


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (flip_a_byte, "corrupted"),
        (remove_the_file, "No such file"),
        (manifest_of_another_network, "pixels"),
        (another_shape, "the manifest states"),
    ],
)
def test_a_wrong_network_is_refused(
    spoil: Callable[[Path], None], complaint: str, engine: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    spoil(engine)
    with GraphBench():
        said = refusal(PerceptionNode("perception", {"rig": str(RIG), "engine": str(engine)}), capfd)
    assert complaint in said and "vision" in said


# --- messages ------------------------------------------------------------------------------------------------------


def complaints(heard: list[Any], name: str) -> list[str]:
    found = [status for message in heard for status in message.status if status.name == name]
    return [status.message for status in found if status.level == status.ERROR]


def test_a_camera_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autodrive_nodes.camera_ingestion_node.MISSING_AFTER_S", 0.3)
    rig = load_rig(RIG)
    image = np.zeros((160, 320, 3), np.uint8)
    with GraphBench() as bench:
        heard = bench.listen(contracts.DIAGNOSTICS)
        bench.up(CameraIngestionNode("camera_ingestion", {"rig": str(RIG), "source": "auto", "mode": "realtime"}))
        for stamp in range(3):
            for camera in rig.cameras[:-1]:
                bench.publish(contracts.IMAGE, messages.to_image(stamp, camera, image), camera=camera.name)
        bench.spin(lambda: bool(complaints(heard, "camera_ingestion")))
    (text, *_) = complaints(heard, "camera_ingestion")
    assert "rear" in text.split("no image from ")[1].split(" for ")[0].split(", ")
    assert "front" not in text


@pytest.mark.parametrize(("field", "value", "complaint"), [("height", 161, "bytes"), ("encoding", "yuyv", "yuyv")])
def test_an_image_of_another_kind_is_refused_by_its_topic_and_the_next_is_taken(
    field: str, value: Any, complaint: str
) -> None:
    camera = load_rig(RIG).cameras[0]
    with GraphBench() as bench:
        heard = bench.listen(contracts.DIAGNOSTICS)
        node = CameraIngestionNode("camera_ingestion", {"rig": str(RIG), "source": "auto", "mode": "realtime"})
        bench.up(node)
        wrong = messages.to_image(1, camera, np.zeros((160, 320, 3), np.uint8))
        setattr(wrong, field, value)
        small = messages.to_image(2, camera, np.zeros((80, 160, 3), np.uint8))
        for message in (wrong, small, messages.to_image(3, camera, np.zeros((160, 320, 3), np.uint8))):
            bench.publish(contracts.IMAGE, message, camera=camera.name)
        bench.spin(lambda: len(complaints(heard, "camera_ingestion")) == 2)
        bench.settle()
    first, second = complaints(heard, "camera_ingestion")
    assert "/camera/front/image_raw" in first and complaint in first
    assert "160x80" in second and "320x160" in second


def test_odometry_that_is_not_a_number_is_refused_by_planning() -> None:
    with GraphBench() as bench:
        heard = bench.listen(contracts.DIAGNOSTICS)
        bench.up(PlanningNode("planning", {"mode": "realtime"}))
        mad = EgoState(1_000_000_000, Pose2(0.0, math.nan, 0.0), 5.0, 0.0)
        bench.publish(contracts.ODOMETRY, messages.to_odometry(mad))
        bench.spin(lambda: bool(complaints(heard, "planning")))
    assert contracts.ODOMETRY.name in complaints(heard, "planning")[0]


def drive(bench: GraphBench, stamp_ns: int, *, control: bool, odometry: float) -> None:
    ego = EgoState(stamp_ns, Pose2(odometry, 0.0, 0.0), 8.0, 0.0)
    bench.publish(contracts.CLOCK, Clock(clock=messages.to_time(stamp_ns)))
    bench.publish(contracts.ODOMETRY, messages.to_odometry(ego))
    bench.publish(contracts.TRACKS, messages.to_tracks(stamp_ns, ()))
    if control:
        bench.publish(contracts.CONTROL, messages.to_control(Command(stamp_ns, 0.0, 0.2, 8.0)))
    bench.settle(0.1)


@pytest.mark.parametrize(("control", "odometry"), [(False, 0.0), (True, math.nan)], ids=["silence", "mad odometry"])
def test_the_gate_brakes_within_half_a_second(control: bool, odometry: float) -> None:
    tick = 100_000_000
    with GraphBench() as bench:
        heard = bench.listen(contracts.COMMAND)
        bench.up(SafetyGateNode("safety_gate", {"envelope": str(ENVELOPES / "car.yaml"), "mode": "realtime"}))
        for k in range(10, 20):
            drive(bench, k * tick, control=True, odometry=0.0)
        assert heard[-1].longitudinal.acceleration > 0
        for k in range(20, 26):
            drive(bench, k * tick, control=control, odometry=odometry)
    last = heard[-1]
    assert messages.stamp_ns(last.stamp) <= 25 * tick
    assert last.longitudinal.acceleration < -0.5 and last.longitudinal.velocity == 0.0


# --- the command ---------------------------------------------------------------------------------------------------


class Drive:
    """``autodrive run car`` under way."""

    def __init__(self, out: Path, *words: str, **environment: str | None) -> None:
        inherited = {**os.environ, "PYTHONPATH": str(REPOSITORY), "ROS_DOMAIN_ID": None, **environment}
        command = [sys.executable, "-m", "autodrive_nodes.cli", "run", "car", "--town", "brook", "--out", str(out)]
        self.out = out
        self.process = subprocess.Popen(
            [*command, *words],
            env={name: value for name, value in inherited.items() if value is not None},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Drive:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()  # its children die with it
        self.process.wait()

    def running(self) -> dict[str, int]:
        """The processes of the graph once it drives."""

        def ready() -> bool:
            log = self.out / "log" / "manager.log"
            assert self.process.poll() is None, self.process.communicate()[1]
            return log.exists() and "READY" in log.read_text()

        wait_for(ready, "the graph comes up", 90.0)
        return containers(self.process.pid)

    def end(self, timeout_s: float) -> tuple[int, str]:
        """Exit status and what was said about the end; checks that nothing is left behind."""
        started = containers(self.process.pid)
        _, errors = self.process.communicate(timeout=timeout_s)
        assert "Traceback" not in errors
        assert not [pid for pid in started.values() if Path(f"/proc/{pid}").exists()]
        assert not [path for path in SHM.glob(f"{PREFIX}-*") if path.name.split("-")[2] in map(str, started.values())]
        assert not list(self.out.glob("report.json*"))
        said = [line for line in errors.replace("\r", "\n").splitlines() if line.startswith("autodrive: ")]
        assert len(said) == 1, errors
        return self.process.returncode, said[0]


def a_dead_process() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_a_drive_in_an_unknown_town_fails_and_sweeps_up_after_killed_runs(tmp_path: Path) -> None:
    stale = SHM / f"{PREFIX}-{os.getuid()}-{a_dead_process()}-camera_front"
    stale.write_bytes(b"left behind")
    ours = RingWriter("kept", 100)
    try:
        with Drive(tmp_path, "--town", "atlantis") as run:
            status, said = run.end(90.0)
        assert status == 1
        assert "atlantis" in said and "brook" in said
        assert not stale.exists()
        assert (SHM / ours.segment).exists()
    finally:
        stale.unlink(missing_ok=True)
        ours.close()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--duration", "nan"), "--duration"),
        (("--duration", "inf"), "--duration"),
        (("--duration", "-1"), "--duration"),
        (("--engine", "/nowhere/vision.yaml"), "/nowhere/vision.yaml"),
        (("--out", "/proc/nowhere"), "/proc/nowhere"),
    ],
)
def test_wrong_options_fail_at_once(
    words: tuple[str, ...], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = [] if "--out" in words else ["--out", str(tmp_path)]
    assert main(["run", "car", *out, *words]) == 1
    said = capsys.readouterr().err
    assert said.startswith("autodrive: ") and said.count("\n") == 1 and complaint in said


def test_a_domain_that_another_run_uses_is_refused(tmp_path: Path) -> None:
    domain = "99"
    with (Path(tempfile.gettempdir()) / f"autodrive-{os.getuid()}-domain-{domain}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with Drive(tmp_path, ROS_DOMAIN_ID=domain) as run:
            status, said = run.end(90.0)
    assert status == 1 and f"ROS_DOMAIN_ID {domain}" in said


def test_an_earlier_report_does_not_outlive_a_drive_that_fails(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{}")
    assert main(["run", "car", "--out", str(tmp_path), "--engine", str(tmp_path / "vision.yaml")]) == 1
    assert not (tmp_path / "report.json").exists()


def test_ctrl_c_during_the_start_ends_everything(tmp_path: Path) -> None:
    with Drive(tmp_path) as run:
        wait_for(lambda: len(containers(run.process.pid)) >= 3, "processes start")
        run.process.send_signal(signal.SIGINT)
        assert run.end(90.0) == (130, "autodrive: stopped")


def test_ctrl_c_in_the_middle_ends_everything(tmp_path: Path) -> None:
    with Drive(tmp_path) as run:
        assert {"world", "vision", "driving", "safety", "scoring", "recording", "manager"} == run.running().keys()
        run.process.send_signal(signal.SIGINT)
        assert run.end(90.0) == (130, "autodrive: stopped")


def test_a_process_that_is_killed_is_named(tmp_path: Path) -> None:
    with Drive(tmp_path) as run:
        os.kill(run.running()["vision"], signal.SIGKILL)
        status, said = run.end(90.0)
    assert status == 1
    assert "'vision'" in said and "SIGKILL" in said and "vision.log" in said
