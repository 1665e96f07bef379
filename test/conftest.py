"""Fixtures for every test: a ROS graph of one's own, and the data that lies beside the checkout."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from autodrive.vision.network import VisionNetwork

REPOSITORY = Path(__file__).resolve().parents[1]
# The highest domain whose ports stay below Linux's ephemeral range, downwards: people start counting at 0.
DOMAINS = range(101, 40, -1)

# machines are shared: how long an example takes says nothing; new examples are for `make fuzz`
hypothesis.settings.register_profile("autodrive", deadline=None, derandomize=True)
hypothesis.settings.load_profile("autodrive")


@pytest.fixture(scope="session", autouse=True)
def ros_domain() -> Iterator[int]:
    """A ROS domain that no other test process of this machine uses, for this process and those that it starts.

    Used by every test, so that none can ever talk to a robot that happens to be running here.
    """
    for domain in DOMAINS:
        lock = os.open(Path(tempfile.gettempdir()) / f"autodrive-test-domain-{domain}.lock", os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ROS_DOMAIN_ID", str(domain))
            patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
            yield domain
        os.close(lock)
        return
    pytest.fail("every ROS domain for tests is taken: another test run hangs on this machine")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded data beside the checkout; the test is skipped where it is absent."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"no recorded data: {folder} is not there")
    return folder


@pytest.fixture(scope="session")
def random_network() -> VisionNetwork:
    """A network with random weights, not to be changed."""
    from random_network import random_network  # most tests need no torch

    return random_network(seed=5)


@pytest.fixture(scope="session")
def exported_network(random_network: VisionNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifest of ``random_network``'s export, not to be changed: exporting takes some ten seconds."""
    from autodrive.data.export import export_network

    return export_network(random_network, tmp_path_factory.mktemp("engine"), {"steps": 0}, {"note": "untrained"})
