"""A campaign in closed loop: the real graph in realtime is broken twice, says so, stops, and drives on."""

from __future__ import annotations

from pathlib import Path

import pytest

from autodrive.faults.campaign import Fault
from autodrive_nodes.fault_bodies import fault_body
from autodrive_nodes.fault_campaign import Campaigner
from autodrive_nodes.paths import DEFAULT_ENGINE


@pytest.mark.timeout(280)
def test_numbers_that_are_none_and_a_dead_process_stop_the_car_until_all_is_well_again(tmp_path: Path) -> None:
    faults = [Fault("nan", "/planning/trajectory", seconds=1.5), Fault("killed", "prediction", seconds=1.5)]
    notes: list[str] = []
    campaigner = Campaigner(fault_body("car"), 101, tmp_path, DEFAULT_ENGINE, notes.append)
    outcomes = list(campaigner.run(faults))
    assert [outcome.fault for outcome in outcomes] == [fault.name for fault in faults]
    for outcome in outcomes:  # how soon depends on the machine, which tests share with others
        assert outcome.detected_s is not None and outcome.detected_s < 3.0, outcome
        assert outcome.standing_s is not None and not outcome.contacts, outcome
        assert outcome.outcome == "stopped, recovered", (outcome, notes)
    assert "point is not finite" in outcomes[0].detected_by
    assert "killed by SIGKILL" in outcomes[1].detected_by
