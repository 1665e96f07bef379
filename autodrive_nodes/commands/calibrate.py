"""``autodrive calibrate IMAGES``: a camera's lens from images or a video of a board, with a picture to judge it by."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from autodrive.camera.boards import WORDS
from autodrive.camera.camera_info import MODELS


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "calibrate", help="find a camera's lens from images of a chessboard or ChArUco board"
    )
    parser.add_argument("images", type=Path, help="folder of images, or a video, of the board held everywhere")
    parser.add_argument("--board", required=True, help=f"{WORDS}, lengths in metres")
    parser.add_argument("--model", choices=sorted(MODELS), default="plumb_bob", help="of the lens (plumb_bob)")
    parser.add_argument("--name", default="camera", help="of the camera; its files are called so (camera)")
    parser.add_argument("--out", type=Path, default=Path("out/calibration"), help="folder (out/calibration)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Calibrate, write NAME.yaml and NAME.png, print the figures; 2 when the result should not be trusted."""
    from autodrive.camera.boards import parse_board
    from autodrive.camera.calibrate import calibrate
    from autodrive.camera.calibration_report import draw_report
    from autodrive.camera.camera_info import write_camera_info
    from autodrive.camera.views import find_views
    from autodrive.errors import AutodriveError, ConfigError
    from autodrive.files import write_atomic

    if not args.name.replace("_", "").isalnum():
        raise ConfigError(f"--name must be letters, digits and '_', got {args.name!r}")
    found = find_views(args.images, parse_board(args.board))
    height, width = found.example.shape[:2]
    result = calibrate(args.name, width, height, found.views, args.model)
    try:
        write_camera_info(result.calibration, args.out / f"{args.name}.yaml")
        write_atomic(args.out / f"{args.name}.png", draw_report(result, found.example))
    except OSError as error:
        raise AutodriveError(f"cannot write to {args.out}: {error.strerror}; choose another --out") from error
    K, doubts = result.calibration.K, result.doubts()
    sys.stdout.write(
        f"{args.out / args.name}.yaml: {len(result.views)} views of {found.images} images, "
        f"RMS {result.rms_px:.3f} px, corners in {100 * result.coverage:.0f} % of the image\n"
        f"fx {K[0, 0]:.2f}  fy {K[1, 1]:.2f}  cx {K[0, 2]:.2f}  cy {K[1, 2]:.2f}\n"
    )
    sys.stdout.write("".join(f"do not trust it: {doubt}\n" for doubt in doubts))
    return 2 if doubts else 0
