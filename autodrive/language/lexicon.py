"""The words that the grammar knows. Tables only; a word may stand in several."""

from __future__ import annotations

from autodrive.language.model import Relation, StepKind
from autodrive.scene import ObjectClass


def _table(*lines: str) -> dict[str, str]:
    """``"meaning: word, word"`` lines as word -> meaning."""
    entries: dict[str, str] = {}
    for line in lines:
        meaning, words = line.split(":")
        entries |= {word.strip(): meaning.strip() for word in words.split(",")}
    return entries


def words_of(*lines: str) -> tuple[str, ...]:
    """The words of some lines."""
    return tuple(" ".join(lines).split())


CONTRACTIONS = _table(
    "do not: don't, dont", "does not: doesn't", "can not: can't, cannot", "is not: isn't", "will not: won't",
    "should not: shouldn't", "must not: mustn't", "it is: it's", "that is: that's", "what is: what's", "let us: let's",
    "i would: i'd", "i will: i'll", "you are: you're", "there is: there's", "i am: i'm", "where is: where's",
    "who is: who's",
)  # fmt: skip

# Words that change nothing about what is to be done, wherever they stand.
FILLERS = frozenset(
    words_of(
        "please kindly just now robot optimus hey hello hi okay ok so well actually slowly carefully gently",
        "quickly fast closely attentively briefly firmly immediately quietly softly straight directly right_now",
        "uh um er first_of_all over_there",
        "right_there really very quite maybe perhaps rather thanks thank_you who_is sir buddy mate also too",
        "again simply safely",
    )
)

