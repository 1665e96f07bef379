"""``autodrive engine ...``: who signed the networks, what runs them, and how they compare."""

from __future__ import annotations

from typing import Any

from autodrive_nodes.commands import engine_bench, engine_build, engine_check, engine_quantise, engine_trust


def add_parser(subparsers: Any) -> None:
    """Register the command and what is below it."""
    parser = subparsers.add_parser("engine", help="sign, verify, build, compare and time network files")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for group in (engine_trust, engine_quantise, engine_check, engine_bench, engine_build):
        group.add_parsers(actions)
