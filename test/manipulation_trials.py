"""How often a whole fetch job succeeds: .venv/bin/python test/manipulation_trials.py [COUNT] [FIRST_SEED]."""

from __future__ import annotations

import sys

import numpy as np
from manipulation_sim import Fetch


def main() -> None:
    """Run the trials, one line each, then the rate."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    outcomes = []
    for seed in range(first, first + count):
        job = Fetch(seed)
        outcome = job.run()
        outcomes.append(outcome)
        box, item = job.item.box, job.item
        size = f"{box.length:.2f} x {box.width:.2f} x {box.height:.2f} m, {item.mass:.2f} kg on {item.surface:.2f} m"
        print(f"{seed:3d}  {size}  {outcome.failure or 'ok'}", flush=True)
    good = [outcome for outcome in outcomes if not outcome.failure]
    print(f"{len(good)} of {count} succeeded")
    if good:
        lift, error = (np.median([getattr(o, name) for o in good]) for name in ("lift_m", "place_error_m"))
        print(f"median lift {100 * lift:.1f} cm, place error {100 * error:.1f} cm, {good[0].seconds:.0f} s simulated")


if __name__ == "__main__":
    main()
