"""What stands where, remembered: things that the cameras do not show just now keep their place, name and colour.

A tracker forgets what it has not seen for two seconds. A robot that turns to a table, or stands so near that a box is
below its cameras, must not.
"""

from __future__ import annotations

import cmath
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from autodrive.geometry import Array, Pose2, distance_to_box
from autodrive.humanoid.arm_task import BoxPose
from autodrive.language.model import SceneObject
from autodrive.scene import ROAD_USERS, ObjectClass, TrackedObject
from autodrive.tasks.box_fit import BoxFit, FittedBox
from autodrive.tasks.triangulation import Triangulation
from autodrive.vision.appearance import Colour

SAME_THING_M = 0.35  # a new track of the same class this near to a remembered thing is that thing
SAME_PERSON_M = 1.2
PERSON_FORGOTTEN_S = 3.0
# who is waited for is looked for where they were last; a new person whom they can have become by walking is them
PERSON_AWAITED_S, WALKING_MPS = 60.0, 1.5
THING_FORGOTTEN_S = 4.0  # where the cameras look and nothing hides it
# what is worked with may be hidden; but what was not there for so long, and longer than it ever was, was never there.
# How long a box was watched does not count, till it was measured: they are mistaken from afar
KEPT_FORGOTTEN_S, GLANCE_S = 8.0, 0.5
CERTAIN_WITHIN_M = (1.0, 4.0)
# what is nearer may lie below the cameras; from there on a box is looked at, too, if one so near beside it is seen
BELOW_CAMERAS_M, BESIDE_M = 0.75, 0.6
MISSING_S, REUNITED_M = 1.0, 0.9
MIN_AGE_S, MIN_SCORE = 0.6, 0.2
SLACK_M = 0.15  # of the edges of tables
ENOUGH_EVIDENCE = 2.0  # votes of full confidence
# votes count in full up to this distance, and by the solid angle beyond it, but never nothing; a full one lets the
# older ones fade: what was seen of a colour from afar must not outweigh what is seen from near
CLEAR_M, LEAST_WEIGHT, FADES = 2.6, 0.2, 0.03
SIZES_KEPT = 100  # frames
# a box on a table that is seen as one with the table is so many times as large as it was, or sunk into it so deep
GROWN, SUNK_M = 2.2, 0.15
STANDS_ON_M, TOP_STD_M = 0.25, 0.015  # what ends so near to a table's top stands on it, which says its height well
SPARE_IDS = 1_000_000  # from here on: things whose track once showed something else