_PHRASES = _table(
    # where
    "in_front_of: right in front of, in front of, to the front of, at the front of, before",
    "left_of: left of, to the left of, on the left of, on the left side of, to the left side of, at the left of,"
    " on the left hand side of, left from",
    "right_of: right of, to the right of, on the right of, on the right side of, to the right side of, at the right of,"
    " on the right hand side of, right from",
    "on_left: on the left, on your left, to your left, to the left, at the left, on the left side, on your left side,"
    " on the left hand side, on your left hand side, at your left",
    "on_right: on the right, on your right, to your right, to the right, at the right, on the right side,"
    " on your right side, on the right hand side, on your right hand side, at your right",
    "from_left: from the left, from left, counting from the left, from your left",
    "from_right: from the right, from right, counting from the right, from your right",
    "in_middle: in the middle of the row, in the middle of the line, in the middle of them, in the middle,"
    " in the centre, in the center",
    "next_to: right next to, right beside, next to, beside, alongside, adjacent to, by the side of, at the side of",
    "near: near to, close to, close by, nearby, in the vicinity of, not far from, round about",
    "on: on top of, onto, upon, atop, on to, up on",
    "behind: right behind, in back of, at the back of, at the rear of, to the rear of, in the back of",
    "between: in between, amid",
    "under: underneath, below, beneath",
    "nearest_to: nearest to, closest to, nearer to, closer to",
    "farthest_from: farthest from, furthest from, farther from, further from, farthest away from,"
    " furthest away from, most distant from",
    "on the floor: on the ground",
    "to: towards, toward, over to, up to, over towards, over toward, across to, along to, out to, down to,"
    " back to the way to",
    "from: away from, off of",
    "within: to within",
    # order
    "then: and then, after that, afterwards, and after that, and afterwards, next up, and finally, finally, lastly,"
    " once done, when you are done, when done, subsequently, thereafter, followed by, and next, when you get there,"
    " once you are there, when you are there, when you arrive",
    "held: you hold, you are holding, that you hold, that you are holding, you carry, you are carrying, in your hands,"
    " in your hand, that you carry, you have, which you hold, you picked up, that you picked up",
    "the thing held: what you hold, what you are holding, what you carry, what is in your hands, what you have",
    "please: would you be able to, i would love it if you, i would like it if you, it would be nice if you,"
    " are you able to, to a spot, to a place, to a point, to a position, somewhere, to somewhere, to the spot,"
    " to the place, a spot",
    # things
    "cone: pylon, traffic cone, safety cone, road cone, orange cones",
    "box: cuboid, cardboard box, boxes, crate, crates, carton, cartons, package, packages, parcel, parcels,"
    " container, bin,"
    " cube, cubes, case, block",
    "the person: whoever is, whoever",
    "in: dressed in, clad in, who wears, in the colour",
    "person: pedestrian, pedestrians, man, woman, men, women, human, humans, guy, lady, gentleman, worker, workers,"
    " somebody, someone, boy, girl, child, visitor, persons, colleague, bystander, walker, folk, individual, anyone,"
    " anybody, kid, kids, fellow, adult, employee, operator, guys, driver, coworker",
    "table: tables, desk, desks, workbench, bench, counter, worktop",
    "shelf: shelves, rack, racks, shelving, shelving unit, bookshelf, bookcase, cupboard, cabinet",
    "car: cars, automobile, sedan, vehicle, vehicles",
    "truck: trucks, lorry, lorries, van, vans, pickup truck",
    "cyclist: cyclists, bicycle, bicycles, bike, bikes, biker, bicyclist",
    "barrier: barriers, barricade, barricades, fence, guard rail",
    "thing: things, object, objects, item, items, something, stuff",
    "all thing: everything, every thing",
    "a thing: anything",
    "the nearest thing: the nearest one",
    # verbs that are several words
    "pick_up: pick up, picking up, lift up, lift, lifting, grab, grabbing, grasp, grasping, grip, scoop up, hoist,"
    " get a hold of, get hold of, take hold of, take a hold of, pick me up",
    "look: looking, gaze, gazing, stare, glance, peer, have a look, take a look, turn your head, point your head,"
    " turn your cameras, direct your gaze",
    "watch: watching, find, locate, look for, search for, seek, spot, observe, inspect, examine, eye,"
    " keep an eye on, check out",
    "touch: touching, touched, tap, tapping, put your hand on, put a hand on, place your hand on, lay your hand on,"
    " place a hand on,"
    " lay a hand on, put your palm on, put your palms on, put your hands on, lay your hands on, poke, press,"
    " make contact with, touch on, rest your hand on",
    "reach: reaching, reach out, stretch out your hand, extend your arm",
    "follow: following, tail, trail, go after, keep following, accompany, shadow, keep up with, walk after,"
    " stay behind, stick with",
    "approach: approaching, visit, get close to, get near, move closer to, walk closer to, step closer to,"
    " go near to, come close to, draw near, get closer to, go close to,"
    " come closer to, move close to, walk close to, find your way to",
    "go: going, walk, move, head, heading, proceed, proceeding, run, travel, navigate,"
    " step, march, make your way, drive, driving, continue, get yourself, get over, get going, stroll, wander,"
    " amble, saunter, tiptoe, shuffle, take yourself,"
    " position yourself, place yourself, go and stand, go stand, go over, walk over, move over, head over, stand,"
    " take a walk, walk up, go up, walk on over, go on over, advance",
    "come: coming, come over, come on over, come along, come up, come on",
    "return: returning, go back, walk back, head back, come back, coming back, going back, move back, get back,"
    " run back, travel back, come on back, step back to, turn back",
    "bring: bringing, carry, carrying, deliver, delivering, transport, transporting, convey, bring back, carry over,"
    " bring over, haul, go and bring, go bring",
    "get: getting, fetch, fetching, go and get, go get, go and fetch, go fetch, retrieve, obtain",
    "give: giving, hand, handing, pass, passing, hand over, give over, pass over",
    "take: taking, collect, collecting, carry away, take away, take hold",
    "put: putting, place, placing, set, setting, lay, laying, deposit, leave, leaving, drop off, drop, dropping,"
    " set down, put down, putting down, lay down, place down, unload, rest, stow, store, put back, let go of, release",
    "stop: stopping, halt, halting, freeze, freezing, pause, come to a stop, come to a halt, pull up, come to rest,"
    " park, stand still, hold still, stay still, keep still, hold on, hold it, hang on, abort, cancel, cease, quit,"
    " emergency, emergency stop, whoa, do not move, stay put, stay where you are, stay there, stay here, never mind,"
    " enough, that is enough, no more, stop moving, stop it, stop that, stop there, stop right there, stop here,"
    " do not move a muscle, hold your position, hold position, remain, stop what you are doing, stop everything,"
    " cut it out, desist, stop right now, stop at once, stop immediately",
    "wait: waiting, wait for, hold for, pause for, stay for, stay here for, wait here for, wait there for,"
    " wait right there for, stand still for, stop for, halt for, sleep for, idle for, remain for, freeze for,"
    " stay put for, hold on for, wait here, wait there, stay where you are for",
    "stay: keep, keeping, staying",
    "want: would like, need, would love, would want",
    "turn: turning, rotate, rotating, spin, spinning",
    "face: facing, turn to, turn to face, turn towards, turn toward, turn and face, look towards, look toward",
    # people
    "me: myself, my hands, my hand, where i am, my place, my position, us, where i stand",
    "here: this place, this spot, where you are, your place, this position, right here, over here",
    "home: start, the start, starting point, the starting point, starting position, the starting position, base,"
    " where you started, the place where you started, the beginning, start position, where you came from, your base,"
    " where you began, your home, your start, the home position, home position, origin, your starting point",
    # fillers of several words
    "please: if you would, if you please, if you do not mind, if you can, if possible, i want you to,"
    " i would like you to, i would love you to, i will need you to,"
    " could you, can you, would you, will you, you should, you must, you have to, you need to, go ahead and,"
    " i need you to, would you mind, be so kind as to, do me a favour and, do me a favor and, i ask you to, let us,"
    " i want to see you, try to, make sure to, be sure to, you can, may i ask you to, you may, for me to see, do",
    "right_now: right now, right away, at once, straight away",
    "first_of_all: first of all, to begin with, to start with, first off",
    "over_there: over there, out there, in the hall, in the room, in this room, in this hall, that you can see,"
    " that you see, you can see, you see, that i see, in view",
    "right_there: right there, over here now",
    "thank_you: thank you, many thanks",
    "who_is: who is, that is, who are, that are, which are, which is, who stands, that stands, which stands, that lies,"
    " which lies, that sits, which sits, lying, sitting, sat, located, that was, which was",
    "moving: walking, running, in motion, that moves, who moves, that walks, who walks",
    "still: standing, stationary, motionless, not moving, standing still",
    # sizes and ranks
    "nearest: closest, nearer, closer, close, near one",
    "farthest: furthest, farther, further, far, most distant, remotest, more distant, distant, far away, farther away,"
    " further away, farthest away, furthest away, faraway",
    "leftmost: left most, far left, furthest left, farthest left, left hand, most left",
    "rightmost: right most, far right, furthest right, farthest right, right hand, most right",
    "biggest: huge, enormous, giant, gigantic, massive, largest, most massive, widest, greatest, bigger, larger",
    "smallest: tiny, mini, miniature, littlest, tiniest, smaller, narrowest",
    "big: large, wide",
    "small: little, compact, narrow",
    "tallest: highest, taller, higher", "shortest: lowest, shorter, lower",
    "middle: central, centre, center, middlemost",
    "a: an, any, some, whichever, either, whatever, any of, any one of, one of",
    "all: every, each, all of, all the, both, both of, every one of, each of",
    "the: these, those, your, my, his, its, their, said",
    "other: another, remaining",
    # harmless endings
    "one: ones", "two: pair of, couple of, a pair of, a couple of, a couple", "three: a few, few",
    "half_a: half a, half an", "a_moment: a moment, a bit, a little, a while, a little while, a little bit, a sec,"
    " a short while, one moment, a short moment, a few moments",
    "second: sec", "seconds: secs, s", "minute: min", "minutes: mins", "metre: meter, m", "metres: meters",
    "centimetres: cm, centimeters, centimetre, centimeter",
)  # fmt: skip
PHRASES = {tuple(phrase.split()): token for phrase, token in _PHRASES.items()}

