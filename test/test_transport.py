"""The ring: what is written is read, reuse is detected, garbage is refused, killed writers leave nothing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autodrive.errors import InputError
from autodrive.transport.ring import SHM, Descriptor, RingReader, RingWriter, remove_stale_segments


@pytest.fixture
def ring():
    writer = RingWriter("test", 64 * 48 * 3, slots=4)
    yield writer
    writer.close()


def image(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def test_round_trip_without_copy(ring: RingWriter) -> None:
    reader = RingReader()
    descriptors = [ring.write(image(k)) for k in range(4)]
    for k, descriptor in enumerate(descriptors):
        view = reader.view(Descriptor.unpack(descriptor.pack()))
        np.testing.assert_array_equal(view, image(k))
        assert not view.flags.writeable
        assert view.base is not None


def test_reuse_of_a_slot_is_detected(ring: RingWriter) -> None:
    reader = RingReader()
    first = ring.write(image(0))
    assert reader.valid(first)
    for k in range(4):
        ring.write(image(k))
    assert not reader.valid(first)
    with pytest.raises(InputError, match="overwritten"):
        reader.view(first)


@given(st.binary(max_size=120))
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        RingReader().view(Descriptor.unpack(data))


@given(st.integers(0, 2**32 - 1), st.integers(1, 16384), st.integers(1, 16384), st.integers(0, 2**64 - 1))
def test_descriptors_never_read_outside(slot: int, height: int, width: int, sequence: int) -> None:
    writer = RingWriter("bounds", 300, slots=2)
    try:
        good = writer.write(np.zeros((10, 10, 3), np.uint8))
        with pytest.raises(InputError):
            RingReader().view(replace(good, slot=slot % 4, sequence=sequence | 1, height=height, width=width))
    finally:
        writer.close()


def test_other_size_does_not_fit(ring: RingWriter) -> None:
    with pytest.raises(InputError, match="does not fit"):
        ring.write(np.zeros((480, 640, 3), np.uint8))


def test_segments_of_killed_writers_are_removed() -> None:
    code = (
        "import time; from autodrive.transport.ring import RingWriter; "
        "w = RingWriter('doomed', 100); print(w.segment, flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    segment = process.stdout.readline().strip()
    assert (SHM / segment).exists()
    assert segment not in remove_stale_segments()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert segment in remove_stale_segments()
    assert not (SHM / segment).exists()


def test_a_stale_segment_goes_even_if_its_pid_lives_again(ring: RingWriter) -> None:
    data = (SHM / ring.segment).read_bytes()
    stale = SHM / f"{ring.segment}_stale"  # a name that holds the pid of this living process
    stale.write_bytes(data)
    try:
        removed = remove_stale_segments()
        assert stale.name in removed and ring.segment not in removed
    finally:
        stale.unlink(missing_ok=True)
    assert (SHM / ring.segment).exists()


def test_a_killed_reader_hinders_nobody(ring: RingWriter) -> None:
    descriptor = ring.write(image(0))
    code = (
        "import sys, time; from autodrive.transport.ring import Descriptor, RingReader; r = RingReader(); "
        "v = r.view(Descriptor.unpack(bytes.fromhex(sys.argv[1]))); print(v.sum(), flush=True); time.sleep(60)"
    )
    arguments = [sys.executable, "-c", code, descriptor.pack().hex()]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert int(process.stdout.readline()) == image(0).sum()
    process.send_signal(signal.SIGKILL)
    process.wait()
    for k in range(9):
        np.testing.assert_array_equal(RingReader().view(ring.write(image(k))), image(k))
    ring.close()
    assert not (SHM / ring.segment).exists()


def test_a_writer_killed_while_it_writes_shows_no_half_image() -> None:
    code = (
        "import numpy as np; from autodrive.transport.ring import RingWriter; "
        "w = RingWriter('half', 64 * 48 * 3, slots=1); d = w.write(np.zeros((48, 64, 3), np.uint8)); "
        "w._sequences[0] += 1; w._bytes[128:200] = 7; print(d.pack().hex(), flush=True); input()"
    )
    arguments = [sys.executable, "-c", code]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    descriptor = Descriptor.unpack(bytes.fromhex(process.stdout.readline()))
    process.send_signal(signal.SIGKILL)
    process.wait()
    with pytest.raises(InputError, match="overwritten"):
        RingReader().view(descriptor)
    assert descriptor.segment in remove_stale_segments()


def test_a_later_segment_of_the_same_name_is_told_apart() -> None:
    first = RingWriter("again", 100)
    reader = RingReader()
    old = first.write(np.full((5, 5), 1, np.uint8))
    assert reader.view(old).max() == 1
    first.close()
    second = RingWriter("again", 100)
    try:
        new = second.write(np.full((5, 5), 2, np.uint8))
        assert reader.view(new).max() == 2
        with pytest.raises(InputError, match="another host"):
            reader.view(old)
        assert reader.reachable(new) and not reader.reachable(old)
    finally:
        second.close()


def _mapped() -> set[str]:
    """Names of the segments that this process maps, removed ones included."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return {line.split("/")[-1].removesuffix(" (deleted)") for line in lines if "/dev/shm/autodrive-" in line}


def test_segments_that_ended_are_unmapped_when_a_new_one_comes() -> None:
    reader, names = RingReader(), []
    for k in range(4):  # a camera that is lost and comes back
        writer = RingWriter(f"coming_{k}", 64 * 48 * 3)
        view = reader.view(writer.write(image(k)))
        names.append(writer.segment)
        writer.close()
        del writer
        np.testing.assert_array_equal(view, image(k))  # what is still looked at stays
        del view
    assert _mapped() & set(names) == {names[-1]}


def test_a_segment_of_another_user_is_refused(ring: RingWriter) -> None:
    if os.geteuid() != 0:
        pytest.skip("giving a file to another user takes root")
    descriptor = ring.write(image(0))
    os.chown(SHM / ring.segment, 12345, 12345)
    with pytest.raises(InputError, match="another user"):
        RingReader().view(descriptor)


@given(st.integers(0, 2**64 - 1).filter(lambda n: n == 0 or n % 2), st.integers(0, 2**64 - 1))
def test_an_unfinished_image_is_refused(sequence: int, generation: int) -> None:
    with pytest.raises(InputError, match="no finished image"):
        Descriptor.unpack(Descriptor("autodrive-1-1-a", 0, sequence, generation, 4, 4, 3).pack())


def _write_forever(name: str, queue: multiprocessing.Queue) -> None:
    writer = RingWriter(name, 64 * 48 * 3, slots=3)
    for k in range(2000):
        queue.put(writer.write(np.full((48, 64, 3), k % 256, np.uint8)).pack())
    queue.put(None)
    time.sleep(1.0)
    writer.close()


def test_a_fast_writer_never_shows_a_torn_image() -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue(maxsize=4)
    process = context.Process(target=_write_forever, args=("torn", queue))
    process.start()
    reader, good, reused = RingReader(), 0, 0
    while (data := queue.get(timeout=20)) is not None:
        descriptor = Descriptor.unpack(data)
        try:
            copy = reader.view(descriptor).copy()
        except InputError:
            reused += 1
            continue
        if reader.valid(descriptor):
            good += 1
            assert (copy == copy[0, 0, 0]).all()
        else:
            reused += 1
    process.join()
    assert good + reused == 2000
    assert good > 0
    assert os.path.exists(SHM)
