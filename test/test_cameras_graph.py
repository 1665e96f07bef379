"""Real cameras over the real graph: recordings become frame sets, and what goes wrong with a camera is said of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from graph_bench import GraphBench
from graph_run import REPOSITORY, Run
from sensor_msgs.msg import CompressedImage, Image

from autodrive.camera.setup_file import read_camera_setup
from autodrive.errors import ConfigError
from autodrive.rig import load_rig
from autodrive.transport.ring import RingReader, RingWriter
from autodrive_nodes import contracts, frame_set, messages
from autodrive_nodes.camera_ingestion_node import CameraIngestionNode
from autodrive_nodes.cameras_node import CamerasNode
from autodrive_nodes.graph import Options
from autodrive_nodes.stage_node import FATAL_PREFIX, StageNode

WIDTH, HEIGHT = 64, 48
NAMES = ("front", "rear")
START_US = 1526915243000000
PERIOD_US, PHASE_US = 50_000, 8_000


def noisy(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(60, 200, (HEIGHT, WIDTH, 3), np.uint8)


@dataclass
class Cameras:
    """The files of a rig of two small cameras, 8 ms apart, at 20 Hz."""

    folder: Path

    def __post_init__(self) -> None:
        cameras = [
            {"name": n, "width": WIDTH, "height": HEIGHT, "hfov_deg": 80, "position": [0, 0, 1], "rpy": [0, 0, 0]}
            for n in NAMES
        ]
        self.rig = self.folder / "rig.yaml"
        self.rig.write_text(yaml.safe_dump({"name": "two", "extent": [-8, 8, -8, 8], "cameras": cameras}))

    def record(self, frames: int, **sizes: tuple[int, int]) -> dict[str, str]:
        """Folders of images; the words that name them."""
        for k, name in enumerate(NAMES):
            (self.folder / name).mkdir()
            for i in range(frames):
                image = cv2.resize(noisy(10 * i + k), sizes.get(name, (WIDTH, HEIGHT)))
                stamp = START_US + i * PERIOD_US + k * PHASE_US
                cv2.imwrite(str(self.folder / name / f"{name}_{stamp}.png"), image[..., ::-1])
        return {name: f"folder:{self.folder / name}" for name in NAMES}

    def setup(self, **content: Any) -> dict[str, str]:
        """The parameters of both nodes."""
        path = self.folder / "cameras.yaml"
        path.write_text(yaml.safe_dump({"rate_hz": 20.0, **content}))
        return {"rig": str(self.rig), "cameras": str(path), "mode": "realtime"}


@pytest.fixture
def cameras(tmp_path: Path) -> Cameras:
    return Cameras(tmp_path)


def statuses(heard: list[Any], name: str) -> list[Any]:
    return [s for message in heard for s in message.status if s.name == name]


def test_recordings_become_frame_sets_of_the_nearest_images(cameras: Cameras) -> None:
    parameters = cameras.setup(sources=cameras.record(30), latency_s=0.5)
    reader, seen = RingReader(), []

    with GraphBench() as bench:
        sets, diagnostics = bench.listen(contracts.FRAME_SET), bench.listen(contracts.DIAGNOSTICS)
        infos = bench.listen(contracts.CAMERA_INFO, camera="rear")
        bench.up(CameraIngestionNode("camera_ingestion", parameters))
        bench.up(CamerasNode("cameras", parameters))

        def look() -> bool:
            while len(seen) < len(sets):
                frames = dict(frame_set.from_message(sets[len(seen)]))
                seen.append({name: reader.view(frames[name]).copy() for name in NAMES})
            return len(seen) == 30

        bench.spin(look)
    for i, images in enumerate(seen):
        for k, name in enumerate(NAMES):
            np.testing.assert_array_equal(images[name], noisy(10 * i + k))
    stamps = [messages.stamp_ns(s.header.stamp) for s in sets]
    assert {b - a for a, b in pairwise(stamps)} == {PERIOD_US * 1000}
    status = next(s for s in statuses(diagnostics, "camera rear") if s.level == b"\x00")
    assert status.message == "delivers"
    assert {v.key: float(v.value) for v in status.values}["rate_hz"] == 20.0
    assert infos[0].width == WIDTH


def test_images_of_a_wrong_size_are_named_with_their_source(cameras: Cameras) -> None:
    parameters = cameras.setup(sources=cameras.record(5, rear=(80, 60)))
    with GraphBench() as bench:
        sets, diagnostics = bench.listen(contracts.FRAME_SET), bench.listen(contracts.DIAGNOSTICS)
        bench.up(CameraIngestionNode("camera_ingestion", parameters))
        bench.up(CamerasNode("cameras", parameters))
        bench.spin(lambda: len(statuses(diagnostics, "cameras")) > 0)
    said = statuses(diagnostics, "cameras")[0].message
    assert "camera 'rear' (folder:" in said and "80x60, the rig file says 64x48" in said
    assert not sets


def test_recordings_end_the_system(cameras: Cameras) -> None:
    parameters = cameras.setup(sources=cameras.record(20))
    options = Options(system="cameras", rig=parameters["rig"], cameras=parameters["cameras"], mode="realtime")
    with Run(options) as run:
        result = run.result()
    assert result == {"end": "the recordings are over", "images": {"front": 20, "rear": 20}}


class Live:
    """Publishes images of both cameras as drivers would, with stamps of the wall clock."""

    def __init__(self, bench: GraphBench) -> None:
        self._bench, self._count = bench, 0
        self._rings = {name: RingWriter(f"live_{name}", WIDTH * HEIGHT * 3) for name in NAMES}

    def expose(self, *names: str, **images: np.ndarray) -> None:
        stamp_ns = time.time_ns()
        for name in names:
            self._count += 1
            descriptor = self._rings[name].write(images.get(name, noisy(self._count)))
            self._bench.publish(contracts.IMAGE_SHM, messages.to_shared_image(stamp_ns, "x", descriptor), camera=name)
        self._bench.settle(0.03)

    def close(self) -> None:
        for ring in self._rings.values():
            ring.close()


def test_a_camera_that_is_lost_ends_the_sets_and_its_return_resumes_them(cameras: Cameras) -> None:
    with GraphBench() as bench:
        sets, diagnostics = bench.listen(contracts.FRAME_SET), bench.listen(contracts.DIAGNOSTICS)
        bench.up(CameraIngestionNode("camera_ingestion", cameras.setup(lost_s=0.4)))
        live = Live(bench)
        try:
            for _ in range(5):
                live.expose("front", "rear")
            bench.spin(lambda: len(sets) >= 4)
            while not any("no image for" in s.message for s in statuses(diagnostics, "camera rear")):
                live.expose("front")
            lost, told = len(sets), len(statuses(diagnostics, "camera rear"))
            live.expose("front", "rear")
            bench.spin(lambda: len(sets) == lost + 1)
            while not any(s.level != b"\x02" for s in statuses(diagnostics, "camera rear")[told:]):
                live.expose("front", "rear")
        finally:
            live.close()
    back = next(s for s in statuses(diagnostics, "camera rear")[told:] if s.level != b"\x02")
    assert {v.key: float(v.value) for v in back.values}["lost"] >= 1.0
    last_lost = [m for m in diagnostics if any("no image for" in s.message for s in statuses([m], "camera rear"))][-1]
    assert all("no image" not in s.message for s in statuses([last_lost], "camera front"))


def test_frozen_cameras_are_not_driven_by(cameras: Cameras) -> None:
    with GraphBench() as bench:
        sets, diagnostics = bench.listen(contracts.FRAME_SET), bench.listen(contracts.DIAGNOSTICS)
        bench.up(CameraIngestionNode("camera_ingestion", cameras.setup(frozen=4)))
        live = Live(bench)
        try:
            for _ in range(10):
                live.expose("front", "rear", rear=noisy(1))
            bench.spin(lambda: any("frozen" in s.message for s in statuses(diagnostics, "camera rear")))
            assert len(sets) == 3
            live.expose("front", "rear")
            bench.spin(lambda: len(sets) == 4)
        finally:
            live.close()
    said = {s.message for s in statuses(diagnostics, "camera_ingestion") if s.level != b"\x00"}
    assert said == {"camera rear: frozen: its images are equal"}


def test_raw_and_jpeg_topics_of_two_drivers_come_together(cameras: Cameras) -> None:
    rig = load_rig(cameras.rig)
    picture = cv2.GaussianBlur(noisy(3), (0, 0), 4)
    jpeg = cv2.imencode(".jpg", picture[..., ::-1])[1].tobytes()
    reader = RingReader()
    with GraphBench() as bench:
        sets = bench.listen(contracts.FRAME_SET)
        bench.up(CameraIngestionNode("camera_ingestion", {**cameras.setup(), "source": "auto"}))
        now = time.time_ns()
        raw: Image = messages.to_image(now, rig.cameras[0], noisy(7))
        packed = CompressedImage(header=messages.header(now + 5_000_000, "rear"), format="jpeg", data=jpeg)
        bench.publish(contracts.IMAGE, raw, camera="front")
        bench.publish(contracts.IMAGE_COMPRESSED, packed, camera="rear")
        bench.spin(lambda: len(sets) == 1)
        frames = dict(frame_set.from_message(sets[0]))
        assert messages.stamp_ns(sets[0].header.stamp) == now
        np.testing.assert_array_equal(reader.view(frames["front"]), noisy(7))
        assert np.abs(reader.view(frames["rear"]).astype(int) - picture).mean() < 3


def test_sources_that_are_not_there_end_the_start_in_one_line(
    cameras: Cameras, capfd: pytest.CaptureFixture[str]
) -> None:
    words = {"front": "v4l2:/dev/video97", "rear": "v4l2:/dev/video98"}
    with GraphBench():
        node: StageNode = CamerasNode("cameras", cameras.setup(sources=words))
        assert node.trigger_configure().name == "FAILURE"
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith(FATAL_PREFIX)]
    assert len(said) == 1 and "camera 'front' (/dev/video97) does not open" in said[0]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"rate_hz": 0}, "rate_hz must be a positive number"),
        ({"rate_hz": float("nan")}, "rate_hz must be a positive number"),
        ({"tolerance_s": 0.03}, "below half of 1 / rate_hz, 0.025 s"),
        ({"frozen": 2.5}, "frozen is a number of images"),
        ({"frozen": 1}, "frozen must be 0 or at least 2"),
        ({"clipped": 1.5}, "clipped in 0..1"),
        ({"wheels": 4}, "unknown keys ['wheels']"),
        ({"sources": {"front": "video:x"}}, "sources has cameras ['front'], the rig has ['front', 'rear']"),
        ({"sources": ["video:x"]}, "sources must map each camera to a text"),
    ],
)
def test_setup_files_are_checked(cameras: Cameras, content: dict[str, Any], complaint: str) -> None:
    path = Path(cameras.setup(**content)["cameras"])
    with pytest.raises(ConfigError) as caught:
        read_camera_setup(path, load_rig(cameras.rig))
    assert complaint in str(caught.value) and str(path) in str(caught.value)


def test_the_example_in_the_documentation_is_a_setup_file(cameras: Cameras) -> None:
    text = (REPOSITORY / "docs" / "camera_sources.md").read_text()
    path = cameras.folder / "cameras.yaml"
    path.write_text(text.partition("```yaml\n")[2].partition("```")[0])
    setup = read_camera_setup(path, load_rig(cameras.rig))
    assert setup.sources == {"front": "v4l2:/dev/video0", "rear": "v4l2:/dev/video2"}
    assert (setup.tolerance_ns, setup.limits.frozen, setup.limits.rate_hz) == (20_000_000, 10, 20.0)
