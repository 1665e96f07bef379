"""Makes training data: labelled frame pairs from random scenes, in several processes, resumable.

Sample k of a data set depends on the set's seed and k alone; a group of samples shares one scene and look.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from autodrive.errors import InputError
from autodrive.rig import load_rig

GROUP_SIZE = {"car": 25, "humanoid": 10}
HALL_SHARE = 0.85
TASK_SHARE = 0.8  # of the halls: with tables to work at
RIG_DIRECTORY = Path(__file__).resolve().parents[2] / "config" / "rigs"


def generate(
    rig: str, towns: Sequence[str], count: int, seed: int, out_dir: Path, workers: int = 2, progress: bool = True
) -> None:
    """Write samples 0..count-1 of a data set as ``out_dir/sample_NNNNNN.npz``; valid files are left as they are.

    ``rig`` is "car" (streets of ``towns``) or "humanoid" (halls, and streets of ``towns``). Raises InputError.
    """
    if rig not in GROUP_SIZE:
        raise InputError(f"generate: rig {rig!r} is unknown; use {sorted(GROUP_SIZE)}")
    if not towns or count < 1 or workers < 1:
        raise InputError(f"generate: need towns, count >= 1 and workers >= 1; got {towns}, {count}, {workers}")
    out_dir.mkdir(parents=True, exist_ok=True)
    size = GROUP_SIZE[rig]
    jobs = [
        (rig, tuple(towns), seed, group, min(size, count - group * size), str(out_dir))
        for group in range(-(-count // size))
    ]
    with tqdm(total=count, unit="sample", desc=f"{rig} {seed}", disable=not progress, mininterval=2.0) as bar:
        if workers == 1:
            for job in jobs:
                bar.update(make_group(job))
            return
        os.environ.setdefault("LP_NUM_THREADS", "1")  # one rasteriser thread per process: the processes fill the cores
        with multiprocessing.get_context("spawn").Pool(workers, maxtasksperchild=12) as pool:
            for done in pool.imap_unordered(make_group, jobs):
                bar.update(done)


def make_group(job: tuple[str, tuple[str, ...], int, int, int, str]) -> int:
    """Make what is missing of one group (rig, towns, seed, group, samples, folder); returns the number of samples."""
    from autodrive.data.sample import save_sample  # heavy imports belong to the worker process
    from autodrive.data.settings import HallSetting, Setting
    from autodrive.data.studio import Studio

    rig_name, towns, seed, group, count, folder = job
    first = group * GROUP_SIZE[rig_name]
    missing = [k for k in range(first, first + count) if not _is_valid(sample_path(Path(folder), k))]
    if not missing:
        return count
    rng = np.random.default_rng([seed, group, 0x5CE4E])
    look = int(rng.integers(1 << 31))
    town = str(rng.choice(list(towns)))
    hall = rig_name == "humanoid" and rng.random() < HALL_SHARE
    setting: Setting
    if hall:
        setting = HallSetting(look, look, tasks=rng.random() < TASK_SHARE)
    else:
        from autodrive.data.street_setting import StreetSetting

        setting = StreetSetting(town, rig_name, look)
    studio = Studio(setting, load_rig(RIG_DIRECTORY / f"{rig_name}.yaml"))
    for k in missing:
        save_sample(sample_path(Path(folder), k), studio.shoot(seed, k))
    studio.close()
    return count


def sample_path(folder: Path, index: int) -> Path:
    """File of one sample."""
    return folder / f"sample_{index:06d}.npz"


def _is_valid(path: Path) -> bool:
    from autodrive.data.sample import load_sample

    if not path.exists():
        return False
    try:
        load_sample(path)
    except InputError:
        return False
    return True


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``python -m autodrive.data.generate --rig car --towns brook,harbor --count 4000 --seed 1 --out DIR``."""
    parser = argparse.ArgumentParser(description="make training samples from the simulator")
    parser.add_argument("--rig", choices=sorted(GROUP_SIZE), required=True)
    parser.add_argument("--towns", required=True, help="comma-separated names, e.g. brook,harbor")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    generate(options.rig, options.towns.split(","), options.count, options.seed, options.out, options.workers)


if __name__ == "__main__":
    main()
