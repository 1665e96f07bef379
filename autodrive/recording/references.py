"""Reference recordings: what stages were told and what they answered, kept to notice when an answer changes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path

from autodrive.data.bags import BagReader
from autodrive.errors import ConfigError, InputError
from autodrive.recording.bag_writer import METADATA, BagWriter
from autodrive.yaml_file import read_yaml

STAGES_KEY = "autodrive.stages"


def find_references(paths: Collection[Path]) -> list[Path]:
    """The bags among ``paths`` and in folders of bags; raises InputError where there is none."""
    found = []
    for path in paths:
        bags = [path] if (path / METADATA).is_file() else sorted(f.parent for f in path.glob(f"*/{METADATA}"))
        if not bags:
            raise InputError(f"{path} is no rosbag2 folder and holds none; make one: autodrive regress --add BAG")
        found += bags
    return found


def load_tolerances(path: Path) -> dict[str, float]:
    """Patterns "topic:field" and the amounts that may differ, the first that fits counts; raises ConfigError."""
    content = read_yaml(path, "tolerances")
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f'tolerances {path}: expected lines "topic:field": amount')
    for pattern, amount in content.items():
        number = isinstance(amount, (int, float)) and not isinstance(amount, bool)
        if not isinstance(pattern, str) or ":" not in pattern or not number or not 0 <= amount < float("inf"):
            raise ConfigError(f'tolerances {path}: {pattern!r}: {amount!r} is not "topic:field": amount >= 0')
    return {pattern: float(amount) for pattern, amount in content.items()}


def stages_of(reference: Path) -> str:
    """The stages that are to act on a reference, separated by commas; "" where all do that need no images."""
    content = read_yaml(reference / METADATA, "metadata", InputError)
    try:
        return str((content["rosbag2_bagfile_information"].get("custom_data") or {}).get(STAGES_KEY, ""))
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(f"{reference / METADATA} is no metadata of a bag: {error!r}") from error


def write_reference(
    target: Path,
    told: Path,
    answers: Path,
    inputs: Collection[str],
    outputs: Collection[str],
    open_bag: Callable[[Path], BagWriter],
) -> None:
    """Write a bag of the ``inputs`` of ``told`` and the ``outputs`` of ``answers``, in order; ``target`` is replaced.

    Both may be the same bag, or ``target`` itself; ``open_bag`` begins the new. Raises InputError for a damaged bag.
    """
    with BagReader(told) as one, BagReader(answers) as two:
        items = [*one.serialized(inputs), *two.serialized(outputs)]
    # the sort is stable: what the stages were told at an instant stays before what they answered
    items.sort(key=lambda item: item.stamp_ns)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
        fresh = Path(folder) / target.name
        with open_bag(fresh) as bag:
            for item in items:
                bag.write(item.topic, item.stamp_ns, item.data)
        old = Path(folder) / "old"
        if target.exists():
            target.rename(old)
        fresh.rename(target)
        shutil.rmtree(old, ignore_errors=True)
