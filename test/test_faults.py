"""What faults do to images, messages and streams; campaigns; and the verdict on a fault."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from autoware_perception_msgs.msg import TrackedObject, TrackedObjects
from hypothesis import given
from hypothesis import strategies as st
from nav_msgs.msg import Odometry
from rclpy.serialization import deserialize_message, serialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from autodrive.errors import ConfigError, InputError
from autodrive.faults.campaign import END, KINDS, STOP, Fault, Targets, chosen, load_campaign
from autodrive.faults.images import black, half_size, noisy
from autodrive.faults.judge import ORDER, Bounds, Course, Said, Sample, judge, stopping, untried
from autodrive.faults.numbers import spoil
from autodrive.faults.report import document, markdown, merged, outcomes_of, summary, table
from autodrive.faults.streams import Delayed, Duplicated, Flood, Reordered, Silent
from autodrive.scene import GroundMarkings
from autodrive_nodes import messages
from autodrive_nodes.fault_bodies import MAKERS, fault_body
from autodrive_nodes.paths import FAULTS

# --- images ----------------------------------------------------------------------------------------------------------


def test_images_of_broken_cameras() -> None:
    image = np.random.default_rng(0).integers(0, 255, (40, 60, 3)).astype(np.uint8)
    assert not black(image).any() and black(image).shape == image.shape
    assert half_size(image).shape == (20, 30, 3)
    flat = np.full((40, 60, 3), 128, np.uint8)
    assert 40 < noisy(flat, np.random.default_rng(0)).std() < 50


# --- numbers ---------------------------------------------------------------------------------------------------------


def test_every_number_of_a_message_is_spoilt_and_its_stamp_is_kept() -> None:
    message = Odometry()
    message.header.stamp.sec = 12
    assert spoil(message, math.nan) == 7 + 36 + 6 + 36
    back = deserialize_message(serialize_message(message), Odometry)
    assert back.header.stamp.sec == 12
    assert all(map(math.isnan, (back.pose.pose.position.x, back.twist.twist.angular.z, *back.pose.covariance)))


def test_sequences_and_nested_messages_are_walked_through() -> None:
    joints = JointState(name=["a", "b"], position=[1.0, 2.0])
    assert spoil(joints, math.inf) == 2 and list(joints.position) == [math.inf, math.inf]
    tracks = TrackedObjects(objects=[TrackedObject(), TrackedObject()])
    assert spoil(tracks, math.nan) > 100
    assert math.isnan(tracks.objects[1].kinematics.pose_with_covariance.pose.position.y)


def test_a_message_without_floats_has_nothing_to_spoil() -> None:
    assert spoil(Clock(), math.nan) == 0


def test_points_of_a_cloud_and_numbers_in_text_are_spoilt_too() -> None:
    paint = GroundMarkings(np.ones((3, 2)), np.zeros(3, np.int64), np.ones(3))
    cloud = messages.to_markings(5, paint)
    assert spoil(cloud, math.nan) == 18 and np.isnan(np.frombuffer(cloud.data, np.float32)).all()
    text = String(data='{"stamp_ns": 5, "goal": [1.5, {"yaw": 0.25}]}')
    assert spoil(text, math.nan) == 2 and text.data == '{"stamp_ns": 5, "goal": [NaN, {"yaw": NaN}]}'
    assert spoil(String(data="no JSON"), math.nan) == 0


# --- streams ---------------------------------------------------------------------------------------------------------


def test_streams() -> None:
    assert Silent[int]().push(1, 0.0) == []
    assert Duplicated[int](3).push(1, 0.0) == [1, 1, 1]
    reordered = Reordered[int](3)
    assert [reordered.push(k, 0.0) for k in range(6)] == [[], [], [2, 1, 0], [], [], [5, 4, 3]]
    delayed = Delayed[int](1.0)
    assert delayed.push(1, 0.0) == [] and delayed.push(2, 0.5) == []
    assert delayed.due(0.99) == [] and delayed.due(1.2) == [1] and delayed.due(9.0) == [2]


@given(st.lists(st.integers(), max_size=20))
def test_a_delay_keeps_order_and_loses_nothing(items: list[int]) -> None:
    delayed = Delayed[int](0.5)
    out = [x for k, item in enumerate(items) for x in delayed.push(item, 0.1 * k)]
    assert out + delayed.due(100.0) == items


def test_a_flood_repeats_the_newest_at_its_rate() -> None:
    flood = Flood[str](100.0, burst=20)
    assert flood.due(0.0) == [] and flood.push("a", 0.0) == ["a"]
    assert flood.due(0.05) == ["a"] * 5
    assert flood.push("b", 0.06) == ["b"]
    assert flood.due(0.10) == ["b"] * 5
    assert len(flood.due(9.0)) == 20


@pytest.mark.parametrize("wrong", [lambda: Duplicated(1), lambda: Reordered(1), lambda: Delayed(0.0), lambda: Flood(0)])
def test_streams_refuse_what_is_no_fault(wrong: Any) -> None:
    with pytest.raises(ConfigError):
        wrong()


# --- campaigns -------------------------------------------------------------------------------------------------------

TARGETS = Targets(("front", "rear"), ("/clock", "/tf"), ("planning", "safety_gate"))


def campaign_file(folder: Path, text: str) -> Path:
    path = folder / "campaign.yaml"
    path.write_text(text)
    return path


def test_a_campaign_is_expanded_over_its_targets(tmp_path: Path) -> None:
    text = (
        "body: car\nfaults:\n- {kind: camera_dead, targets: every}\n"
        "- {kind: killed, targets: [planning], expect: end, final: true}\n- {kind: cpu_load, expect: continue}\n"
    )
    campaign = load_campaign(campaign_file(tmp_path, text), "car", TARGETS)
    assert [f.name for f in campaign.faults] == ["camera_dead front", "camera_dead rear", "killed planning", "cpu_load"]
    assert [f.expect for f in campaign.faults] == [STOP, STOP, END, "continue"] and campaign.faults[2].final
    assert [f.name for f in chosen(campaign, "rear|cpu").faults] == ["camera_dead rear", "cpu_load"]
    for wrong in ("nothing of it", "("):
        with pytest.raises(ConfigError, match="--only"):
            chosen(campaign, wrong)


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("{kind: explosion}", "kind must be one of"),
        ("{kind: killed}", "targets must be"),
        ("{kind: killed, targets: [front]}", r"killed cannot be done to \['front'\]"),
        ("{kind: killed, targets: [planning], wish: 1}", "unknown keys"),
        ("{kind: killed, targets: [planning], expect: luck}", "expect must be"),
        ("{kind: killed, targets: [planning], seconds: 0}", "seconds must be"),
        ("{kind: killed, targets: [planning], final: 3}", "true or false"),
        ("{kind: killed, targets: [planning], says: (}", "says must be"),
        ("{kind: killed, targets: [planning], says: 3}", "says must be"),
        ("{kind: killed, targets: [planning]}\n- {kind: killed, targets: every}", "come twice"),
    ],
)
def test_a_wrong_campaign_is_refused_with_its_place(tmp_path: Path, entry: str, complaint: str) -> None:
    path = campaign_file(tmp_path, f"body: car\nfaults:\n- {entry}\n")
    with pytest.raises(ConfigError, match=complaint) as caught:
        load_campaign(path, "car", TARGETS)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["", "body: car\n", "body: humanoid\nfaults: [1]\n", "body: car\nfaults: []\n", "{"])
def test_what_is_no_campaign_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        load_campaign(campaign_file(tmp_path, text), "car", TARGETS)


@pytest.mark.parametrize("body", MAKERS)
def test_the_shipped_campaigns_hold_every_kind_of_fault(body: str) -> None:
    campaign = load_campaign(FAULTS / f"{body}.yaml", body, fault_body(body).targets())
    assert {fault.kind for fault in campaign.faults} == set(KINDS)


# --- verdicts --------------------------------------------------------------------------------------------------------

BOUNDS = Bounds(timeout_s=0.5, deceleration=2.0, standing_mps=0.1)


def drive(brake_at_s: float, until_s: float = 10.0) -> list[Sample]:
    """8 m/s, from a time on 2 m/s2 less."""
    times = np.arange(0, until_s, 0.1)
    return [Sample(t, max(8.0 - 2.0 * max(t - brake_at_s, 0.0), 0.0)) for t in times.tolist()]


def test_when_a_body_began_to_stop_and_stood() -> None:
    begun_s, standing_s = stopping(drive(3.0), 2.0, 0.1)
    assert begun_s == pytest.approx(3.0, abs=0.05) and standing_s == pytest.approx(7.0, abs=0.1)
    assert stopping(drive(99.0), 2.0, 0.1) == (None, None)
    hesitating = [*drive(1.0, until_s=2.0), *(Sample(s.at_s + 2.0, s.speed) for s in drive(1.0))]
    begun_s, _ = stopping(hesitating, 0.5, 0.1)
    assert begun_s == pytest.approx(3.0, abs=0.05)  # it had got faster in between


ALARM = Said(2.4, "safety_gate", 1, "camera_ingestion is silent for 0.40 s")


def course(**changes: Any) -> Course:
    given = {
        "fault": Fault("camera_dead", "front"),
        "at_s": 2.0,
        "samples": drive(2.6),
        "said": (ALARM, Said(2.45, ORDER, 0, "comfort")),
        "released_s": 8.0,
        "moving_s": 9.0,
        "effect": 10,
    }
    return Course(**{**given, **changes})  # type: ignore[arg-type]


def test_a_body_that_stops_in_time_is_as_expected() -> None:
    outcome = judge(course(), BOUNDS)
    assert outcome.ok and outcome.outcome == "stopped, recovered"
    assert outcome.ordered_s == pytest.approx(0.45) and outcome.reaction == "comfort stop"
    assert outcome.detected_s == pytest.approx(0.4) and outcome.reacted_s == pytest.approx(0.6, abs=0.11)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"samples": drive(5.5)}, "it stood after"),
        ({"said": (ALARM, Said(3.6, ORDER, 0, "comfort"))}, "the stop was ordered after 1.60 s"),
        ({"said": (ALARM,)}, "the stop was ordered never"),
        ({"samples": drive(99.0)}, "it did not stop"),
        ({"said": ()}, "nobody noticed"),
        ({"before": frozenset({Said(1.0, "safety_gate", 1, "camera_ingestion is silent for 0.11 s").key})}, "nobody"),
        ({"fault": Fault("killed", "a", says="sha256")}, "nobody said anything like 'sha256'"),
        ({"moving_s": None}, "it did not move again"),
        ({"ended": "process 'world' ended"}, "the run ended"),
        ({"hung": True}, "by force"),
        ({"effect": 0}, "nothing was faulted"),
        ({"samples": [*drive(2.6), Sample(10.9, 0.0, ("vehicle a",))]}, "collision with vehicle a"),
        ({"samples": [*drive(2.6), Sample(11.0, 0.0, fallen=True)]}, "it fell"),
        ({"fault": Fault("killed", "world_bridge", END)}, "the run went on"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], problem: str) -> None:
    outcome = judge(course(**changes), BOUNDS)
    assert not outcome.ok and any(problem in text for text in outcome.problems)


def test_a_process_that_is_there_again_before_the_body_stands() -> None:
    killed = Fault("killed", "planning")
    assert judge(course(fault=killed, samples=drive(99.0)), BOUNDS).ok
    assert not judge(course(fault=killed, samples=drive(99.0), released_s=None), BOUNDS).ok
    assert not judge(course(fault=killed, samples=drive(99.0), said=(ALARM,)), BOUNDS).ok


def test_a_run_that_must_end_and_one_that_may_go_on() -> None:
    assert judge(course(fault=Fault("killed", "world_bridge", END), ended="it died"), BOUNDS).ok
    absorbed = Fault("duplicated", "/tf", "continue", noticed=False)
    assert judge(course(fault=absorbed, said=(), samples=drive(99.0), moving_s=5.0), BOUNDS).ok


def test_what_is_touched_in_ordinary_driving_afterwards_is_told_and_not_held_against_the_fault() -> None:
    outcome = judge(course(samples=[*drive(2.6), Sample(12.0, 1.0, ("vehicle a",))]), BOUNDS)
    assert outcome.ok and outcome.later_contacts == ("vehicle a after 10.0 s at 1.0 m/s",)
    stuck = judge(course(samples=[*drive(2.6), Sample(12.0, 1.0, ("vehicle a",))], released_s=None), BOUNDS)
    assert not stuck.ok and stuck.contacts == ("vehicle a after 10.0 s at 1.0 m/s",)


def test_a_fault_that_could_not_be_made_is_not_ok() -> None:
    outcome = untried(Fault("killed", "planning"), "it never moved")
    assert not outcome.ok and outcome.fault == "killed planning" and outcome.outcome == "not tried"
    assert "it never moved" in table({1: [outcome]})


def test_reports() -> None:
    outcomes = {7: [judge(course(), BOUNDS), judge(course(said=(), hung=True), BOUNDS)]}
    assert summary(outcomes) == "2 faults, 1 as expected; collisions 0, falls 0, hangs 1"
    assert "camera_dead front" in table(outcomes) and markdown(outcomes).count("\n") == 3
    found = document("car", outcomes)
    assert [row["ok"] for row in found["faults"]] == [True, False]
    assert outcomes_of(json.loads(json.dumps(found))) == outcomes
    with pytest.raises(InputError, match="no report"):
        outcomes_of({"faults": [{"seed": 1}]})


def test_outcomes_that_are_made_anew_replace_old_ones_in_the_order_of_the_campaign() -> None:
    a, b = (judge(course(fault=Fault("killed", name)), BOUNDS) for name in ("a", "b"))
    better = judge(course(fault=Fault("killed", "b"), moving_s=5.0), BOUNDS)
    assert merged([b, a], [better], ["killed a", "killed b"]) == [a, better]
    assert merged([b], [], ["killed a"]) == []