@dataclass
class _Known:
    """One thing: as last seen, by which track, when, and how often it was called which colour."""

    track: TrackedObject
    seen_s: float
    first_s: float
    missed_s: float = 0.0
    watched_s: float = 0.0  # how long it was seen altogether
    votes: dict[str, float] = field(default_factory=dict)
    sights: Triangulation = field(default_factory=Triangulation)
    sizes: deque[tuple[float, float, float]] = field(default_factory=lambda: deque(maxlen=SIZES_KEPT))
    fit: BoxFit = field(default_factory=BoxFit)
    fitted: FittedBox | None = None  # what the outlines say of it
    axes: deque[complex] = field(default_factory=lambda: deque(maxlen=SIZES_KEPT))
    _size: tuple[float, float, float] | None = None  # of the sizes so far: asked for many times a frame

    def see(self, track: TrackedObject, now_s: float) -> None:
        """Take over what a track says of it now."""
        self.watched_s += min(now_s - self.seen_s, GLANCE_S)
        self.track, self.seen_s, self.missed_s = track, now_s, 0.0
        self.sizes.append((track.length, track.width, track.height))
        self.axes.append(cmath.exp(2j * track.yaw))
        self._size = None

    def unmeasure(self) -> None:
        """Forget all that made its place exact: it is not there any more, or never was."""
        self.sights, self.fit, self.fitted = Triangulation(), BoxFit(), None

    @property
    def measured(self) -> bool:
        """Whether it is known to a few centimetres where it is."""
        return self.fitted is not None and self.fitted.sure

    def yaw(self) -> float:
        """Yaw [rad]: of what has no front the mean axis, for what is near is seen in part only."""
        if self.fitted is not None:
            return self.fitted.pose.yaw
        return self.track.yaw if self.track.label in ROAD_USERS else cmath.phase(sum(self.axes)) / 2

    def size(self) -> tuple[float, float, float]:
        """Length, width, height [m]: as fitted, or medians, for a box may be taken for one as large as its table."""
        if self.fitted is not None:
            box = self.fitted.pose
            return box.length, box.width, box.height
        if self._size is None:
            length, width, height = np.median(np.array(self.sizes), axis=0).tolist()
            self._size = length, width, height
        return self._size

    def place(self, top: float | None = None) -> Array:
        """Centre (3,) in map, from the network, the lines of sight, and the height ``top`` that it stands at."""
        if self.fitted is not None:
            return np.array([self.fitted.pose.x, self.fitted.pose.y, self.fitted.pose.z])
        prior = np.array([self.track.x, self.track.y, self.track.z])
        if top is None:
            return self.sights.place(prior)
        prior[2] = top + self.size()[2] / 2
        return self.sights.place(prior, TOP_STD_M)

    def vote(self, colour: Colour, body: Pose2) -> None:
        """Note what colour it was called now, seen from ``body``."""
        distance = max(math.dist((self.track.x, self.track.y), (body.x, body.y)), CLEAR_M)
        weight = max((CLEAR_M / distance) ** 2, LEAST_WEIGHT)
        self.votes = {name: (1 - FADES * weight) * votes for name, votes in self.votes.items()}
        self.votes[colour.name] = self.votes.get(colour.name, 0.0) + weight * colour.confidence

    def colour(self) -> tuple[str | None, float]:
        """Name and confidence of what it is mostly called."""
        total = sum(self.votes.values())
        if total <= 0:
            return None, 0.0
        name = max(sorted(self.votes), key=lambda n: self.votes[n])
        return name, self.votes[name] / total * min(1.0, total / ENOUGH_EVIDENCE)


