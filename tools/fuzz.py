"""Fuzzes one parser with atheris for a while: python tools/fuzz.py TARGET SECONDS OUT. `make fuzz` runs all of them.

Everything is saved below OUT/TARGET: the corpus, which a later run goes on from, and as crash-* or timeout-* the bytes
that made a parser raise what it must not, or not come back within ten seconds. The exit status is 1 when there are any.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

try:
    import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]
except ImportError:
    sys.exit("fuzzing needs atheris (requirements-fuzz.txt), which has wheels for Linux on x86_64 only; run: make fuzz")

HANG_S, MEMORY_MB, LONGEST = 10, 4096, 65536


def main(name: str, seconds: str, out: str) -> None:
    """Run one target; libFuzzer ends the process."""
    with atheris.instrument_imports(include=["autodrive", "autodrive_nodes", "optimus_nodes", "rosbags", "yaml"]):
        from fuzz_targets import TARGETS
    target, folder = TARGETS[name], Path(out) / name
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    limits = [f"-timeout={HANG_S}", f"-rss_limit_mb={MEMORY_MB}", f"-max_len={LONGEST}"]
    budget = [f"-max_total_time={seconds}", f"-artifact_prefix={folder}/", "-print_final_stats=1", "-verbosity=0"]
    atheris.Setup(["fuzz", *limits, *budget, str(corpus)], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