NOUNS = {
    "car": ObjectClass.CAR,
    "truck": ObjectClass.TRUCK,
    "cyclist": ObjectClass.CYCLIST,
    "person": ObjectClass.PEDESTRIAN,
    "people": ObjectClass.PEDESTRIAN,
    "cone": ObjectClass.CONE,
    "cones": ObjectClass.CONE,
    "barrier": ObjectClass.BARRIER,
    "box": ObjectClass.BOX,
    "table": ObjectClass.TABLE,
    "shelf": ObjectClass.SHELF,
}
NAMES = {
    ObjectClass.CAR: ("car", "cars"),
    ObjectClass.TRUCK: ("truck", "trucks"),
    ObjectClass.CYCLIST: ("cyclist", "cyclists"),
    ObjectClass.PEDESTRIAN: ("person", "people"),
    ObjectClass.CONE: ("cone", "cones"),
    ObjectClass.BARRIER: ("barrier", "barriers"),
    ObjectClass.BOX: ("box", "boxes"),
    ObjectClass.TABLE: ("table", "tables"),
    ObjectClass.SHELF: ("shelf", "shelves"),
}
ANYTHING = frozenset({"thing", "one"})

COLOURS = _table(
    "red: red, crimson, scarlet, ruby", "orange: orange, amber", "yellow: yellow, golden, gold",
    "green: green, lime, olive, emerald", "blue: blue, navy, azure", "purple: purple, violet, lilac",
    "pink: pink, magenta, rose", "brown: brown, tan, beige, wooden", "black: black", "white: white", "grey: grey,"
    " gray, silver",
    "cyan: cyan, turquoise, teal",
)  # fmt: skip
GARMENTS = frozenset(words_of("shirt jacket coat trousers clothes vest hat dress sweater pullover top outfit suit"))

