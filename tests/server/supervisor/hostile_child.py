"""A child of the supervisor that behaves as its test asks for, and prints what happens to it.

The environment variable MOODS maps names to what the first, second, ... start does, as in
`{"executor-0": ["crash", "good"]}`; the last mood stays. Starts are counted by files in COUNTS.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import signal
import sys
from pathlib import Path

from moonjelly.protos.internal_pb2 import Attach, ChildStatus, Envelope, Heartbeat, Ready
from moonjelly.server.wire.channel import Channel, ChannelClosedError

ROLE, NUMBER, GENERATION, _, CONTROL = sys.argv[1:]
NAME = f"{ROLE}-{NUMBER}"


def note(event: str, **what: object) -> None:
    line = json.dumps({"name": NAME, "pid": os.getpid(), "event": event, **what})
    os.write(1, f"{line}\n".encode())


def choose_mood() -> str:
    moods = json.loads(os.environ["MOODS"]).get(NAME, ["good"])
    for number in itertools.count():
        try:
            Path(os.environ["COUNTS"], f"{NAME}.{number}").touch(exist_ok=False)
        except FileExistsError:
            continue
        return moods[min(number, len(moods) - 1)]
    raise AssertionError


def tell(envelope: Envelope, descriptors: tuple[int, ...]) -> None:
    match envelope.WhichOneof("message"):
        case "attach":
            attach = envelope.attach
            (descriptor,) = descriptors
            note(
                Attach.What.Name(attach.what),
                peer=attach.peer,
                inode=os.fstat(descriptor).st_ino,
            )
        case "child_status":
            status = envelope.child_status
            note("status", peer=status.peer, is_alive=status.is_alive)
        case "drain":
            note("drain", grace_ms=envelope.drain.grace_ms)


def main() -> int:
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    control = Channel.from_descriptor(int(CONTROL))
    poll = select.poll()
    poll.register(control.fileno(), select.POLLIN)
    poll.poll()
    config = json.loads(bytes(control.receive_bytes()[0]))
    mood = choose_mood()
    note("start", mood=mood, port=config["port"], zoo=config["zoo"], generation=int(GENERATION))
    if mood == "crash":
        return 7
    if mood == "refuse":
        status = ChildStatus(peer=NAME, is_alive=False, detail="option=1: must be 2")
        control.send(Envelope(child_status=status))
        return 2
    if mood == "noisy":
        for number in range(100_000):
            with contextlib.suppress(BlockingIOError):
                os.write(2, b"Corrupt JPEG data: %d bytes\n" % number)
    if mood != "mute":
        control.send(Envelope(ready=Ready(port=config["port"] or 4711)))
        if ROLE == "endpoint":
            control.send(Envelope(child_status=ChildStatus(peer=NAME, is_alive=True)))
    while True:
        poll.poll(500)
        try:
            if mood not in ("mute", "silent"):
                control.send(Envelope(heartbeat=Heartbeat()))
            for envelope, descriptors in control.drain():
                tell(envelope, descriptors)
                for descriptor in descriptors:
                    if mood != "holds":
                        os.close(descriptor)
                if envelope.HasField("drain") and mood != "stubborn":
                    return 0
        except ChannelClosedError:
            note("orphaned")
            return 4


if __name__ == "__main__":
    sys.exit(main())
