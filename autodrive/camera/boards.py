"""Calibration boards: what they are called, and where their corners lie in an image."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from autodrive.errors import ConfigError

WORDS = "chessboard:COLUMNSxROWS:SQUARE or charuco:COLUMNSxROWS:SQUARE:MARKER:DICTIONARY"
ENOUGH = 6  # corners of a view


@dataclass(frozen=True, slots=True)
class View:
    """Corners found in one image: ``points`` (N, 3) [m] on the board, ``pixels`` (N, 2)."""

    name: str
    points: NDArray[np.float32]
    pixels: NDArray[np.float32]


class Chessboard:
    """A chessboard of ``columns`` x ``rows`` inner corners with squares of ``square`` metres."""

    def __init__(self, columns: int, rows: int, square: float) -> None:
        self._size = (columns, rows)
        grid = np.mgrid[:columns, :rows].T.reshape(-1, 2) * square
        self._points = np.hstack([grid, np.zeros((len(grid), 1))]).astype(np.float32)

    def find(self, name: str, grey: NDArray[np.uint8]) -> View | None:
        """All inner corners, or nothing."""
        flags = cv2.CALIB_CB_EXHAUSTIVE | cv2.CALIB_CB_ACCURACY
        found, corners = cv2.findChessboardCornersSB(grey, self._size, flags=flags)
        return View(name, self._points, np.asarray(corners, np.float32).reshape(-1, 2)) if found else None


class Charuco:
    """A chessboard of ``columns`` x ``rows`` squares with an ArUco marker in every white one; part of it is enough."""

    def __init__(self, columns: int, rows: int, square: float, marker: float, dictionary: str) -> None:
        number = getattr(cv2.aruco, f"DICT_{dictionary}", None)
        if not isinstance(number, int):
            known = sorted(n.removeprefix("DICT_") for n in dir(cv2.aruco) if n.startswith("DICT_"))
            raise ConfigError(f"board: dictionary {dictionary!r} is unknown; known are {known}")
        markers = cv2.aruco.getPredefinedDictionary(number)
        self.board = cv2.aruco.CharucoBoard((columns, rows), square, marker, markers)
        self._detector = cv2.aruco.CharucoDetector(self.board)

    def find(self, name: str, grey: NDArray[np.uint8]) -> View | None:
        """The corners between markers that were read, or nothing when they are fewer than ENOUGH."""
        corners, ids, _, _ = self._detector.detectBoard(grey)
        if ids is None or len(ids) < ENOUGH:
            return None
        points, pixels = self.board.matchImagePoints(list(corners), ids)
        points = np.asarray(points, np.float32).reshape(-1, 3)
        if np.linalg.matrix_rank(points - points.mean(0), tol=1e-6) < 2:
            return None  # corners of one line say nothing of the board's pose
        return View(name, points, np.asarray(pixels, np.float32).reshape(-1, 2))


def parse_board(word: str) -> Chessboard | Charuco:
    """The board that ``word`` describes, lengths in metres; raises ConfigError that says how to write one."""
    kind, *parts = word.split(":")
    try:
        columns, rows = (int(n) for n in parts[0].split("x"))
        lengths = [float(n) for n in parts[1:3]]
        if columns < 3 or rows < 3 or not all(0 < length < 10 for length in lengths):
            raise ValueError
        if kind == "chessboard" and len(parts) == 2:
            return Chessboard(columns, rows, lengths[0])
        if kind == "charuco" and len(parts) == 4 and lengths[1] < lengths[0]:
            return Charuco(columns, rows, lengths[0], lengths[1], parts[3])
    except (IndexError, ValueError):
        pass
    raise ConfigError(
        f"board {word!r} must be {WORDS}: at least 3 x 3, SQUARE and MARKER in metres, MARKER the smaller; "
        "a chessboard is counted in inner corners, a ChArUco board in squares"
    )
