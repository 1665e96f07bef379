"""Camera sources: what a file holds comes out with its times, what is no camera is refused in one line."""

from __future__ import annotations

import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from fake_samples import shipped_rig
from hypothesis import given
from hypothesis import strategies as st

from autodrive.camera.devices import exposure_ns
from autodrive.camera.feed import CameraFeed
from autodrive.camera.frame import Frame
from autodrive.camera.recordings import ImageFolder, VideoFile, decode_image
from autodrive.camera.source import Clocks, open_source
from autodrive.errors import ConfigError, EnvironmentProblem, InputError

CAMERA = shipped_rig("car").cameras[0]
CLOCKS = Clocks(time.time_ns, time.monotonic_ns)
TIMES_MS = (0, 40, 80, 200, 240)  # a variable rate


def picture(k: int) -> np.ndarray:
    """Flat colours survive any codec; red grows with k."""
    image = np.zeros((160, 320, 3), np.uint8)
    image[:, :160] = (20 + 40 * k, 60, 90)
    image[:, 160:] = (200, 20, 30)
    return image


def write_video(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 160, "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        for k, ms in enumerate(TIMES_MS):
            frame = av.VideoFrame.from_ndarray(picture(k), format="rgb24")
            frame.pts, frame.time_base = ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_folder(folder: Path, names: list[str]) -> Path:
    folder.mkdir()
    for k, name in enumerate(names):
        cv2.imwrite(str(folder / name), picture(k)[..., ::-1])
    return folder


def everything(source) -> list[Frame]:
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
    source.close()
    return frames


def test_a_video_keeps_its_times_and_colours(tmp_path: Path) -> None:
    frames = everything(VideoFile(write_video(tmp_path / "drive.mp4")))
    assert [f.stamp_ns for f in frames] == [ms * 1_000_000 for ms in TIMES_MS]
    for k, frame in enumerate(frames):
        assert np.abs(frame.image[8:-8, 8:150].astype(int) - picture(k)[8:-8, 8:150]).mean() < 4


def test_a_damaged_video_says_so_once_and_is_over(tmp_path: Path) -> None:
    path = write_video(tmp_path / "drive.mp4")
    (tmp_path / "cut.mp4").write_bytes(path.read_bytes()[:300])
    with pytest.raises(InputError, match=r"cut\.mp4"):
        everything(VideoFile(tmp_path / "cut.mp4"))


@pytest.mark.parametrize("content", [b"", b"not a video"])
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.mp4").write_bytes(content)
    with pytest.raises(InputError, match=r"video .*x\.mp4"):
        VideoFile(tmp_path / "x.mp4")
    with pytest.raises(InputError, match="No such file"):
        VideoFile(tmp_path / "absent.mp4")


def test_a_folder_without_times_has_the_rate_that_is_given(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "f", ["a0.png", "a1.png", "a2.jpg"])
    frames = everything(ImageFolder(folder, 20.0))
    assert [f.stamp_ns for f in frames] == [0, 50_000_000, 100_000_000]
    np.testing.assert_array_equal(frames[1].image, picture(1))
    with pytest.raises(InputError, match="rate_hz"):
        ImageFolder(folder, 0.0)


def test_names_give_microseconds_and_nanoseconds(tmp_path: Path) -> None:
    names = ["CAM__1526915243012465.png", "CAM__1526915243512465.png"]
    stamps = [f.stamp_ns for f in everything(ImageFolder(write_folder(tmp_path / "us", names), 0.0))]
    assert stamps == [1526915243012465000, 1526915243512465000]
    stamps = [
        f.stamp_ns for f in everything(ImageFolder(write_folder(tmp_path / "ns", ["1526915243012465001.png"]), 0))
    ]
    assert stamps == [1526915243012465001]


def test_folders_with_gaps_in_their_times_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="every name must end in a time"):
        ImageFolder(write_folder(tmp_path / "f", ["1526915243012465.png", "x.png"]), 10.0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="has no images"):
        ImageFolder(tmp_path / "empty", 10.0)


def test_a_damaged_image_is_named_and_the_next_one_comes(tmp_path: Path) -> None:
    source = ImageFolder(write_folder(tmp_path / "f", ["a.png", "b.png", "c.png"]), 10.0)
    (tmp_path / "f" / "b.png").write_bytes(b"garbage")
    assert source.read() is not None
    with pytest.raises(InputError, match=r"b\.png: 7 bytes are no image"):
        source.read()
    assert source.read().stamp_ns == 200_000_000  # type: ignore[union-attr]


@given(st.binary(max_size=200))
def test_garbage_is_no_image(data: bytes) -> None:
    with pytest.raises(InputError, match="topic: "):
        decode_image(data, "topic")


