"""A child of a server on a machine whose kernel settings are a tree that a test made, at TREE.

The governor is the real one. The others do nothing, but for executors: they ask for the clock ASKED_MHZ.
"""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path

from moonjelly.energy import sysfs

sysfs.SYS = Path(os.environ["TREE"])

from moonjelly.protos.internal_pb2 import (  # noqa: E402
    ChildStatus,
    ClockAsked,
    Envelope,
    Heartbeat,
    Ready,
)
from moonjelly.server import child  # noqa: E402
from moonjelly.server.wire.channel import Channel, ChannelClosedError  # noqa: E402

ROLE, NUMBER, CONTROL = sys.argv[1], sys.argv[2], int(sys.argv[5])


def serve() -> None:
    child._settle()
    control = Channel.from_descriptor(CONTROL)
    child._end_with_parent(control)
    while control.receive_bytes() is None:  # the configuration
        select.select([control], [], [])
    control.send(Envelope(ready=Ready(port=1)))
    control.send(Envelope(child_status=ChildStatus(peer=f"{ROLE}-{NUMBER}", is_alive=True)))
    governors = []
    while True:
        select.select([control], [], [], 0.5)
        control.send(Envelope(heartbeat=Heartbeat()))
        for envelope, descriptors in control.drain():
            if envelope.HasField("drain"):
                return
            if envelope.HasField("attach") and envelope.attach.peer.startswith("governor"):
                governor = Channel.from_descriptor(descriptors[0])
                governor.send(Envelope(clock_asked=ClockAsked(mhz=float(os.environ["ASKED_MHZ"]))))
                governors.append(governor)


if ROLE == "governor":
    sys.exit(child.main())
try:
    serve()
except ChannelClosedError:
    sys.exit(child.EXIT_ORPHANED)
