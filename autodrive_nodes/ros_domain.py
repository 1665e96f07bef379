"""ROS domains that runs of this user claim, so that what they say does not reach one another."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path
from typing import IO

from autodrive.errors import EnvironmentProblem

DOMAINS = range(1, 41)


def claim_domain() -> tuple[int, IO[str]]:
    """A ROS domain of our own for as long as the returned lock is open; ROS_DOMAIN_ID in the environment wins.

    Raises EnvironmentProblem if that one, or every one, is taken.
    """
    wanted = os.environ.get("ROS_DOMAIN_ID")
    candidates = [int(wanted)] if wanted else list(DOMAINS)
    for domain in candidates:
        path = Path(tempfile.gettempdir()) / f"autodrive-{os.getuid()}-domain-{domain}.lock"
        lock = path.open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        return domain, lock
    if wanted:
        raise EnvironmentProblem(f"ROS_DOMAIN_ID {wanted} is in use by another run; choose another or unset it")
    raise EnvironmentProblem(f"all ROS domains {DOMAINS.start}..{DOMAINS.stop - 1} are in use by other runs")
