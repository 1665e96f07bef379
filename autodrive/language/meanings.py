"""What words mean that the grammar does not know: the nearest known word, or honestly none.

Each unknown word is compared, in a short frame, with words that the grammar knows and with words for what the robot
cannot do or does not see. It takes a meaning only when it is close enough and clearly closer than any other meaning;
words that the grammar knows never come here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from autodrive.language.encoder import Array, Encoder

HARM, NONE = "harm", "none"


@dataclass(frozen=True, slots=True)
class Frame:
    """How words of one role are compared: a carrier phrase, words by meaning, and how close is close enough."""

    carrier: str
    words: dict[str, str]
    threshold: float
    margin: float


# The thresholds were set on words that are in none of the tables: seize, haul, scoot, bookcase; photocopy, bake, wug.
TRANSITIVE = Frame(
    "{} it",
    {
        "pick_up": "pick up,lift,grab,grasp,take,hold,raise",
        "get": "fetch,retrieve,go and get",
        "bring": "bring,carry,deliver,transport",
        "put": "put,place,set down,drop",
        "touch": "touch,tap,feel",
        "watch": "look at,watch,observe,inspect,view,examine",
        "follow": "follow,track,trail",
        "approach": "approach,visit,reach",
        HARM: "hit,kick,break,destroy,smash,punch,crush,attack,hurt,stab,shoot,push,shove,knock it over,throw",
        NONE: "paint,eat,open,close,buy,sell,clean,wash,cook,read,photograph,cut,fold,unlock,draw,repair,hide,"
        "build,fill,"
        "empty,count,name,describe,burn,wear,sing,explain,marry,forget,love,like,ignore,install,rotate,shake,"
        "sort,measure,"
        "weigh,scan,call,greet,thank,ask,play,write,drink,plug in,switch on,teach,help,kiss,hug,polish,decorate,lick,"
        "steal,mail,laugh,shout,jump,fly",
    },
    0.62,
    0.03,
)
MOTION = Frame(
    "{} towards it",
    {
        "go": "walk,go,move,step,hurry,run,stroll,crawl,travel",
        "look": "look,turn your head",
        HARM: "throw it,charge,shoot,fire,swing a fist",
        NONE: "talk,sing,listen,write,wave,speak,belong,fly,swim,shout,dance,say hello,respond,sell it,give it,"
        "bow,react,"
        "smile,wink,switch,change,convert",
    },
    0.68,
    0.05,
)
NOUN = Frame(
    "the {}",
    {
        "car": "car,sedan",
        "truck": "truck,lorry",
        "cyclist": "cyclist,bicycle",
        "person": "person,man,woman,pedestrian,worker",
        "cone": "traffic cone,cone",
        "barrier": "barrier,fence",
        "box": "box,crate,package",
        "table": "table,desk",
        "shelf": "shelf,rack",
        NONE: "wall,door,window,chair,dog,cat,ball,cup,bottle,phone,book,stairs,lamp,plant,robot,tree,house,"
        "idea,feeling,food,"
        "music,road,floor,bag,bed,sofa,computer,picture,bucket,ladder,hammer,hat,shoe,knife,kitchen,corner,exit,"
        "corridor,"
        "number,animal,bird,water,car park,machine,toy,light,flag,key,coin,ghost,unicorn,moon,colour,bus,train,"
        "plane,boat,"
        "horse,pen,paper,glass,plate,mirror,carpet,curtain,pole,sign,barrel,tyre,wheel,bathroom,room,roof,sky,city,"
        "row,line,queue,office,column,pillar,president,king",
    },
    0.55,
    0.08,
)


class Meanings:
    """Nearest known words by phrase embedding; every answer is remembered."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._tables = {id(frame): self._table(frame) for frame in (TRANSITIVE, MOTION, NOUN)}
        self.meaning = lru_cache(maxsize=4096)(self._meaning)

    def _table(self, frame: Frame) -> tuple[list[str], Array]:
        rows = [(meaning, word) for meaning, words in frame.words.items() for word in words.split(",")]
        vectors = self._encoder.encode([frame.carrier.format(word) for _, word in rows])
        return [meaning for meaning, _ in rows], vectors

    def verb(self, word: str, moves: bool) -> str | None:
        """The known verb (or ``harm``) that is meant; ``moves``: it is said with "to"."""
        return self.meaning(word, moves)

    def noun(self, word: str) -> str | None:
        """The known noun that is meant."""
        return self.meaning(word, None)

    def _meaning(self, word: str, moves: bool | None) -> str | None:
        frame = NOUN if moves is None else MOTION if moves else TRANSITIVE
        meanings, vectors = self._tables[id(frame)]
        alike = vectors @ self._encoder.encode([frame.carrier.format(word)])[0]
        best: dict[str, float] = {}
        for meaning, value in zip(meanings, alike, strict=True):
            best[meaning] = max(best.get(meaning, -1.0), float(np.round(value, 4)))
        (first, value), (_, runner_up) = sorted(best.items(), key=lambda entry: -entry[1])[:2]
        if first == HARM and value >= frame.threshold:
            return HARM
        if first == NONE or value < frame.threshold or value - runner_up < frame.margin:
            return None
        return first
