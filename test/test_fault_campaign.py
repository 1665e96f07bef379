"""A campaign in closed loop: a process of the real graph is killed in realtime, is missed, and comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from autodrive.faults.campaign import Fault
from autodrive_nodes.fault_bodies import fault_body
from autodrive_nodes.fault_campaign import Campaigner
from autodrive_nodes.paths import DEFAULT_ENGINE


@pytest.mark.timeout(280)
def test_a_killed_process_is_missed_and_the_car_drives_on_when_it_is_back(tmp_path: Path) -> None:
    notes: list[str] = []
    campaigner = Campaigner(fault_body("car"), 101, tmp_path, DEFAULT_ENGINE, notes.append)
    (outcome,) = campaigner.run([Fault("killed", "prediction", seconds=1.5)])
    # how soon depends on the machine, which tests share with others
    assert "killed by SIGKILL" in outcome.detected_by, outcome
    assert outcome.ordered_s is not None and outcome.moving_s is not None, (outcome, notes)
    assert not outcome.contacts and not outcome.fell
