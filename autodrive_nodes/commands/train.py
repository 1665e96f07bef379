"""``autodrive train perception``: generate what is missing, train, validate, draw the curves, export."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from autodrive.errors import ConfigError
from autodrive.rig import Rig, load_rig
from autodrive_nodes.paths import RIGS

RIG_NAMES = ("car", "humanoid")


def add_parser(subparsers: Any) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser("train", help="train the network")
    parser.add_argument("what", choices=["perception"])
    parser.add_argument("--data", type=Path, required=True, help="folder with {car,humanoid}_{train,val} of samples")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint, logs, curves and the engine")
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--minutes", type=float, help="train for this long (wall clock)")
    budget.add_argument("--steps", type=int, help="train for so many batches; on a CPU repeatable to the bit")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=8, help="samples in a batch; a GPU is busy with 32 and more")
    parser.add_argument("--device", default="cpu", help="what computes, as torch calls it: cpu, cuda, cuda:1")
    parser.add_argument("--processes", type=int, default=1, help="processes that share each batch, one per free core")
    parser.add_argument("--threads", type=int, default=1, help="threads of each training process")
    parser.add_argument("--workers", type=int, default=1, help="processes that load and augment samples")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument("--start", type=Path, help="manifest of a network to go on from, e.g. engines/vision.yaml")
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate; half of it to go on from one")
    parser.add_argument("--rigs", type=Path, default=RIGS, help="folder with car.yaml and humanoid.yaml")
    parser.add_argument("--generate", action="store_true", help="first make the samples that --data lacks")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train and export; the last line on stdout is the manifest's path."""
    # torch takes seconds to import: only those who train pay for it
    from autodrive.data.recipe import draw_curves, generate_missing, make_validator, release, training_sources
    from autodrive.data.train import CHECKPOINT_NAME, TrainConfig, train

    if (args.out / CHECKPOINT_NAME).exists() and not args.resume:
        raise ConfigError(f"{args.out} already holds a run; add --resume to go on, or name another --out")
    rigs = [load_rig(args.rigs / f"{name}.yaml") for name in RIG_NAMES]
    if args.generate:
        generate_missing(args.data, max(1, args.workers))
    config = TrainConfig(
        training_sources(args.data, rigs),
        args.out,
        minutes=args.minutes,
        steps=args.steps,
        seed=args.seed,
        processes=args.processes,
        threads=args.threads,
        workers=args.workers,
        resume=args.resume,
        start=args.start,
        learning_rate=args.rate,
        batch_size=args.batch,
        device=args.device,
    )
    with tqdm(total=1000, unit="permille", desc="train", mininterval=5.0) as bar:

        def report(step: int, done: float, parts: dict[str, float]) -> None:
            bar.update(min(1000, int(done * 1000)) - bar.n)
            bar.set_postfix(step=step, loss=f"{parts['loss']:.3f}", heat=f"{parts['heat']:.3f}")

        checkpoint = train(config, make_validator(args.data, rigs), report)
    draw_curves(args.out)
    manifest = _release_with_bar(partial(release, start=args.start), checkpoint, args.data, rigs, args.out)
    sys.stdout.write(f"{manifest}\n")
    return 0


def _release_with_bar(release: Any, checkpoint: Path, data: Path, rigs: list[Rig], out: Path) -> Path:
    with tqdm(desc="evaluate", unit="frame", mininterval=1.0) as bar:

        def advance(done: int, total: int) -> None:
            bar.total = total or None
            bar.n = done
            bar.refresh()

        return Path(release(checkpoint, data, rigs, out, progress=advance))
