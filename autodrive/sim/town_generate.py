"""Makes a town from a seed. Needs SUMO's netconvert (the eclipse-sumo wheel), which nothing at run time does."""

from __future__ import annotations

import gzip
import importlib.util
import os
import re
import subprocess
import tempfile
from pathlib import Path

from autodrive.errors import ConfigError, EnvironmentProblem
from autodrive.sim.town import Town, load_town, network_bounds, save_town
from autodrive.sim.town_furnish import furnish
from autodrive.sim.town_network import read_network
from autodrive.sim.town_roads import draw_street_plan, plain_xml
from autodrive.sim.town_surface import build_surface

EXTRA = "eclipse-sumo==1.28.0"
_OPTIONS = (
    "--no-turnarounds",
    "--walkingareas",
    "--offset.disable-normalization",
    "--junctions.internal-link-detail=12",
    "--junctions.corner-detail=8",
    "--precision=2",
    "--output.street-names=false",
)


def generate_town(seed: int, directory: Path, name: str) -> Town:
    """Make the town of ``seed`` and write it to ``directory``; the same seed gives the same bytes.

    Raises ConfigError for a bad name, EnvironmentProblem if netconvert is missing or fails.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", name):
        raise ConfigError(f"town name {name!r}: use up to 32 lower-case letters, digits and underscores")
    if seed < 0:
        raise ConfigError(f"town seed {seed}: must be 0 or more")
    with tempfile.TemporaryDirectory(prefix="autodrive-town-") as scratch:
        net_file = Path(scratch) / "town.net.xml.gz"
        net_file.write_bytes(gzip.compress(_netconvert(seed, Path(scratch)), compresslevel=9, mtime=0))
        network = read_network(net_file)
        buildings, trees, parked, obstacles = furnish(network, build_surface(network), seed)
        bounds = network_bounds(network)
        town = Town(name, seed, net_file, network, buildings, trees, parked, obstacles, bounds)
        return load_town(str(save_town(town, directory)))


def _netconvert(seed: int, scratch: Path) -> bytes:
    """The network of a seed as XML, without the comment that names this machine and the time."""
    program, home = _find_netconvert()
    files = {"nodes": "node-files", "edges": "edge-files", "links": "connection-files"}
    for (stem, _), text in zip(files.items(), plain_xml(draw_street_plan(seed)), strict=True):
        (scratch / f"{stem}.xml").write_text(text)
    inputs = [f"--{option}={scratch / stem}.xml" for stem, option in files.items()]
    output = scratch / "town.net.xml"
    done = subprocess.run(
        [str(program), *inputs, *_OPTIONS, f"--output-file={output}"],
        env={**os.environ, "SUMO_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode != 0 or not output.is_file():
        raise EnvironmentProblem(f"netconvert failed for town seed {seed}: {done.stderr.strip()[-400:]}")
    return re.sub(rb"<!--.*?-->\s*", b"", output.read_bytes(), flags=re.DOTALL)


def _find_netconvert() -> tuple[Path, Path]:
    """The program and SUMO_HOME of the eclipse-sumo wheel."""
    spec = importlib.util.find_spec("sumo")
    if spec is not None and spec.submodule_search_locations:
        home = Path(next(iter(spec.submodule_search_locations)))
        program = home / "bin" / "netconvert"
        if program.is_file():
            return program, home
    raise EnvironmentProblem(f"making a town needs SUMO's netconvert; run: pip install {EXTRA}")
