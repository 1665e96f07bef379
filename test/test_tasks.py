"""The executive and its behaviours against a body and hands that do as they are asked, without physics."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from autodrive.geometry import Pose2, wrap_angle
from autodrive.humanoid.arm_config import ARMS_FOLDER, load_arms
from autodrive.humanoid.arm_task import ArmStatus, BoxPose
from autodrive.language.model import (
    Cause,
    Context,
    Grounded,
    Outcome,
    Place,
    PlaceKind,
    Question,
    Refusal,
    Relation,
    Scene,
    SceneObject,
    Step,
    StepKind,
)
from autodrive.scene import EgoState, ObjectClass, TrackedObject
from autodrive.tasks.box_fit import FittedBox
from autodrive.tasks.executive import Executive
from autodrive.tasks.handling import PickUp
from autodrive.tasks.memory import SceneMemory
from autodrive.tasks.places import place_pose, stand_before, support_of
from autodrive.tasks.walking import Arrival
from autodrive.tasks.wish import LOST, TaskState, View, Wish
from autodrive.vision.appearance import Colour

FRAME_NS = 100_000_000
ARMS = load_arms(ARMS_FOLDER / "g1.yaml")


def track(track_id: int, label: ObjectClass, x: float, y: float, *size: float, z: float | None = None) -> TrackedObject:
    length, width, height = size or (0.5, 0.5, 1.7)
    z = height / 2 if z is None else z
    box = {"x": x, "y": y, "z": z, "yaw": 0.0, "length": length, "width": width, "height": height}
    return TrackedObject(track_id, label, 0.9, **box, vx=0.0, vy=0.0, yaw_rate=0.0, age_s=2.0)


TABLE = track(1, ObjectClass.TABLE, 3.0, 0.0, 1.2, 0.7, 0.74)
BOX = track(2, ObjectClass.BOX, 3.0, -0.2, 0.16, 0.16, 0.16, z=0.82)
OTHER_TABLE = track(3, ObjectClass.TABLE, 0.0, 4.0, 1.2, 0.7, 0.74)
PERSON = track(4, ObjectClass.PEDESTRIAN, -3.0, 1.0)
TRACKS = (TABLE, BOX, OTHER_TABLE, PERSON)
SIZE = BOX.length, BOX.width, BOX.height


class Puppet:
    """A body that glides to goals and hands that succeed after a second; understanding is looked up."""

    def __init__(self, answers: dict[str, Outcome], tracks: tuple[TrackedObject, ...] = TRACKS) -> None:
        self.executive = Executive(lambda text, scene, context: self._answer(answers[text], scene), ARMS)
        self.tracks = tracks
        self.pose, self.stamp_ns = Pose2(0.0, 0.0, 0.0), 0
        self.scenes: list[Scene] = []
        self.colours: dict[int, Colour] = {}
        self.status: ArmStatus | None = None
        self.holding = False
        self.drops = False
        self.restless = False  # it paces on while it is to dock, and hands wait for a body that stands
        self.loses_at_s = math.inf  # what is held
        self.states: list[TaskState] = []
        self._arm_s = 0.0
        self.run(0.9)  # what is seen is believed after a moment

    def _answer(self, outcome: Outcome, scene: Scene) -> Outcome:
        self.scenes.append(scene)
        return outcome

    def run(self, seconds: float, *texts: str) -> None:
        for _ in range(round(seconds * 10)):
            ego = EgoState(self.stamp_ns, self.pose, 0.0, 0.0)
            state = self.executive.step(ego, self.tracks, self.colours, self.status, texts)
            texts = ()
            self.states.append(state)
            if not state.halt:
                self._glide(state.dock or state.goal)
            self._work(state)
            self.stamp_ns += FRAME_NS

    def _glide(self, goal: Pose2 | None) -> None:
        if goal is None:
            return
        dx, dy = goal.x - self.pose.x, goal.y - self.pose.y
        share = min(1.0, 0.06 / max(math.hypot(dx, dy), 1e-9))
        turn = float(np.clip(wrap_angle(goal.yaw - self.pose.yaw), -0.1, 0.1))
        self.pose = Pose2(self.pose.x + share * dx, self.pose.y + share * dy, wrap_angle(self.pose.yaw + turn))

    def _work(self, state: TaskState) -> None:
        task = state.arms
        same = self.status is not None and (self.status.task_id, self.status.kind) == (task.task_id, task.kind)
        self._arm_s = self._arm_s + 0.1 if same else 0.0
        reached = task.box is None or math.dist((task.box.x, task.box.y), (self.pose.x, self.pose.y)) < 0.55
        reached = reached and not (self.restless and state.dock is not None)
        done = self._arm_s > 1.0 and reached
        failed = "it slipped" if self.drops and task.kind == "pick" and done else ""
        if task.kind == "hold" and self.stamp_ns * 1e-9 > self.loses_at_s:
            failed, self.holding = "it is gone", False
        if done and not failed and task.kind in ("pick", "place"):
            self.holding = task.kind == "pick"
        self.status = ArmStatus(
            stamp_ns=self.stamp_ns,
            task_id=task.task_id,
            kind=task.kind,
            phase=task.kind if reached else "waiting",
            done=done and not failed,
            note="",
            failed=failed,
            holding=self.holding,
            hand_error_m=0.0,
            push_n=(0.0, 0.0),
            load_n=0.0,
        )


def grounded(*steps: Step) -> Grounded:
    return Grounded(steps)


def at(target: int, relation: Relation = Relation.AT) -> Place:
    return Place(PlaceKind.OBJECT, (target,), relation)


GO = grounded(Step(StepKind.GOTO, place=at(1)))
STOP = grounded(Step(StepKind.STOP))


def test_going_somewhere_ends_before_the_thing_and_facing_it() -> None:
    puppet = Puppet({"go": GO})
    puppet.run(12.0, "go")
    assert puppet.executive.report.state == "done"
    local = puppet.pose.inverse().apply(np.array([TABLE.x, TABLE.y]))
    assert 0.3 < local[0] < 1.4
    assert abs(math.atan2(local[1], local[0])) < 0.4
    assert puppet.states[-1].goal is None, "done: nothing is asked of the legs any more"


def test_nothing_moves_before_the_scene_is_understood_and_a_question_moves_nothing() -> None:
    question = Question("which one?", (1, 4))
    puppet = Puppet({"go": question})
    puppet.run(4.0, "go")
    assert puppet.executive.report.state == "question"
    assert puppet.executive.report.says == "which one?"
    assert puppet.pose == Pose2(0.0, 0.0, 0.0)
    assert {s.goal for s in puppet.states} == {None}


def test_a_refusal_is_told_and_moves_nothing() -> None:
    puppet = Puppet({"hit": Refusal("I do not hit people", Cause.UNSAFE)})
    puppet.run(1.0, "hit")
    assert (puppet.executive.report.state, puppet.executive.report.says) == ("refused", "I do not hit people")
    assert {s.goal for s in puppet.states} == {None}


def test_what_is_not_found_at_first_is_looked_for_a_moment() -> None:
    puppet = Puppet({"go": Refusal("I see no box", Cause.NOT_FOUND)}, (PERSON,))
    puppet.run(1.0, "go")
    assert puppet.executive.report.state == "running"
    puppet.run(3.0)
    assert puppet.executive.report.state == "refused"
    assert len(puppet.scenes) > 10, "asked again at every frame"


def test_what_may_stand_on_a_far_table_is_looked_for_there() -> None:
    puppet = Puppet({"go": Refusal("I see no box", Cause.NOT_FOUND)}, (TABLE, PERSON))
    puppet.run(4.0, "go")
    assert puppet.executive.report.says == "I cannot tell from here and look from nearer"
    puppet.run(20.0)
    assert puppet.executive.report.state == "refused", "one look is enough for a table"


class Nearsighted(Puppet):
    """Tells the colours of what stands on the table only from near."""

    def _answer(self, outcome: Outcome, scene: Scene) -> Outcome:
        super()._answer(outcome, scene)
        far = math.dist((self.pose.x, self.pose.y), (BOX.x, BOX.y)) > 2.0
        return Question("two grey boxes?", (2,)) if far else outcome


def test_before_it_asks_which_of_two_far_boxes_it_looks_from_nearer() -> None:
    puppet = Nearsighted({"go": grounded(Step(StepKind.GOTO, place=at(2)))})
    puppet.run(4.0, "go")
    assert puppet.executive.report.says == "I cannot tell from here and look from nearer"
    assert puppet.executive.report.mentions == (("what I look at", (2,)),), "said before it moves"
    puppet.run(16.0)
    assert puppet.executive.report.state == "done"


@pytest.mark.parametrize("unsure", [True, False])
def test_a_question_among_boxes_of_several_colours_is_worth_a_look_if_those_are_not_certain(unsure: bool) -> None:
    beside = replace(BOX, track_id=9, y=0.5)
    puppet = Puppet({"go": Question("which one is white?", (2, 9), unsure=unsure)}, (*TRACKS, beside))
    puppet.colours = {2: Colour("purple", 0.3)}
    puppet.run(4.0, "go")
    assert (puppet.executive.report.state == "question") == (not unsure)


def test_what_stays_unclear_is_asked_after_one_look_and_stop_ends_the_look() -> None:
    puppet = Puppet({"go": Question("which one?", (2,)), "stop": STOP})
    puppet.run(25.0, "go")
    assert puppet.executive.report.state == "question"
    there = puppet.pose
    assert math.dist((there.x, there.y), (BOX.x, BOX.y)) < 2.0
    again = Puppet({"go": Question("which one?", (2,)), "stop": STOP})
    again.run(4.5, "go")
    again.run(0.1, "stop")
    before = again.pose
    again.run(3.0)
    assert again.executive.report.state == "halted" and again.pose == before != Pose2(0.0, 0.0, 0.0)


def test_stop_halts_in_the_same_frame_and_a_new_instruction_lifts_it() -> None:
    puppet = Puppet({"go": GO, "stop": STOP})
    puppet.run(2.0, "go")
    before = puppet.pose
    puppet.run(0.1, "stop")
    assert puppet.states[-1].halt and puppet.states[-1].goal is None
    puppet.run(2.0)
    assert puppet.pose == before
    puppet.run(10.0, "go")
    assert puppet.executive.report.state == "done" and not puppet.states[-1].halt


def test_what_is_lost_on_the_way_is_said_and_not_brought() -> None:
    puppet = Puppet({"bring": grounded(Step(StepKind.BRING, 2, Place(PlaceKind.HOME)))})
    puppet.run(4.0, "bring")
    while not puppet.holding:
        puppet.run(0.1)
    puppet.loses_at_s = puppet.stamp_ns * 1e-9 + 4.0
    puppet.run(30.0)
    assert puppet.executive.report.state == "failed"
    assert "lost it on the way" in puppet.executive.report.says and "it is gone" in puppet.executive.report.says


def test_what_was_not_there_is_looked_for_once_more() -> None:
    puppet = Puppet({"bring": grounded(Step(StepKind.BRING, 2, Place(PlaceKind.HOME)))})
    puppet.run(1.0, "bring")
    heard, puppet.tracks = len(puppet.scenes), (TABLE, OTHER_TABLE)
    puppet._glide = lambda goal: None  # type: ignore[method-assign]
    puppet.run(20.0)
    assert len(puppet.scenes) == heard + 1
    report = puppet.executive.report
    assert (report.state, report.says) == ("failed", "I do not see the box any more")


def test_bringing_lifts_carries_and_sets_down() -> None:
    puppet = Puppet({"bring": grounded(Step(StepKind.BRING, 2, at(3)))})
    puppet.run(60.0, "bring")
    assert puppet.executive.report.state == "done", puppet.executive.report
    kinds = [s.arms.kind for s in puppet.states]
    order = [k for k, before in zip(kinds, [None, *kinds], strict=False) if k != before]
    assert order == ["rest", "pick", "hold", "place", "rest"]
    places = [s.arms for s in puppet.states if s.arms.kind == "place"]
    assert places[-1].surface == pytest.approx(OTHER_TABLE.height)
    spot = places[-1].box
    assert spot is not None and abs(spot.x - OTHER_TABLE.x) < 0.6 and abs(spot.y - OTHER_TABLE.y) < 0.35
    assert not puppet.holding


def test_the_hands_hold_while_the_legs_carry_it_to_a_person() -> None:
    puppet = Puppet({"bring": grounded(Step(StepKind.BRING, 2, Place(PlaceKind.PERSON, (4,))))})
    puppet.run(60.0, "bring")
    assert puppet.executive.report.state == "done"
    assert puppet.states[-1].arms.kind == "hold" and puppet.states[-1].carrying
    distance = math.dist((puppet.pose.x, puppet.pose.y), (PERSON.x, PERSON.y))
    assert 0.8 < distance < 1.5


def test_the_body_stands_while_the_hands_are_at_work() -> None:
    puppet = Puppet({"bring": grounded(Step(StepKind.BRING, 2, at(3)))})
    puppet.run(40.0, "bring")
    for phase in ("pick", "place"):
        at_work = [s for s in puppet.states if s.phase == phase]
        assert at_work and all(s.dock is None and s.goal is None for s in at_work)


def test_a_body_that_is_near_enough_but_comes_no_nearer_stands() -> None:
    puppet = Puppet({"pick": grounded(Step(StepKind.PICK_UP, 2))})
    puppet.restless = True
    puppet.run(40.0, "pick")
    assert puppet.executive.report.state == "done"


def test_a_failed_grasp_is_tried_once_more_and_then_told() -> None:
    puppet = Puppet({"pick": grounded(Step(StepKind.PICK_UP, 2))})
    puppet.drops = True
    puppet.run(60.0, "pick")
    assert puppet.executive.report.state == "failed"
    assert "slipped" in puppet.executive.report.says
    assert len({s.arms.task_id for s in puppet.states if s.arms.kind == "pick"}) == 2


def test_a_box_that_the_hands_did_not_find_is_measured_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    refuted: list[int] = []
    monkeypatch.setattr(SceneMemory, "refute", lambda memory, item: refuted.append(item))
    puppet = Puppet({"pick": grounded(Step(StepKind.PICK_UP, 2))})
    puppet.drops = True
    puppet.run(60.0, "pick")
    assert refuted == [2, 2], "once per failed grasp"


@pytest.mark.parametrize("another_is_red", [True, False])
def test_a_box_of_another_colour_from_near_is_given_up_for_one_that_has_it(another_is_red: bool) -> None:
    def box(number: int, y: float, colour: str) -> SceneObject:
        return SceneObject(number, ObjectClass.BOX, 3.0, y, 0.82, 0.0, 0.16, 0.16, 0.16, 0.0, 0.0, colour, 0.9)

    def step(x: float, colour: str) -> Wish:
        scene = {2: box(2, -0.2, colour), 3: box(3, 0.3, "red" if another_is_red else "blue")}
        ego = EgoState(0, Pose2(x, 0.0, 0.0), 0.0, 0.0)
        return pick.step(View(0.0, ego, None, scene.get, tuple(scene.values()), Pose2(0.0, 0.0, 0.0)))

    pick = PickUp(2, ARMS, 1)
    assert not step(-2.0, "red").failed
    assert not step(-2.0, "grey").failed, "from afar colours are mistaken"
    assert (step(1.0, "grey").phase == LOST) == another_is_red


def test_sequences_run_in_order_and_waiting_takes_its_time() -> None:
    wait = Step(StepKind.WAIT, seconds=3.0)
    puppet = Puppet({"go": grounded(Step(StepKind.GOTO, place=at(1)), wait, Step(StepKind.COME_BACK))})
    puppet.run(40.0, "go")
    assert puppet.executive.report.state == "done"
    assert math.hypot(puppet.pose.x, puppet.pose.y) < 0.35
    assert sum(s.phase == "wait" for s in puppet.states) == 31


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_person_who_walks_off_is_looked_for_where_they_were_last(comes_back: bool) -> None:
    puppet = Puppet({"go": grounded(Step(StepKind.GOTO, place=Place(PlaceKind.PERSON, (4,))))})
    puppet.run(1.0, "go")
    others = tuple(t for t in TRACKS if t != PERSON)
    puppet.tracks = others
    puppet.run(9.0)
    assert math.dist((puppet.pose.x, puppet.pose.y), (PERSON.x, PERSON.y)) < 1.5
    assert puppet.executive.report.state == "running", "to stand where they were is not to have arrived"
    again = replace(PERSON, track_id=9, x=-6.0, y=2.0)
    puppet.tracks = (*others, again) if comes_back else others
    puppet.run(10.0)
    assert puppet.executive.report.state == ("done" if comes_back else "failed"), puppet.executive.report.says
    if comes_back:
        assert math.dist((puppet.pose.x, puppet.pose.y), (again.x, again.y)) < 1.5


def test_a_nearer_place_that_comes_to_light_on_the_way_is_the_one_that_was_meant() -> None:
    near = track(6, ObjectClass.CONE, -1.2, 0.0, 0.4, 0.4, 0.5)
    far = track(5, ObjectClass.CONE, 0.0, -4.0, 0.4, 0.4, 0.5)

    def nearest(_text: str, scene: Scene, _context: Context) -> Outcome:
        cones = [o for o in scene.objects if o.label == ObjectClass.CONE]
        cone = min(cones, key=lambda o: math.dist((o.x, o.y), (scene.robot.x, scene.robot.y)))
        return grounded(Step(StepKind.PICK_UP, 2), Step(StepKind.BRING, 2, Place(PlaceKind.OBJECT, (cone.track_id,))))

    puppet = Puppet({}, (TABLE, BOX, far))
    puppet.executive = Executive(nearest, ARMS)
    puppet.run(0.9)
    puppet.run(2.0, "bring")
    puppet.tracks = (TABLE, BOX, far, near)
    puppet.run(60.0)
    assert puppet.executive.report.state == "done"
    assert puppet.executive.report.steps[1]["place"]["targets"] == [6]
    assert math.dist((puppet.pose.x, puppet.pose.y), (near.x, near.y)) < 1.2


def test_following_keeps_its_distance_and_ends_when_the_person_is_lost() -> None:
    puppet = Puppet({"follow": grounded(Step(StepKind.FOLLOW, 4))})
    puppet.run(8.0, "follow")
    assert puppet.executive.report.state == "running"
    assert 1.0 < math.dist((puppet.pose.x, puppet.pose.y), (PERSON.x, PERSON.y)) < 2.2
    puppet.tracks = TRACKS[:3]
    puppet.run(12.0)
    assert puppet.executive.report.state == "failed"


# --- memory and places ---------------------------------------------------------------------------------------------


def seen_for_a_while(memory: SceneMemory, start_s: float, tracks: list[TrackedObject], colours=None) -> None:
    """Tracks are believed when they have lasted a moment."""
    for k in range(8):
        memory.update(start_s + k * 0.1, Pose2(0, 0, 0), tracks, colours or {})


def test_what_flickers_is_not_believed() -> None:
    memory = SceneMemory()
    memory.update(0.0, Pose2(0, 0, 0), [BOX], {})
    memory.update(0.1, Pose2(0, 0, 0), [BOX], {})
    assert memory.objects() == ()


def test_a_thing_keeps_its_id_when_the_tracker_gives_it_another() -> None:
    memory = SceneMemory()
    seen_for_a_while(memory, 0.0, [BOX], {2: Colour("red", 1.0)})
    memory.update(0.9, Pose2(0, 0, 0), [], {})
    seen_for_a_while(memory, 3.0, [replace(BOX, track_id=77, x=3.1)], {77: Colour("red", 1.0)})
    (found,) = memory.objects()
    assert (found.track_id, found.colour, found.x) == (2, "red", 3.1)
    assert memory.tracks_of([2]) == {2, 77}


def test_what_is_gone_is_forgotten_where_cameras_look_and_kept_where_they_do_not() -> None:
    memory = SceneMemory()
    seen_for_a_while(memory, 0.0, [BOX, replace(BOX, track_id=9, x=0.4, y=0.0)])
    for k in range(8, 80):
        memory.update(k * 0.1, Pose2(0, 0, 0), [], {})
    assert [o.track_id for o in memory.objects()] == [9], "the near one lies below the cameras"


@pytest.mark.parametrize(("beside", "kept"), [((0.9, 0.4), False), ((0.6, 0.45), True), ((0.9, 0.7), True)])
def test_a_box_that_is_worked_with_was_never_there_if_one_behind_it_is_seen_and_it_is_not(
    beside: tuple[float, float], kept: bool
) -> None:
    memory = SceneMemory()
    box = replace(BOX, x=0.8, y=0.0)
    seen_for_a_while(memory, 0.0, [box])
    for k in range(8, 120):
        other = replace(BOX, track_id=9, x=beside[0], y=beside[1])
        memory.update(k * 0.1, Pose2(0, 0, 0), [other], {}, keep=frozenset({2}))
    assert memory.find(9) is not None
    assert (memory.find(2) is not None) == kept


def test_a_track_that_goes_over_to_something_else_does_not_take_a_thing_along() -> None:
    memory = SceneMemory()
    seen_for_a_while(memory, 0.0, [BOX])
    seen_for_a_while(memory, 1.0, [replace(BOX, y=BOX.y + 0.6)])
    assert [(o.track_id == 2, round(o.y, 2)) for o in memory.objects()] == [(True, -0.2), (False, 0.4)]


@pytest.mark.parametrize(("colour", "reunited"), [("red", True), ("blue", False)])
def test_a_box_that_is_worked_with_and_lost_is_the_one_of_its_colour_beside_it(colour: str, reunited: bool) -> None:
    memory = SceneMemory()
    seen_for_a_while(memory, 0.0, [BOX], {2: Colour("red", 1.0)})
    moved = replace(BOX, track_id=77, y=BOX.y + 0.6)
    for k in range(8, 40):
        memory.update(k * 0.1, Pose2(0, 0, 0), [moved], {77: Colour(colour, 1.0)}, keep=frozenset({2}))
    found = memory.find(2)
    assert found is not None and (abs(found.y - moved.y) < 0.01) == reunited
    assert len(memory.objects()) == (1 if reunited else 2)


def test_who_was_there_when_somebody_was_lost_is_somebody_else() -> None:
    memory, other = SceneMemory(), track(5, ObjectClass.PEDESTRIAN, -4.0, 3.0)
    seen_for_a_while(memory, 0.0, [PERSON, other])
    for k in range(60):
        memory.update(1.0 + k * 0.1, Pose2(0, 0, 0), [other], {}, keep=frozenset({4}))
    lost = memory.find(4)
    assert lost is not None and (lost.x, lost.y) == (PERSON.x, PERSON.y)
    assert lost.unseen_s > 5.0


@pytest.mark.parametrize("measured", [True, False])
def test_a_box_that_was_measured_is_not_taken_for_a_new_one_beside_it(measured: bool) -> None:
    memory = SceneMemory()
    seen_for_a_while(memory, 0.0, [TABLE, BOX], {2: Colour("red", 1.0)})
    if measured:
        memory._known[2].fitted = FittedBox(BoxPose(BOX.x, BOX.y, BOX.z, 0.0, *SIZE), 0.01)
    beside = replace(BOX, track_id=9, y=BOX.y + 0.6)
    for k in range(30):
        memory.update(1.0 + k * 0.1, Pose2(0, 0, 0), [TABLE, beside], {9: Colour("red", 1.0)}, keep=frozenset({2}))
    found = memory.find(2)
    assert found is not None and found.y == pytest.approx(BOX.y if measured else beside.y, abs=0.05)


def test_a_measured_place_that_was_refuted_is_where_the_tracker_sees_it_again() -> None:
    memory = SceneMemory()
    seen_for_a_while(memory, 0.0, [BOX])
    memory._known[2].fitted = FittedBox(BoxPose(BOX.x + 0.3, BOX.y, BOX.z, 0.0, *SIZE), 0.01)
    memory.refute(2)
    found = memory.find(2)
    assert found is not None
    assert (found.x, found.measured) == (BOX.x, False)


def test_a_glimpse_of_a_box_as_large_as_its_table_is_outvoted() -> None:
    memory = SceneMemory()
    seen_for_a_while(memory, 0.0, [BOX])
    memory.update(0.9, Pose2(0, 0, 0), [replace(BOX, length=1.3, width=0.8)], {})
    (found,) = memory.objects()
    assert (found.length, found.width) == (0.16, 0.16)


def test_a_box_that_is_seen_as_one_with_its_table_stays_where_and_as_large_as_it_was() -> None:
    memory = SceneMemory()
    seen_for_a_while(memory, 0.0, [TABLE, BOX], {2: Colour("red", 1.0)})
    both = replace(BOX, x=BOX.x + 0.2, z=0.4, length=0.9, width=0.7, height=0.75)
    for k in range(8, 200):
        memory.update(k * 0.1, Pose2(0, 0, 0), [TABLE, both], {2: Colour("brown", 1.0)}, keep=frozenset({2}))
    found = memory.find(2)
    assert found is not None
    assert (found.x, found.height, found.colour) == (BOX.x, BOX.height, "red")


@pytest.mark.parametrize(("thing", "seen_s", "kept"), [(TABLE, 2.0, False), (TABLE, 15.0, True), (BOX, 15.0, False)])
def test_what_is_worked_with_is_forgotten_when_it_was_missed_for_long(
    thing: TrackedObject, seen_s: float, kept: bool
) -> None:
    memory = SceneMemory()
    for k in range(round((seen_s + 10.0) * 10)):
        tracks = [thing] if k < seen_s * 10 else []
        memory.update(k * 0.1, Pose2(1, 0, 0), tracks, {}, keep=frozenset({thing.track_id}))
    assert (memory.find(thing.track_id) is not None) == kept


def test_lines_of_sight_sharpen_a_place_and_those_of_another_colour_do_not() -> None:
    x, y, _, eye = BOX.x, BOX.y - 0.15, BOX.z, 1.27
    for name, sharpened in (("red", True), ("blue", False)):
        memory = SceneMemory()
        seen_for_a_while(memory, 0.0, [BOX], {2: Colour("red", 1.0)})
        for k in range(30):
            body = Pose2(k * 0.05, 0.0, 0.0)
            ray = np.array([x - body.x, y, BOX.z - eye])
            sight = (0.0, 0.0, eye, *(ray / np.linalg.norm(ray)).tolist())
            memory.update(1.0 + 0.1 * k, body, [BOX], {2: Colour(name, 0.01, sight)})
        (found,) = memory.objects()
        assert (abs(found.y - y) < 0.05) == sharpened


def test_the_colour_is_what_most_looks_say() -> None:
    memory = SceneMemory()
    seen_for_a_while(memory, 0.0, [BOX])
    for k, name in enumerate(["blue", "red", "red", "red"]):
        memory.update(1.0 + k * 0.1, Pose2(0, 0, 0), [BOX], {2: Colour(name, 0.8)})
    (found,) = memory.objects()
    assert found.colour == "red"
    assert found.colour_confidence == pytest.approx(0.75, abs=0.02)


def scene_objects(*tracks: TrackedObject) -> tuple[SceneObject, ...]:
    memory = SceneMemory()
    seen_for_a_while(memory, 0.0, list(tracks))
    return memory.objects()


def test_a_place_before_a_thing_has_room_around_it() -> None:
    crate = track(5, ObjectClass.BOX, 3.0, 0.0, 0.6, 0.6, 0.5)
    cone = track(6, ObjectClass.CONE, 2.1, 0.1, 0.3, 0.3, 0.6)
    free = stand_before(scene_objects(crate)[0], scene_objects(crate), Pose2(0.0, 0.0, 0.0))
    assert (free.x, free.y) == pytest.approx((2.1, 0.0), abs=0.05)
    objects = scene_objects(crate, cone)
    place = stand_before(objects[0], objects, Pose2(0.0, 0.0, 0.0))
    assert math.dist((place.x, place.y), (cone.x, cone.y)) > 0.6
    assert math.dist((place.x, place.y), (crate.x, crate.y)) < 1.2


def test_what_stands_on_a_table_is_approached_across_the_edge_of_that_table() -> None:
    objects = scene_objects(TABLE, BOX)
    table, box = objects
    assert support_of(box, objects) == table
    assert support_of(table, objects) is None
    place = stand_before(box, objects, Pose2(0.0, -1.0, 0.0))
    frame = Pose2(TABLE.x, TABLE.y, 0.0).inverse() @ place
    outside = max(abs(frame.x) - TABLE.length / 2, abs(frame.y) - TABLE.width / 2)
    assert outside == pytest.approx(0.6)


@pytest.mark.parametrize(("relation", "side"), [(Relation.LEFT_OF, 1), (Relation.RIGHT_OF, -1)])
def test_left_and_right_are_as_the_robot_sees_them(relation: Relation, side: int) -> None:
    objects = scene_objects(track(1, ObjectClass.CONE, 3.0, 0.0, 0.3, 0.3, 0.6))
    ego = EgoState(0, Pose2(0.0, 0.0, 0.0), 0.0, 0.0)
    view = View(0.0, ego, None, {o.track_id: o for o in objects}.get, objects, ego.pose)
    pose = place_pose(Place(PlaceKind.OBJECT, (1,), relation), view)
    assert pose is not None and math.copysign(1, pose.y) == side and abs(pose.y) > 0.6


def test_between_two_is_the_middle() -> None:
    pair = (track(1, ObjectClass.PEDESTRIAN, 3.0, 1.0), track(2, ObjectClass.PEDESTRIAN, 3.0, -1.4))
    objects = scene_objects(*pair)
    ego = EgoState(0, Pose2(0.0, 0.0, 0.0), 0.0, 0.0)
    view = View(0.0, ego, None, {o.track_id: o for o in objects}.get, objects, ego.pose)
    pose = place_pose(Place(PlaceKind.PERSON, (1, 2), Relation.BETWEEN), view)
    assert pose is not None and (pose.x, pose.y) == pytest.approx((3.0, -0.2))
    assert place_pose(Place(PlaceKind.PERSON, (1, 99), Relation.BETWEEN), view) is None


def test_understanding_is_given_what_the_robot_remembers() -> None:
    puppet = Puppet({"go": GO})
    puppet.run(0.5)
    puppet.tracks = ()
    puppet.run(0.2, "go")
    (scene,) = puppet.scenes
    assert {o.track_id for o in scene.objects} == {1, 2, 3, 4}
    assert scene.home == Pose2(0.0, 0.0, 0.0)
    assert isinstance(Context(), Context)


def test_what_stands_on_a_table_stands_at_its_height_and_as_it_was_mostly_seen() -> None:
    memory = SceneMemory()
    low = replace(BOX, z=0.90, yaw=0.3)
    for k in range(20):
        seen = replace(low, yaw=1.2) if k % 5 == 4 else low  # now and then turned otherwise
        memory.update(0.1 * k, Pose2(2.2, 0.0, 0.0), (TABLE, seen), {})
    item = memory.find(2)
    assert item is not None
    assert abs(item.bottom - TABLE.height) < 0.01, "the table says it better than one look"
    assert abs(item.yaw - 0.3) < 0.25
    memory.update(2.0, Pose2(2.2, 0.0, 0.0), (TABLE, replace(low, z=1.5)), {})
    held = memory.find(2)
    assert held is not None and held.z == pytest.approx(1.5), "in the air it is where it is seen"


def _view(now_s: float, x: float, y: float) -> View:
    ego = EgoState(round(now_s * 1e9), Pose2(x, y, 0.0), 0.3, 0.0)
    return View(now_s, ego, None, lambda _: None, (), Pose2(0.0, 0.0, 0.0))


def test_a_way_round_is_no_being_stuck_and_standing_is() -> None:
    goal = Pose2(5.0, 0.0, 0.0)
    around, still, lost = Arrival(), Arrival(), Arrival()
    for k in range(400):
        now = 0.1 * k
        assert around.judge(_view(now, -0.1 * now, 0.1 * now), goal) == (False, ""), "it gets about"
        verdict = still.judge(_view(now, 1.0, 0.0), goal)
        assert bool(verdict[1]) == (now > 30.0)
    for k in range(950):
        reason = lost.judge(_view(0.1 * k, 2.0 * math.sin(0.02 * k), 2.0), goal)[1]
    assert "no way nearer" in reason, "but not for ever"
