"""A start pose is where the body was when it was said; what has moved since cannot begin from it."""

from __future__ import annotations

from autodrive.errors import InputError

MAX_AGE_S = 2.0


def check_start_pose(pose_stamp_ns: int, first_motion_ns: int) -> None:
    """Raises InputError if the body may have moved unseen between the pose and the first motion that is heard."""
    age_s = (first_motion_ns - pose_stamp_ns) * 1e-9
    if age_s > MAX_AGE_S:
        raise InputError(
            f"the start pose is {age_s:.1f} s older than the first motion: odometry was started again on the way; "
            "publish where the body is on /initialpose"
        )