class SceneMemory:
    """Things by ids of their own: mostly the id of the track that first showed them."""

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}
        self._id_of_track: dict[int, int] = {}
        self._first_s: dict[int, float] = {}  # when each track was first there: its age does not travel in messages
        self._now_s: float | None = None
        self._next_spare = SPARE_IDS

    def update(
        self,
        now_s: float,
        body: Pose2,
        tracks: Sequence[TrackedObject],
        colours: Mapping[int, Colour],
        keep: frozenset[int] = frozenset(),
    ) -> None:
        """Take in one frame; things in ``keep`` (held, or worked at) are hardly forgotten."""
        elapsed = 0.0 if self._now_s is None else now_s - self._now_s
        self._now_s = now_s
        thing_of: dict[int, int] = {}  # what each track shows now
        self._first_s = {t.track_id: self._first_s.get(t.track_id, now_s) for t in tracks}
        for track in tracks:
            if now_s - self._first_s[track.track_id] >= MIN_AGE_S and track.score >= MIN_SCORE:
                item = self._take(track, now_s, set(thing_of.values()))
                if item is not None:
                    thing_of[track.track_id] = item
        for track_id, colour in colours.items():
            if track_id in thing_of:
                known = self._known[thing_of[track_id]]
                known.vote(colour, body)
                # a line of sight to something of another colour is one to something else
                same = colour.name == known.colour()[0]
                if colour.sight is not None and same and known.track.label == ObjectClass.BOX:
                    known.sights.add(colour.sight, body, known.place())
                if colour.outline is not None and same and known.track.label == ObjectClass.BOX:
                    known.fit.add(colour.outline, body)
                    self._measure(known)
        shown = set(thing_of.values())
        for item in keep - shown & self._known.keys():
            if self._known[item].track.label == ObjectClass.BOX:
                self._reunite(item, now_s, body, shown - keep)
            elif self._known[item].track.label in ROAD_USERS:
                self._meet_again(item, now_s, shown - keep)
        self._forget(now_s, elapsed, body, shown, keep)

    def carry(self, item: int, pose: Pose2, z: float) -> None:
        """Note that something moves along with the body."""
        if (known := self._known.get(item)) is not None:
            known.track = replace(known.track, x=pose.x, y=pose.y, yaw=pose.yaw, z=z)
            known.seen_s = known.seen_s if self._now_s is None else self._now_s
            known.unmeasure()

    def refute(self, item: int) -> None:
        """Note that hands did not find a box where it was measured: what is seen from now on counts."""
        if (known := self._known.get(item)) is not None:
            known.unmeasure()

    def _measure(self, known: _Known) -> None:
        """What the outlines of a box say, given what is believed of it: most likely it is turned as its table."""
        before, known.fitted = known.fitted, None
        table = self._table_below(known)
        x, y, z = known.place(None if table is None else _top(table)).tolist()
        yaw = known.yaw() if table is None else table.yaw()
        believed = BoxPose(x, y, z, yaw, *known.size())
        found = known.fit.solve(believed, on_table=table is not None)
        worse = found is not None and before is not None and not found.sure and found.std_m > before.std_m
        known.fitted = before if found is None or worse else found

    def objects(self) -> tuple[SceneObject, ...]:
        """All that is known, in map, by rising id."""
        return tuple(self._object(item) for item in sorted(self._known))

    def find(self, item: int | None) -> SceneObject | None:
        """One thing, or None when it is not known (any more)."""
        return self._object(item) if item is not None and item in self._known else None

    def tracks_of(self, items: Sequence[int]) -> frozenset[int]:
        """Ids of the tracks that show these things."""
        wanted = set(items)
        return frozenset(track for track, item in self._id_of_track.items() if item in wanted)

    def _object(self, item: int) -> SceneObject:
        known = self._known[item]
        t, (name, confidence) = known.track, known.colour()
        x, y, z = known.place(self._top_below(known)).tolist()
        unseen_s = 0.0 if self._now_s is None else self._now_s - known.seen_s
        return SceneObject(
            item, t.label, x, y, z, known.yaw(), *known.size(), t.vx, t.vy, name, confidence, known.measured, unseen_s
        )

    def _top_below(self, known: _Known) -> float | None:
        """Height of the table that a box stands on."""
        table = self._table_below(known)
        return None if table is None else _top(table)

    def _table_below(self, known: _Known) -> _Known | None:
        """The table that a box stands on."""
        if known.track.label != ObjectClass.BOX:
            return None
        x, y, z = known.place().tolist()
        bottom = z - known.size()[2] / 2
        tables = [
            (abs(bottom - _top(table)), item)
            for item, table in self._known.items()
            if table.track.label == ObjectClass.TABLE and _away(table, x, y) < SLACK_M
        ]
        off, item = min(tables, default=(math.inf, -1))
        return self._known[item] if off < STANDS_ON_M else None

    def _take(self, track: TrackedObject, now_s: float, taken: set[int]) -> int | None:
        """Which thing a track shows; None where that cannot be believed."""
        item = self._id_of_track.get(track.track_id)
        if item is None or item not in self._known or item in taken or self._jumped(item, track):
            item = self._same_as(track, taken)
        known = self._known.get(item)
        if self._with_its_table(known, track):
            if known is not None:
                known.missed_s = 0.0  # it is there, but where in all this?
            return None
        self._id_of_track[track.track_id] = item
        self._known.setdefault(item, _Known(track, now_s, now_s)).see(track, now_s)
        return item

    def _with_its_table(self, known: _Known | None, track: TrackedObject) -> bool:
        """Whether a track shows a box as one with the table that it stands on, as happens from beside them."""
        if track.label != ObjectClass.BOX:
            return False
        if known is not None and max(track.length, track.width, track.height) > GROWN * max(known.size()):
            return self._table_below(known) is not None
        return any(
            track.z < _top(table) - SUNK_M and _away(table, track.x, track.y) == 0.0
            for table in self._known.values()
            if table.track.label == ObjectClass.TABLE
        )

    def _jumped(self, item: int, track: TrackedObject) -> bool:
        """Whether a track of a known thing has gone over to something else."""
        x, y, _ = self._known[item].place()
        return track.label not in ROAD_USERS and math.dist((x, y), (track.x, track.y)) > SAME_THING_M

    def _same_as(self, track: TrackedObject, taken: set[int]) -> int:
        reach = SAME_PERSON_M if track.label in ROAD_USERS else SAME_THING_M
        alike = [i for i, known in self._known.items() if known.track.label == track.label and i not in taken]
        distance, item = self._nearest(alike, np.array([track.x, track.y]))
        if distance < reach:
            return item
        if track.track_id not in self._known:
            return track.track_id
        self._next_spare += 1
        return self._next_spare

    def _reunite(self, item: int, now_s: float, body: Pose2, shown: set[int]) -> None:
        """Where a box that is worked with is lost but a new one of its colour is near there, it is that one.

        Far away a track now and then jumps to a neighbour; the thing itself comes back under another id. What was known
        beside it is another thing, and where a box was measured, there it is.
        """
        lost = self._known[item]
        if lost.measured or now_s - lost.seen_s < MISSING_S:
            return
        near, far = CERTAIN_WITHIN_M
        place = lost.place()[:2]
        if not near < math.dist(place, (body.x, body.y)) < far:
            return
        alike = [
            other
            for other in shown & self._known.keys()
            if self._known[other].track.label == ObjectClass.BOX
            and self._known[other].colour()[0] == lost.colour()[0]
            and self._known[other].first_s > lost.seen_s - MISSING_S
        ]
        distance, other = self._nearest(alike, place)
        if distance < REUNITED_M:
            self._become(item, other)

    def _meet_again(self, item: int, now_s: float, shown: set[int]) -> None:
        """Who was lost from sight is the new person nearest to where they were; who was known then is somebody else."""
        lost = self._known[item]
        new = [
            other
            for other in shown & self._known.keys()
            if self._known[other].track.label == lost.track.label and self._known[other].first_s > lost.seen_s
        ]
        distance, other = self._nearest(new, lost.place()[:2])
        if distance < SAME_PERSON_M + WALKING_MPS * (now_s - lost.seen_s):
            self._become(item, other)

    def _nearest(self, items: Sequence[int], place: Array) -> tuple[float, int]:
        """How far [m] from ``place`` (x, y) the nearest of some things is, and which; infinity where there is none."""
        near = ((math.dist(self._known[item].place()[:2], place), item) for item in items)
        return min(near, default=(math.inf, -1))

    def _become(self, item: int, other: int) -> None:
        """What is known as ``other`` is ``item``."""
        self._known[item] = self._known.pop(other)
        self._id_of_track = {t: item if i == other else i for t, i in self._id_of_track.items()}

    def _forget(self, now_s: float, elapsed: float, body: Pose2, shown: set[int], keep: frozenset[int]) -> None:
        near, far = CERTAIN_WITHIN_M
        for item, known in list(self._known.items()):
            if item in shown:
                continue
            if known.track.label in ROAD_USERS:
                gone = now_s - known.seen_s > (PERSON_AWAITED_S if item in keep else PERSON_FORGOTTEN_S)
            elif item in keep and known.measured:
                continue
            else:
                distance = math.dist((known.track.x, known.track.y), (body.x, body.y))
                kept_box = item in keep and known.track.label == ObjectClass.BOX
                looked_at = near < distance < (CLEAR_M if kept_box else far)
                if looked_at or (kept_box and self._would_be_seen(known, distance, body, shown)):
                    known.missed_s += elapsed
                kept_s = KEPT_FORGOTTEN_S if kept_box else max(KEPT_FORGOTTEN_S, known.watched_s)
                gone = known.missed_s > (kept_s if item in keep else THING_FORGOTTEN_S)
            if gone:
                del self._known[item]
                self._id_of_track = {t: i for t, i in self._id_of_track.items() if i != item}

    def _would_be_seen(self, box: _Known, distance: float, body: Pose2, shown: set[int]) -> bool:
        """Whether a box at ``distance`` would be seen, were it there: one beside it is seen, and from no nearer."""
        if distance < BELOW_CAMERAS_M:
            return False
        boxes = (k for k in map(self._known.get, shown) if k is not None and k.track.label == ObjectClass.BOX)
        places = (other.place()[:2] for other in boxes)
        return any(
            math.dist(p, box.place()[:2]) < BESIDE_M and math.dist(p, (body.x, body.y)) > distance for p in places
        )


def _top(table: _Known) -> float:
    """Height of a table's top [m]."""
    return table.track.z + table.size()[2] / 2


def _away(table: _Known, x: float, y: float) -> float:
    """How far [m] a point is from a table, seen from above; 0 over it."""
    return distance_to_box((x, y), table.track.x, table.track.y, table.yaw(), *table.size()[:2])