@pytest.mark.parametrize("word", ["", "video", "video:", "ftp:x", "/dev/video0"])
def test_unknown_words_list_the_known_ones(word: str) -> None:
    with pytest.raises(ConfigError, match=r"'front'.*v4l2:/dev/videoN"):
        open_source(word, CAMERA, 10.0, CLOCKS)


def test_a_device_that_is_not_there_is_an_input_error() -> None:
    with pytest.raises(InputError, match=r"'front' \(/dev/video97\) does not open"):
        open_source("v4l2:/dev/video97", CAMERA, 10.0, CLOCKS)


@pytest.mark.skipif(cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER), reason="this OpenCV has GStreamer")
def test_without_gstreamer_a_pipeline_says_what_to_install() -> None:
    with pytest.raises(EnvironmentProblem, match=r"without gstreamer.*python3-opencv"):
        open_source("gstreamer:videotestsrc ! appsink", CAMERA, 10.0, CLOCKS)


def test_stamps_of_drivers_become_wall_clock() -> None:
    now, monotonic = 1_700_000_000_000_000_000, 5_000_000_000_000
    assert exposure_ns(4_999_980.0, monotonic, now) == now - 20_000_000
    for nonsense in (0.0, -1.0, float("nan"), 5_000_001.0, 100.0):
        assert exposure_ns(nonsense, monotonic, now) == now


class Flaky:
    """A device whose first run breaks off: what CameraFeed must survive, without hardware to pull out."""

    first_ns = None
    resumes = False
    opened = 0

    def __init__(self) -> None:
        Flaky.opened += 1
        self.left, self.closed = 3, False

    def read(self) -> Frame:
        if not self.left:
            raise InputError("camera 'front' stopped sending images")
        self.left -= 1
        return Frame(time.time_ns(), picture(self.left))

    def close(self) -> None:
        self.closed = True


def test_a_device_that_was_lost_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autodrive.camera.feed.RETRY_S", 0.02)
    frames, complaints, twice = [], [], threading.Event()

    def deliver(name: str, frame: Frame) -> None:
        frames.append(name)
        if len(frames) >= 6:
            twice.set()

    first = Flaky()
    feed = CameraFeed(
        {"front": first}, lambda _: Flaky(), deliver, lambda n, t: complaints.append((n, t)), time.time_ns
    )
    feed.start()
    assert twice.wait(10)
    feed.close()
    assert first.closed and not feed.playing
    assert complaints[0] == ("front", "camera 'front' stopped sending images")


def test_recordings_start_together_and_keep_their_distances(tmp_path: Path) -> None:
    names = [f"x_{1526915243000000 + 1000 * ms}.png" for ms in (30, 90)]
    folder = ImageFolder(write_folder(tmp_path / "f", names), 0.0)
    got: dict[str, list[int]] = {"a": [], "b": []}
    other = write_folder(tmp_path / "g", [f"y_{1526915243000000 + 1000 * ms}.png" for ms in (0, 50, 100)])
    arrivals = []

    def deliver(name: str, frame: Frame) -> None:
        arrivals.append(time.time_ns() - frame.stamp_ns)
        got[name].append(frame.stamp_ns)

    sources = {"a": folder, "b": ImageFolder(other, 0.0)}
    feed = CameraFeed(sources, lambda _: folder, deliver, lambda *_: None, time.time_ns)
    feed.start()
    deadline = time.monotonic() + 10
    while feed.playing and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not feed.playing
    start = got["b"][0]
    assert [s - start for s in got["b"]] == [0, 50_000_000, 100_000_000]
    assert [s - start for s in got["a"]] == [30_000_000, 90_000_000]
    assert min(arrivals) >= 0


def test_recordings_of_different_clocks_are_refused(tmp_path: Path) -> None:
    folder = ImageFolder(write_folder(tmp_path / "f", ["x_1526915243000000.png"]), 0.0)
    video = VideoFile(write_video(tmp_path / "drive.mp4"))
    with pytest.raises(InputError, match="not of one time"):
        CameraFeed({"a": folder, "b": video}, lambda _: video, lambda *_: None, lambda *_: None, time.time_ns)


def test_a_damaged_image_of_a_recording_is_told_and_passed_over(tmp_path: Path) -> None:
    source = ImageFolder(write_folder(tmp_path / "f", ["a.png", "b.png", "c.png"]), 100.0)
    (tmp_path / "f" / "b.png").write_bytes(b"garbage")
    frames, complaints = [], []
    feed = CameraFeed(
        {"a": source}, lambda _: source, lambda _, f: frames.append(f), lambda _, t: complaints.append(t), time.time_ns
    )
    feed.start()
    deadline = time.monotonic() + 20
    while feed.playing and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(frames) == 2 and len(complaints) == 1 and "b.png" in complaints[0]
