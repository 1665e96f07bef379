"""``autodrive bench``: parts of the camera path beside what one would write without them, in the same run."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from autodrive.errors import ConfigError
from autodrive.rig import load_rig
from autodrive_nodes.paths import SHARE


def add_parser(subparsers: Any) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("bench", help="measure parts, or everything, beside their plain peers")
    parts = parser.add_subparsers(dest="part", required=True, metavar="PART")
    preprocess = parts.add_parser("preprocess", help="8 images to the network's input, beside plain OpenCV")
    preprocess.add_argument("--repeats", type=int, default=20, help="frame sets per way (20)")
    preprocess.set_defaults(run=run_preprocess)
    transport = parts.add_parser("transport", help="8 cameras between two processes, beside plain rclpy and Fast DDS")
    transport.add_argument("--rate", type=float, default=36.0, help="frames per second (36)")
    transport.add_argument("--frames", type=int, default=180, help="frames per camera (180)")
    transport.set_defaults(run=run_transport)
    record = parts.add_parser("record", help="8 raw cameras and a car's topics: what the recorder loses, and costs")
    record.add_argument("--rate", type=float, default=10.0, help="frames per second of the load (10)")
    record.add_argument("--seconds", type=float, default=20.0, help="of the load (20)")
    record.add_argument("--drive", type=float, default=45.0, help="simulated seconds of a drive, 0 for none (45)")
    record.set_defaults(run=run_record)
    kill = parts.add_parser("kill", help="a recorder killed at random moments: what is lost after a repair")
    kill.add_argument("--times", type=int, default=20, help="(20)")
    kill.set_defaults(run=run_kill)
    everything = parts.add_parser("all", help="every benchmark, a quarter of an hour, into one page")
    everything.add_argument("--page", type=Path, default=Path("docs/performance.md"), help="(docs/performance.md)")
    everything.set_defaults(run=run_all)
    for part in (preprocess, transport):
        part.add_argument("--size", type=int, nargs=2, default=(1280, 960), metavar=("W", "H"), help="(1280 960)")
    record.add_argument("--size", type=int, nargs=2, default=(640, 400), metavar=("W", "H"), help="(640 400)")
    kill.add_argument("--size", type=int, nargs=2, default=(640, 400), metavar=("W", "H"), help="(640 400)")
    for part in (preprocess, transport, record, kill):
        part.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run_preprocess(args: argparse.Namespace) -> int:
    """Print ms per frame set and the ratios."""
    from autodrive_nodes.bench_preprocess import measure

    _check(args.size, repeats=args.repeats)
    rig = load_rig(SHARE / "config" / "rigs" / "car.yaml")
    result = measure(rig, args.size[0], args.size[1], args.repeats)
    ours = result["autodrive"]
    lines = [f"  {name:<20} {ms:8.1f} ms  {ms / ours:6.2f} x" for name, ms in result.items()]
    return _print(args.json, result, [f"  {len(rig.cameras)} images of {args.size[0]}x{args.size[1]}, median", *lines])


def run_transport(args: argparse.Namespace) -> int:
    """Print losses, latency and CPU of the ring and of plain images."""
    from autodrive_nodes.bench_transport import PLAIN, RING, Load, measure

    _check(args.size, frames=args.frames, rate=args.rate)
    load = Load(8, args.size[0], args.size[1], args.rate, args.frames)
    result = {way: measure(way, load) for way in (RING, PLAIN)}
    lines = [f"  {'':<18} {RING:>10} {PLAIN:>10}"]
    lines += [f"  {key:<18} {result[RING][key]:10.4g} {result[PLAIN][key]:10.4g}" for key in result[RING]]
    return _print(args.json, result, lines)


def run_record(args: argparse.Namespace) -> int:
    """Print losses under a load by the wall clock, and what a tick of a drive costs with and without recorder."""
    from autodrive_nodes.bench_record import Load, measure_loop, measure_losses, scaled_rig

    _check(args.size, rate=args.rate, seconds=args.seconds)
    if not 0 <= args.drive <= 600:
        raise ConfigError(f"--drive must be in 0..600, got {args.drive}")
    with tempfile.TemporaryDirectory() as folder:
        rig = scaled_rig(Path(folder), (args.size[0], args.size[1]))
        result = {"load": measure_losses(Load(rig, args.rate, args.seconds))}
        if args.drive:
            result["drive"] = measure_loop(rig, args.drive)
    lines = [f"  {part:<6} {key:<26} {value:10.4g}" for part, found in result.items() for key, value in found.items()]
    return _print(args.json, result, lines)


def run_kill(args: argparse.Namespace) -> int:
    """Print what is lost of eight raw cameras and a car's topics when the recorder is killed."""
    from autodrive_nodes.bench_record import measure_kills, scaled_rig

    _check(args.size, times=args.times)
    with tempfile.TemporaryDirectory() as folder:
        result = measure_kills(scaled_rig(Path(folder), (args.size[0], args.size[1])), args.times)
    return _print(args.json, result, [f"  {key:<28} {value:10.4g}" for key, value in result.items()])


def run_all(args: argparse.Namespace) -> int:
    """Write the page; its path is the last line on stdout."""
    from autodrive_nodes.bench_report import write_performance

    sys.stdout.write(f"{write_performance(args.page)}\n")
    return 0


def _check(size: tuple[int, int], **counts: float) -> None:
    for name, value in counts.items():
        if not 0 < value <= 100_000:
            raise ConfigError(f"--{name} must be in 1..100000, got {value}")
    if not all(16 <= value <= 16384 for value in size):
        raise ConfigError(f"--size must be two numbers in 16..16384, got {size[0]} {size[1]}")


def _print(as_json: bool, result: dict[str, Any], lines: list[str]) -> int:
    sys.stdout.write((json.dumps(result, indent=2) if as_json else "\n".join(lines)) + "\n")
    return 0
