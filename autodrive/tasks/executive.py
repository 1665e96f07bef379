"""Runs instructions: understands them in the remembered scene, carries out their steps, and says how it goes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autodrive.geometry import Pose2
from autodrive.humanoid.arm_config import ArmsConfig
from autodrive.humanoid.arm_task import ArmStatus, ArmTask
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
from autodrive.scene import ROAD_USERS, EgoState, ObjectClass, TrackedObject
from autodrive.tasks.handling import PickUp, PutDown, Touch
from autodrive.tasks.memory import CLEAR_M, PERSON_FORGOTTEN_S, SceneMemory
from autodrive.tasks.walking import Follow, GoTo, Inspect, LookAt, Wait
from autodrive.tasks.wish import LOST, REST, Behaviour, TaskState, View, Wish
from autodrive.vision.appearance import Colour

Understand = Callable[[str, Scene, Context], Outcome]
Maker = Callable[[View], Behaviour]

LOOK_AROUND_S = 3.0  # what is not found may still have to be seen or its colour be made sure of
ONE_LOOK_M, MOST_LOOKS = 1.5, 3  # one look does for all that stands around one spot
HANDLING_IDS = 10  # one behaviour of the hands uses up to so many task ids
IDLE, RUNNING, DONE, FAILED, ASKING, REFUSED, HALTED = (
    *("idle", "running", "done", "failed", "question", "refused"),
    "halted",
)


@dataclass(frozen=True, slots=True)
class Report:
    """What people are told: the instruction, what was made of it, and how far it is."""

    text: str
    state: str
    says: str
    steps: tuple[dict[str, Any], ...] = ()
    mentions: tuple[tuple[str, tuple[int, ...]], ...] = ()
    step: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "instruction": self.text,
            "state": self.state,
            "says": self.says,
            "steps": list(self.steps),
            "mentions": [{"text": text, "ids": list(ids)} for text, ids in self.mentions],
            "step": self.step,
        }


class Executive:
    """One instruction at a time; a new one replaces what is going on, "stop" ends it at once."""

    def __init__(self, understand: Understand, arms: ArmsConfig) -> None:
        self._understand, self._arms_config = understand, arms
        self.memory = SceneMemory()
        self._context = Context()
        self._home: Pose2 | None = None
        self._steps: tuple[Step, ...] = ()
        self._at = 0
        self._makers: list[Maker] | None = None  # what is still to be done of the present step; None: not thought of
        self._behaviour: Behaviour | None = None
        self._held: int | None = None
        self._held_size = (0.16, 0.16, 0.16)
        self._asked: tuple[str, float] | None = None  # text and since when its meaning is looked for
        self._asked_from = Pose2(0.0, 0.0, 0.0)
        self._looking: Inspect | None = None  # what is understood only from nearer
        self._looked: list[tuple[float, float]] = []  # places that were looked at for the asked text
        self._lost_once = False  # what the asked text means was found, and then it was not there
        self._meant: tuple[Scene, Context] | None = None  # in which the present steps were understood
        self._task_id = 0
        self._halt = False
        self.report = Report("", IDLE, "I wait for an instruction")

    def step(
        self,
        ego: EgoState,
        tracks: Sequence[TrackedObject],
        colours: Mapping[int, Colour],
        arms: ArmStatus | None,
        texts: Sequence[str] = (),
    ) -> TaskState:
        """One frame: remember the scene, take in new instructions, and say what to do."""
        now_s = ego.stamp_ns * 1e-9
        self._home = self._home or ego.pose
        self.memory.update(now_s, ego.pose, tracks, colours, self._kept())
        self._carry(ego, arms)
        view = View(now_s, ego, arms, self.memory.find, self.memory.objects(), self._home)
        for text in texts:
            self._asked, self._looking, self._looked, self._lost_once = (text, now_s), None, [], False
            self._asked_from = ego.pose
            self._hear(view)
        if not texts and self._asked is not None and self._looking is None:
            self._hear(view)
        wish = self._act(view)
        if wish.refuted is not None:
            self.memory.refute(wish.refuted)
        holding = arms is not None and arms.holding
        return TaskState(
            ego.stamp_ns,
            wish.phase,
            wish.goal,
            wish.dock,
            wish.arms,
            self.memory.tracks_of(wish.near),
            holding,
            self._halt,
        )

    def _kept(self) -> frozenset[int]:
        """What must not be forgotten: it is held or worked with."""
        ids = {item for step in self._steps[self._at :] for item in step.track_ids}
        return frozenset(ids | ({self._held} if self._held is not None else set()))

    def _carry(self, ego: EgoState, arms: ArmStatus | None) -> None:
        if self._held is None:
            return
        if arms is not None and arms.holding:
            x, y = (float(v) for v in ego.pose.apply(np.array([self._arms_config.stand_off, 0.0])))
            self.memory.carry(self._held, Pose2(x, y, ego.pose.yaw), self._arms_config.ready[2])

    def _hear(self, view: View) -> None:
        """Make sense of the asked text; give a scene that is still unknown a moment to become known."""
        assert self._asked is not None and self._home is not None
        text, since = self._asked
        # who is waited for, and has walked off, is not there to be spoken of
        there = tuple(o for o in view.objects if o.label not in ROAD_USERS or o.unseen_s <= PERSON_FORGOTTEN_S)
        scene = Scene(self._asked_from, there, self._home, self._held)
        outcome = self._understand(text, scene, self._context)
        unsure = isinstance(outcome, Question) or (isinstance(outcome, Refusal) and outcome.cause == Cause.NOT_FOUND)
        if unsure and view.now_s - since < LOOK_AROUND_S:
            if self.report.text != text:
                self.report = Report(text, RUNNING, "I look for it")
            return
        if unsure and (item := self._worth_a_look(outcome, view)) is not None:
            self._look_closer(text, item)
            return
        self._asked = None
        context, self._context = self._context, outcome.context
        if isinstance(outcome, Question):
            self._end_all()
            self.report = Report(text, ASKING, outcome.text, mentions=(("which one", outcome.candidates),))
        elif isinstance(outcome, Refusal):
            self.report = Report(text, REFUSED, outcome.reason)
        else:
            self._meant = scene, context
            self._begin(text, outcome)

    def _worth_a_look(self, outcome: Outcome, view: View) -> SceneObject | None:
        """What to see from nearer before asking back or giving up.

        Boxes, whose colours are mistaken from afar, and tables, of which one may look like two, and on which small
        boxes are not seen from far: tables come first. A question among different boxes is
        no matter of colours.
        """
        pose = view.ego.pose
        if isinstance(outcome, Question):
            items = view.known(outcome.candidates)
            tables = len(items) > 1 and all(item.label == ObjectClass.TABLE for item in items)
            unclear = outcome.unsure or len({item.colour for item in items}) <= 1
            boxes = all(item.label == ObjectClass.BOX for item in items) and unclear
            items = items if tables or boxes else []
        else:
            items = list(view.objects)
        far = [
            (item.label != ObjectClass.TABLE, math.dist((item.x, item.y), (pose.x, pose.y)), item.track_id)
            for item in items
            if item.label in (ObjectClass.BOX, ObjectClass.TABLE)
            and all(math.dist((item.x, item.y), spot) > ONE_LOOK_M for spot in self._looked)
        ]
        far = [candidate for candidate in far if candidate[1] > CLEAR_M]
        return view.find(min(far)[2]) if far and len(self._looked) < MOST_LOOKS else None

    def _look_closer(self, text: str, item: SceneObject) -> None:
        self._end_all()
        self._halt = False
        self._looked.append((item.x, item.y))
        self._looking = Inspect(item.track_id, self._holding_task())
        says = "I cannot tell from here and look from nearer"
        self.report = Report(text, RUNNING, says, mentions=(("what I look at", (item.track_id,)),))

    def _begin(self, text: str, grounded: Grounded) -> None:
        self._end_all()
        mentions = tuple((mention.text, mention.track_ids) for mention in grounded.mentions)
        steps = tuple(step.as_dict() for step in grounded.steps)
        if any(step.kind == StepKind.STOP for step in grounded.steps):
            self._halt = True
            self.report = Report(text, HALTED, "I have stopped", steps, mentions)
            return
        self._halt = False
        self._steps = grounded.steps
        self.report = Report(text, RUNNING, _intention(grounded.steps[0]), steps, mentions)

    def _end_all(self) -> None:
        self._steps, self._at, self._makers, self._behaviour = (), 0, None, None

    def _act(self, view: View) -> Wish:
        """The present behaviour's wish; the next one's from the next frame on."""
        if self._looking is not None and self._asked is not None:
            wish = self._looking.step(view)
            if wish.done:
                self._looking, self._asked = None, (self._asked[0], view.now_s)
            return wish
        if self._at >= len(self._steps):
            return self._idle(view)
        if self._held is not None and view.arms is not None and view.arms.kind == "hold" and view.arms.failed:
            self._held = None
            self.report = _changed(self.report, FAILED, f"I lost it on the way: {view.arms.failed}", self._at)
            self._end_all()
            return self._idle(view)
        if self._makers is None:
            self._makers = self._makers_of(self._steps[self._at])
        if self._behaviour is None:
            self._behaviour = self._makers.pop(0)(view)
        wish = self._behaviour.step(view)
        if wish.failed:
            if wish.phase == LOST and self._at == 0 and self._held is None and not self._lost_once:
                # what was taken for it was not there: perhaps it is somewhere else
                self._lost_once, self._asked = True, (self.report.text, view.now_s)
                self.report = Report(self.report.text, RUNNING, "I look for it")
            else:
                self.report = _changed(self.report, FAILED, wish.failed, self._at)
            self._end_all()
            return self._idle(view)
        if wish.done:
            self._note_hands(self._behaviour)
            self._behaviour = None
            if not self._makers:
                self._next_step()
        return wish

    def _next_step(self) -> None:
        self._at, self._makers = self._at + 1, None
        more = self._at < len(self._steps)
        says = _intention(self._steps[self._at]) if more else "done"
        self.report = _changed(self.report, RUNNING if more else DONE, says, self._at)

    def _idle(self, view: View) -> Wish:
        """Stand; hands that hold go on holding, hands that were at work when told to stop stay where they are."""
        if view.arms is not None and view.arms.holding:
            return Wish("hold", arms=ArmTask("hold", self._task_id))
        if self._halt and view.arms is not None and view.arms.kind not in ("rest", "stop"):
            return Wish("halted", arms=ArmTask("stop", self._task_id))
        if self._halt and view.arms is not None and view.arms.kind == "stop":
            return Wish("halted", arms=ArmTask("stop", view.arms.task_id))
        return Wish("idle")

    def _note_hands(self, finished: Behaviour) -> None:
        if isinstance(finished, PickUp):
            self._held = finished.target
            if (item := self.memory.find(self._held)) is not None:
                self._held_size = (item.length, item.width, item.height)
        elif isinstance(finished, PutDown):
            self._held = None

    def _next_task_id(self) -> int:
        self._task_id += HANDLING_IDS
        return self._task_id

    def _holding_task(self) -> ArmTask:
        return REST if self._held is None else ArmTask("hold", self._task_id)

    def _makers_of(self, step: Step) -> list[Maker]:
        """What a step takes, made one after the other: what the hands do next depends on what they did."""
        config = self._arms_config
        match step.kind:
            case StepKind.GOTO | StepKind.STOP_AT | StepKind.COME_BACK:
                return [lambda _: GoTo(step.place or Place(PlaceKind.HOME), self._holding_task())]
            case StepKind.LOOK_AT:
                return [lambda _: LookAt(step.target, step.place)]
            case StepKind.FOLLOW:
                return [lambda _: Follow(_the(step.target))]
            case StepKind.TOUCH:
                return [lambda _: Touch(_the(step.target), config, self._next_task_id())]
            case StepKind.PICK_UP:
                return [lambda _: PickUp(_the(step.target), config, self._next_task_id())]
            case StepKind.PUT:
                return [self._delivery]
            case StepKind.BRING:
                pick: list[Maker] = [lambda _: PickUp(_the(step.target), config, self._next_task_id())]
                held = self._held is not None and self._held == step.target
                return [*([] if held else pick), self._delivery]
        return [lambda _: Wait(step.seconds or 0.0, self._holding_task())]

    def _think_again(self, view: View) -> None:
        """Understand the text once more, as of when it was said: on the way a nearer cone may have come to light.

        What is worked with is where it was then, and who was meant stays who was meant: people move.
        """
        place = self._steps[self._at].place
        items = [] if place is None else [view.find(item) for item in place.targets]
        if self._meant is None or any(item is None or item.label in ROAD_USERS for item in items):
            return
        then, context = self._meant
        worked_with = {step.target for step in self._steps}
        before = [item for item in then.objects if item.track_id in worked_with]
        now = [item for item in view.objects if item.track_id not in worked_with]
        scene = replace(then, objects=tuple(sorted([*before, *now], key=lambda item: item.track_id)))
        outcome = self._understand(self.report.text, scene, context)
        if not isinstance(outcome, Grounded) or _deeds(outcome.steps) != _deeds(self._steps):
            return
        self._steps = outcome.steps
        self.report = replace(
            self.report,
            steps=tuple(step.as_dict() for step in outcome.steps),
            mentions=tuple((mention.text, mention.track_ids) for mention in outcome.mentions),
        )

    def _delivery(self, view: View) -> Behaviour:
        """Onto a table where the place is one, else stand at the place and hold it out."""
        self._think_again(view)
        place = self._steps[self._at].place or Place(PlaceKind.HOME)
        item = view.find(place.targets[0]) if place.targets else None
        at_it = place.relation in (Relation.AT, Relation.ON, Relation.NEXT_TO, Relation.NEAR)
        if item is not None and item.label == ObjectClass.TABLE and at_it:
            return PutDown(item.track_id, self._arms_config, self._next_task_id(), self._held_size, self._held)
        return GoTo(place, self._holding_task())


def _deeds(steps: tuple[Step, ...]) -> list[tuple[StepKind, int | None]]:
    """What is done to what, wherever."""
    return [(step.kind, step.target) for step in steps]


def _the(target: int | None) -> int:
    assert target is not None  # the language part sets it for these kinds
    return target


def _changed(report: Report, state: str, says: str, at: int) -> Report:
    return Report(report.text, state, says, report.steps, report.mentions, at)


def _intention(step: Step) -> str:
    words = {StepKind.GOTO: "I go there", StepKind.STOP_AT: "I go there", StepKind.COME_BACK: "I come back"}
    words |= {StepKind.FOLLOW: "I follow", StepKind.LOOK_AT: "I look at it", StepKind.TOUCH: "I touch it"}
    words |= {StepKind.PICK_UP: "I pick it up", StepKind.BRING: "I bring it", StepKind.PUT: "I put it there"}
    return words.get(step.kind, "I wait")
