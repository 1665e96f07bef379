"""``autodrive engine list|verify|sign|keygen``: network files and the keys that vouch for them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from autodrive.errors import EngineError
from autodrive.inference.manifest import load_manifest, read_network, sha256_hex, verify_manifest, write_manifest
from autodrive.inference.signing import (
    TRUSTED_KEYS,
    development_key,
    load_trusted_keys,
    public_hex,
    read_private_key,
    write_private_key,
)
from autodrive_nodes.paths import DEFAULT_ENGINE


def add_parsers(actions: Any) -> None:
    """Register below ``autodrive engine``."""
    one = actions.add_parser("list", help="every network of a folder, who signed it, whether it is intact")
    one.add_argument("folder", type=Path, nargs="?", default=DEFAULT_ENGINE.parent)
    _trusted(one)
    one.set_defaults(run=_list)
    one = actions.add_parser("verify", help="signature and sha256 of one network; fails unless both are right")
    one.add_argument("manifest", type=Path, nargs="?", default=DEFAULT_ENGINE)
    _trusted(one)
    one.set_defaults(run=_verify)
    one = actions.add_parser("sign", help="sign a manifest anew, after its file was compared with the sha256 in it")
    one.add_argument("manifest", type=Path, nargs="?", default=DEFAULT_ENGINE)
    one.add_argument("--key", type=Path, help="private key; without it the published development key signs")
    one.set_defaults(run=_sign)
    one = actions.add_parser("keygen", help="make a private key of your own and print the line that trusts it")
    one.add_argument("path", type=Path, help="new file outside the repository, readable for you alone")
    one.add_argument("--name", default="owner", help="what the list of trusted keys shall call it")
    one.set_defaults(run=_keygen)


def _trusted(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trusted", type=Path, default=TRUSTED_KEYS, help="list of trusted public keys")


def _list(args: argparse.Namespace) -> int:
    manifests = sorted(args.folder.glob("*.yaml"))
    if not manifests:
        raise EngineError(f"no manifest in {args.folder}")
    sound = [_tell(manifest, args.trusted) for manifest in manifests]
    return 0 if all(sound) else 1


def _tell(path: Path, trusted: Path) -> bool:
    """Print one line about a network; whether it may be loaded."""
    try:
        sys.stdout.write(_summary(path, trusted) + "\n")
    except EngineError as error:
        sys.stdout.write(f"refused   {path.name}: {error}\n")
        return False
    return True


def _summary(path: Path, trusted: Path) -> str:
    keys = load_trusted_keys(trusted)
    manifest, data = read_network(path, keys)
    _, signer = verify_manifest(path, keys)
    return (
        f"ok        {path.name}: {manifest.file}, {len(data) / 1e6:.1f} MB, {manifest.sha256[:12]}, signed by {signer}"
    )


def _verify(args: argparse.Namespace) -> int:
    sys.stdout.write(_summary(args.manifest, args.trusted) + "\n")
    return 0


def _sign(args: argparse.Namespace) -> int:
    key = development_key() if args.key is None else read_private_key(args.key)
    manifest = load_manifest(args.manifest)
    file = args.manifest.parent / manifest.file
    if not file.is_file() or sha256_hex(file.read_bytes()) != manifest.sha256:
        raise EngineError(f"not signed: {file} is absent or not the file whose sha256 {args.manifest} states")
    write_manifest(args.manifest, manifest, key)
    sys.stdout.write(f"{args.manifest}: signed by {public_hex(key)}\n")
    return 0


def _keygen(args: argparse.Namespace) -> int:
    key = write_private_key(args.path)
    sys.stderr.write(
        f"private key written to {args.path}; keep it off robots and out of repositories. Trust it with:\n"
    )
    sys.stdout.write(f'{args.name}: "{public_hex(key)}"\n')
    return 0
