"""Calibration: pictures of a board through a known lens give that lens back; what cannot is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from autodrive.camera.boards import Charuco, Chessboard, View, parse_board
from autodrive.camera.calibrate import calibrate
from autodrive.camera.camera_info import Calibration, camera_info_from_dict, read_camera_info, write_camera_info
from autodrive.camera.views import find_views
from autodrive.errors import ConfigError, InputError
from autodrive.rig import load_rig
from autodrive_nodes.cli import main
from autodrive_nodes.paths import RIGS

WIDTH, HEIGHT = 480, 360
LENSES = {
    "plumb_bob": (-0.22, 0.06, 0.001, -0.0008, 0.0),
    "rational_polynomial": (0.5, -0.2, 0.0005, 0.0, 0.02, 0.7, -0.1, 0.0),
    "equidistant": (-0.02, 0.012, -0.004, 0.001),
}
PIXELS_PER_M = 2000
SQUARE, MARKER = 0.05, 0.037
CHESSBOARD = "chessboard:8x5:0.05"
CHARUCO = "charuco:9x6:0.05:0.037:5X5_100"


def truth(model: str) -> Calibration:
    K = np.array([[310.0, 0, 236.0], [0, 312.0, 183.0], [0, 0, 1]])
    return Calibration("front", WIDTH, HEIGHT, K, np.array(LENSES[model]), model)


def texture(word: str) -> np.ndarray:
    """The printed board with a white border of one square, PIXELS_PER_M; its origin is the first board corner."""
    if word == CHARUCO:
        board = parse_board(word)
        assert isinstance(board, Charuco)
        size = (round(9 * SQUARE * PIXELS_PER_M), round(6 * SQUARE * PIXELS_PER_M))
        print_ = board.board.generateImage(size)
    else:
        cells = np.indices((6, 9)).sum(0) % 2 * 255
        print_ = np.kron(cells, np.ones((round(SQUARE * PIXELS_PER_M),) * 2)).astype(np.uint8)
    return cv2.copyMakeBorder(print_, *[round(SQUARE * PIXELS_PER_M)] * 4, cv2.BORDER_CONSTANT, value=255)


def rays(lens: Calibration, scale: int) -> np.ndarray:
    """Directions (H * scale, W * scale, 2) at z = 1 of the pixels of the ``scale`` times finer image."""
    v, u = np.mgrid[: lens.height * scale, : lens.width * scale]
    pixels = (np.stack([u, v], -1).reshape(-1, 1, 2) + 0.5) / scale - 0.5
    if lens.model == "equidistant":
        undone = cv2.fisheye.undistortPoints(pixels.astype(np.float64), lens.K, lens.distortion)
    else:
        steps = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-10)
        undone = cv2.undistortPoints(pixels.astype(np.float64), lens.K, lens.distortion, criteria=steps)
    return undone.reshape(lens.height * scale, lens.width * scale, 2)


def photograph(board: np.ndarray, directions: np.ndarray, pose: np.ndarray, scale: int) -> np.ndarray:
    """The board at ``pose`` (4, 4), camera from the board's first square's outer corner; grey walls around it."""
    homography = np.linalg.inv(pose[:3, [0, 1, 3]])
    plane = np.concatenate([directions, np.ones_like(directions[..., :1])], -1) @ homography.T
    xy = (plane[..., :2] / plane[..., 2:] + SQUARE) * PIXELS_PER_M - 0.5
    fine = cv2.remap(board, *np.moveaxis(xy, -1, 0).astype(np.float32), cv2.INTER_LINEAR, borderValue=120)
    return cv2.resize(fine, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA)


def shoot(folder: Path, word: str, lens: Calibration, count: int = 14, seed: int = 0) -> Path:
    rng, board, directions = np.random.default_rng(seed), texture(word), rays(lens, 2)
    folder.mkdir()
    for k in range(count):
        pose = np.eye(4)
        pose[:3, :3] = Rotation.from_rotvec(rng.uniform(-0.5, 0.5, 3)).as_matrix()
        target = np.array([(k % 4 - 1.5) * 0.16, (k // 4 % 3 - 1) * 0.12, rng.uniform(0.42, 0.6)])
        pose[:3, 3] = target - pose[:3, :3] @ np.array([4.5 * SQUARE, 3 * SQUARE, 0])
        cv2.imwrite(str(folder / f"{k:03d}.png"), photograph(board, directions, pose, 2))
    return folder


def differences(a: Calibration, b: Calibration, views: Sequence[View]) -> tuple[float, float]:
    """How far two lenses differ, in pixels, where corners were seen (beyond, nothing is known): shift, and the rest.

    A shift of the whole image looks like a turn of the board, so it is what views tell least of.
    """
    pixels = np.concatenate([view.pixels for view in views])
    (left, top), (right, bottom) = np.quantile(pixels, 0.01, 0).astype(int), np.quantile(pixels, 0.99, 0).astype(int)
    assert right - left > 0.5 * WIDTH and bottom - top > 0.5 * HEIGHT
    directions = rays(b, 1)[top:bottom:10, left:right:10].reshape(-1, 1, 2)
    points = np.concatenate([directions, np.ones_like(directions[..., :1])], -1)
    zero = np.zeros(3)

    def seen(c: Calibration) -> np.ndarray:
        if c.model == "equidistant":
            return cv2.fisheye.projectPoints(points.reshape(1, -1, 3), zero, zero, c.K, c.distortion)[0].reshape(-1, 2)
        return cv2.projectPoints(points, zero, zero, c.K, c.distortion)[0].reshape(-1, 2)

    off = seen(a) - seen(b)
    return float(np.abs(off.mean(0)).max()), float(np.abs(off - off.mean(0)).max())


@pytest.mark.parametrize(
    ("word", "model", "limit"),
    [
        (CHESSBOARD, "plumb_bob", 1.2),  # it counts only where all of it is seen: fewer views, none at the edge
        (CHARUCO, "plumb_bob", 0.5),
        (CHARUCO, "rational_polynomial", 0.5),
        (CHARUCO, "equidistant", 0.5),
    ],
)
def test_a_known_lens_is_found(tmp_path: Path, word: str, model: str, limit: float) -> None:
    lens = truth(model)
    found = find_views(shoot(tmp_path / "shots", word, lens, 24), parse_board(word))
    result = calibrate("front", WIDTH, HEIGHT, found.views, model)
    assert result.rms_px < 0.3
    shift, rest = differences(result.calibration, lens, result.views)
    assert shift < 1.0 and rest < limit
    assert result.calibration.K[0, 0] == pytest.approx(310, rel=0.01)


def test_the_command_writes_the_file_and_the_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shots = shoot(tmp_path / "shots", CHARUCO, truth("plumb_bob"), 16)
    assert main(["calibrate", str(shots), "--board", CHARUCO, "--name", "front", "--out", str(tmp_path / "out")]) in (
        0,
        2,
    )
    said = capsys.readouterr().out
    assert "views of 16 images, RMS 0." in said
    calibration = read_camera_info(tmp_path / "out" / "front.yaml")
    assert (calibration.width, calibration.height, calibration.model) == (WIDTH, HEIGHT, "plumb_bob")
    picture = cv2.imread(str(tmp_path / "out" / "front.png"))
    assert picture.shape == (800, 1300, 3) and picture.std() > 20


def test_a_spoilt_view_is_left_out(tmp_path: Path) -> None:
    found = find_views(shoot(tmp_path / "shots", CHARUCO, truth("plumb_bob"), 14), parse_board(CHARUCO))
    views = list(found.views)
    bent = views[3].pixels + np.random.default_rng(0).normal(0, 6, views[3].pixels.shape).astype(np.float32)
    views[3] = replace(views[3], pixels=bent)
    result = calibrate("front", WIDTH, HEIGHT, views, "plumb_bob")
    assert result.left_out == (views[3].name,) and result.rms_px < 0.3


def test_too_few_views_and_doubts(tmp_path: Path) -> None:
    found = find_views(shoot(tmp_path / "shots", CHARUCO, truth("plumb_bob"), 5), parse_board(CHARUCO))
    with pytest.raises(InputError, match="4 usable views of the board, at least 5"):
        calibrate("front", WIDTH, HEIGHT, found.views[:4], "plumb_bob")
    doubts = calibrate("front", WIDTH, HEIGHT, found.views, "plumb_bob").doubts()
    assert any("5 views only" in doubt for doubt in doubts)


def test_the_same_place_counts_once(tmp_path: Path) -> None:
    folder = shoot(tmp_path / "shots", CHARUCO, truth("plumb_bob"), 1)
    for k in range(1, 6):
        (folder / f"{k:03d}.png").write_bytes((folder / "000.png").read_bytes())
    found = find_views(folder, parse_board(CHARUCO))
    assert found.images == 6 and len(found.views) == 1


def test_no_board_and_images_of_two_cameras_are_refused(tmp_path: Path) -> None:
    grey = np.full((HEIGHT, WIDTH), 120, np.uint8)
    for name, image in (("a.png", grey), ("b.png", grey)):
        cv2.imwrite(str(tmp_path / name), image)
    with pytest.raises(InputError, match="in none of 2 images"):
        find_views(tmp_path, parse_board(CHESSBOARD))
    cv2.imwrite(str(tmp_path / "c.png"), grey[:100])
    with pytest.raises(InputError, match="image 3 is of another size"):
        find_views(tmp_path, parse_board(CHESSBOARD))


@pytest.mark.parametrize(
    "word",
    ["", "chessboard", "chessboard:8x5", "chessboard:8x2:0.05", "chessboard:8x5:-1", "charuco:9x6:0.03:0.05:5X5_100",
     "charuco:9x6:0.05:0.03", "checkers:8x5:0.05", "chessboard:axb:0.05", "chessboard:8x5:nan"],
)  # fmt: skip
def test_boards_that_are_none(word: str) -> None:
    with pytest.raises(ConfigError, match="chessboard:COLUMNSxROWS:SQUARE"):
        parse_board(word)


def test_an_unknown_dictionary_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="5X5_100"):
        parse_board("charuco:9x6:0.05:0.03:7X9_3")
    assert isinstance(parse_board(CHESSBOARD), Chessboard)


@pytest.mark.parametrize("model", sorted(LENSES))
def test_camera_info_files_come_back_as_written(tmp_path: Path, model: str) -> None:
    lens = truth(model)
    write_camera_info(lens, tmp_path / "front.yaml")
    back = read_camera_info(tmp_path / "front.yaml")
    np.testing.assert_array_equal(back.K, lens.K)
    np.testing.assert_array_equal(back.distortion, lens.distortion)
    assert (back.name, back.width, back.height, back.model) == ("front", WIDTH, HEIGHT, model)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"image_width": 0}, "image_width"),
        ({"distortion_model": "mirror"}, "'mirror' is unknown"),
        ({"distortion_model": ["plumb_bob"]}, "is unknown"),
        ({"camera_matrix": {"data": [1, 2]}}, "9 numbers, got 2"),
        ({"camera_matrix": {"data": [0] * 9}}, "camera_matrix must be"),
        ({"camera_matrix": {"data": [float("nan")] * 9}}, "finite numbers"),
        ({"distortion_coefficients": {"data": [1.0, 2.0, 3.0]}}, "plumb_bob needs 4 or 5"),
        ({"distortion_coefficients": None}, "distortion_coefficients needs"),
    ],
)
def test_camera_info_files_are_checked(tmp_path: Path, change: dict, complaint: str) -> None:
    path = tmp_path / "front.yaml"
    write_camera_info(truth("plumb_bob"), path)
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **change}))
    with pytest.raises(ConfigError) as caught:
        read_camera_info(path)
    assert complaint in str(caught.value) and str(path) in str(caught.value)


yaml_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=10) | st.dictionaries(st.sampled_from(["data", "rows"]), inner, max_size=2),
    max_leaves=12,
)
KEYS = ["image_width", "image_height", "camera_matrix", "distortion_model", "distortion_coefficients", "camera_name"]


@given(st.dictionaries(st.sampled_from(KEYS), yaml_values) | yaml_values)
def test_any_document_is_a_calibration_or_refused(document: object) -> None:
    try:
        calibration = camera_info_from_dict(document, "file x")
    except ConfigError as error:
        assert "file x" in str(error)
    else:
        assert np.isfinite(calibration.K).all() and calibration.K[0, 0] > 0


def test_a_rig_takes_the_lens_from_the_file(tmp_path: Path) -> None:
    rig = yaml.safe_load((RIGS / "car.yaml").read_text())
    lens = truth("equidistant")
    write_camera_info(lens, tmp_path / "calibration" / "front.yaml")
    front = rig["cameras"][0]
    for key in ("width", "height", "hfov_deg"):
        del front[key]
    front["calibration"] = "calibration/front.yaml"
    path = tmp_path / "rig.yaml"
    path.write_text(yaml.safe_dump(rig))
    camera = load_rig(path).camera("front")
    np.testing.assert_array_equal(camera.K, lens.K)
    np.testing.assert_array_equal(camera.distortion, lens.distortion)
    assert (camera.width, camera.height, camera.model) == (WIDTH, HEIGHT, "equidistant")
    front["hfov_deg"] = 75
    path.write_text(yaml.safe_dump(rig))
    with pytest.raises(ConfigError, match=r"calibration file gives the lens, so drop .*hfov_deg"):
        load_rig(path)
    del front["hfov_deg"]
    path.write_text(yaml.safe_dump(rig))
    (tmp_path / "calibration" / "front.yaml").unlink()
    with pytest.raises(ConfigError, match=r"front\.yaml"):
        load_rig(path)