# Adjective -> (measure, ascending). The left is ascending because places are counted from the left.
RANKS = {
    "nearest": ("distance", True),
    "farthest": ("distance", False),
    "leftmost": ("bearing", True),
    "rightmost": ("bearing", False),
    "left": ("bearing", True),
    "right": ("bearing", False),
    "biggest": ("size", False),
    "smallest": ("size", True),
    "tallest": ("height", False),
    "shortest": ("height", True),
}
SIZES = {"big": ("size", False), "small": ("size", True), "tall": ("height", False), "short": ("height", True),
         "high": ("height", False), "low": ("height", True)}  # fmt: skip
ORDINALS = {
    word: index
    for index, word in enumerate(words_of("first second third fourth fifth sixth seventh eighth ninth tenth"))
}

RELATIONS = {
    "on": Relation.ON,
    "in": Relation.ON,
    "inside": Relation.ON,
    "under": Relation.UNDER,
    "left_of": Relation.LEFT_OF,
    "right_of": Relation.RIGHT_OF,
    "behind": Relation.BEHIND,
    "in_front_of": Relation.IN_FRONT_OF,
    "next_to": Relation.NEXT_TO,
    "by": Relation.NEXT_TO,
    "at": Relation.NEAR,
    "near": Relation.NEAR,
    "between": Relation.BETWEEN,
}
# Ways that no walking robot should take with respect to a thing or a person.
BAD_WAYS = frozenset(words_of("through into over under on against across inside up past"))

NUMBERS = {
    word: float(value)
    for value, word in enumerate(
        words_of(
            "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen",
            "sixteen seventeen eighteen nineteen",
        )
    )
} | {
    word: 10.0 * value
    for value, word in enumerate(words_of("twenty thirty forty fifty sixty seventy eighty ninety"), 2)
}
SECONDS = {"second": 1.0, "seconds": 1.0, "minute": 60.0, "minutes": 60.0, "hour": 3600.0, "hours": 3600.0}
SECONDS |= {"day": 86400.0, "days": 86400.0, "week": 604800.0, "weeks": 604800.0, "year": 3.2e7, "years": 3.2e7}
METRES = {"metre": 1.0, "metres": 1.0, "centimetres": 0.01, "step": 0.5, "steps": 0.5, "feet": 0.305, "foot": 0.305}

PRONOUNS = frozenset({"it", "that", "them", "him", "her", "there", "this", "they"})
PEOPLE_PRONOUNS = frozenset({"him", "her", "them", "they"})

HARM = frozenset(
    words_of(
        "hit hitting push pushing kick kicking punch punching hurt hurting attack attacking kill killing",
        "shove shoving slap strike smash crash ram trip fight tackle bump stab burn choke strangle harm",
        "injure beat shoot throw throwing toss hurl fling break destroy crush squash scare frighten chase",
        "knock trample bite scratch tackle topple tip collide jump climb climbing whack smack squeeze wreck",
        "damage pinch shake threaten bully murder assault smother",
    )
)

# What a prohibition or a direct answer may start with.
NEGATIONS = frozenset({"not", "never", "without", "avoid"})
VERB_KINDS = {
    "touch": StepKind.TOUCH,
    "reach": StepKind.TOUCH,
    "follow": StepKind.FOLLOW,
    "watch": StepKind.LOOK_AT,
    "face": StepKind.LOOK_AT,
    "look": StepKind.LOOK_AT,
    "pick_up": StepKind.PICK_UP,
}
VERBS = (
    frozenset(
        words_of(
            "go approach stop touch reach follow watch face look pick_up pick take get bring give put wait stay",
            "return come turn want",
        )
    )
    | HARM
)
