"""The supervisor with children that misbehave; see hostile_child.py."""

from __future__ import annotations

import errno
import gc
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from moonjelly.core.errors import RunError
from moonjelly.devices.config import DeviceConfig, DeviceKind
from moonjelly.server.child import EXIT_DEVICE_LOST
from moonjelly.server.config import ServerConfig
from moonjelly.server.supervisor import crew, ending
from moonjelly.server.supervisor.address import check_address
from moonjelly.server.supervisor.child_process import ChildProcess
from moonjelly.server.supervisor.event_loop import EventLoop

CHILD = Path(__file__).with_name("hostile_child.py")
PREPARE = """
import json, os, sys, time
folder = sys.argv[2]
with open(f"{folder}/options.json") as file:
    os.write(2, json.dumps({"name": "prepare", "event": "prepare", "pid": os.getpid(),
                            "asked": sys.argv[1], "served": json.load(file)["zoo"], "folder": folder}).encode() + b"\\n")
outcome = os.environ["PREPARED"]
if outcome == "hang":
    time.sleep(600)
if outcome == "wrong":
    print("street.onnx: cannot be believed", end="")
    sys.exit(2)
print(f"{folder}/mine" if outcome == "changed" else "", end="")
"""
MAIN = """
import os, sys
from moonjelly.core.errors import MoonjellyError
from moonjelly.server.config import ServerConfig
from moonjelly.server.log import set_up_log
from moonjelly.server.supervisor.supervisor import Supervisor
set_up_log("supervisor", "info")
def tell(host, port):
    os.write(2, b'{"name": "main", "event": "serving", "port": %d}\\n' % port)
try:
    config = ServerConfig.from_json(sys.argv[1])
    prepare = [sys.executable, "-c", sys.argv[2]]
    sys.exit(Supervisor(config, tell, sys.argv[3:], zoo="mine", prepare_command=prepare).run())
except MoonjellyError as error:
    os.write(2, f"error: {error}\\n".encode())
    sys.exit(error.exit_status)
"""
LIMIT_S = 30.0
Event = dict[str, object]


class Supervised:
    """A supervisor in a process of its own, and what its children say."""

    def __init__(
        self, folder: Path, moods: dict[str, list[str]], prepared: str = "", **options: object
    ) -> None:
        device = DeviceConfig("device0", "gpu", DeviceKind.REPLAYED)
        other = DeviceConfig("device1", "gpu", DeviceKind.REPLAYED)
        values = {"port": 0, "devices": (device, other), "frame_slots": 2} | options
        config = ServerConfig(**values, max_frame_bytes=4096)
        self.events: list[Event] = []
        self.lines: list[str] = []
        self._partial = b""
        self.process = subprocess.Popen(
            [sys.executable, "-c", MAIN, config.to_json(), PREPARE, sys.executable, str(CHILD)],
            stderr=subprocess.PIPE,
            env=os.environ
            | {"MOODS": json.dumps(moods), "COUNTS": str(folder), "PREPARED": prepared}
            | {"XDG_CACHE_HOME": str(folder / "cache")},
        )
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.process.stderr, selectors.EVENT_READ)

    def until(self, condition: Callable[[], object]) -> None:
        limit_s = time.monotonic() + LIMIT_S
        while not condition():
            left_s = limit_s - time.monotonic()
            assert self._selector.select(left_s), "\n".join(self.lines)
            assert self._read(), "\n".join(self.lines)

    def _read(self) -> bool:
        data = os.read(self.process.stderr.fileno(), 1 << 16)
        *whole, self._partial = (self._partial + data).split(b"\n")
        for line in whole:
            self.lines.append(line.decode())
            if line.startswith(b"{"):
                self.events.append(json.loads(line))
        return bool(data)

    def all(self, event: str, **wanted: object) -> list[Event]:
        wanted["event"] = event
        return [one for one in self.events if wanted.items() <= one.items()]

    def until_seen(self, event: str, times: int = 1, **wanted: object) -> list[Event]:
        self.until(lambda: len(self.all(event, **wanted)) >= times)
        return self.all(event, **wanted)

    def pid(self, name: str) -> int:
        return self.all("start", name=name)[-1]["pid"]

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        while self._selector.select(LIMIT_S) and self._read():
            pass
        return self.process.wait(LIMIT_S)


@pytest.fixture
def supervise(tmp_path) -> Iterator[Callable[..., Supervised]]:
    made: list[Supervised] = []

    def make(moods: dict[str, list[str]] | None = None, **options: object) -> Supervised:
        made.append(Supervised(tmp_path, moods or {}, **options))
        return made[-1]

    yield make
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
        one.wait()
        one.process.stderr.close()
        for start in one.all("start"):
            assert is_gone(start["pid"])


def is_gone(pid: int) -> bool:
    try:
        psutil.Process(pid).wait(LIMIT_S)
    except psutil.NoSuchProcess:
        return True
    return True


def names(events: Sequence[Event], key: str = "name") -> set[object]:
    return {event[key] for event in events}


def test_every_pair_that_talks_gets_a_socket_and_every_executor_the_frame_memory(supervise):
    server = supervise(endpoints=2)
    server.until_seen("serving")
    server.until_seen("SOCKET", times=2 * (2 * 2 + 2 + 2))
    server.until_seen("FRAME_MEMORY", times=2 + 2 * 2)
    peers = {
        name: names(server.all("SOCKET", name=name), "peer")
        for name in ("endpoint-0", "endpoint-1", "scheduler-0", "executor-0", "executor-1")
    }
    executors, endpoints = {"executor-0", "executor-1"}, {"endpoint-0", "endpoint-1"}
    assert peers["endpoint-0"] == peers["endpoint-1"] == executors | {"scheduler-0"}
    assert peers["scheduler-0"] == executors | endpoints
    assert peers["executor-0"] == peers["executor-1"] == endpoints | {"scheduler-0"}
    for endpoint in endpoints:
        memories = server.all("FRAME_MEMORY", peer=endpoint)
        assert names(memories) == executors | {endpoint}
        assert len(names(memories, "inode")) == 1
    assert server.end() == 0


def test_endpoints_after_the_first_get_the_port_that_it_found(supervise):
    server = supervise(endpoints=2)
    (serving,) = server.until_seen("serving")
    assert server.all("start", name="endpoint-0")[0]["port"] == 0
    assert server.all("start", name="endpoint-1")[0]["port"] == serving["port"] == 4711
    assert server.end() == 0


def test_a_killed_executor_comes_back_and_its_peers_hear_of_both(supervise):
    server = supervise()
    server.until_seen("serving")
    server.until_seen("status", name="endpoint-0", peer="executor-0", is_alive=True)
    server.until_seen("SOCKET", name="endpoint-0", peer="executor-0")
    os.kill(server.pid("executor-0"), signal.SIGKILL)
    server.until_seen("status", name="endpoint-0", peer="executor-0", is_alive=False)
    server.until_seen("status", name="endpoint-0", peer="executor-0", is_alive=True, times=2)
    for peer in ("endpoint-0", "scheduler-0"):
        server.until_seen("SOCKET", name=peer, peer="executor-0", times=2)
    starts = server.all("start", name="executor-0")
    assert [one["generation"] for one in starts] == [1, 2]
    for other in ("endpoint-0", "scheduler-0", "executor-1"):
        assert len(server.all("start", name=other)) == 1
    assert server.end() == 0


def test_a_restarted_endpoint_gets_its_memory_its_port_and_the_state_of_its_peers(supervise):
    server = supervise()
    server.until_seen("serving")
    (before,) = server.until_seen("FRAME_MEMORY", name="endpoint-0")
    os.kill(server.pid("endpoint-0"), signal.SIGKILL)
    server.until_seen("FRAME_MEMORY", name="endpoint-0", times=2)
    assert server.all("FRAME_MEMORY", name="endpoint-0")[1]["inode"] == before["inode"]
    assert server.until_seen("start", name="endpoint-0", times=2)[1]["port"] == 4711
    pid = server.pid("endpoint-0")
    for peer in ("scheduler-0", "executor-0", "executor-1"):
        server.until_seen("status", pid=pid, peer=peer, is_alive=True)
    assert server.end() == 0


def test_a_child_that_cannot_start_ends_the_start_with_its_own_words(supervise):
    server = supervise({"executor-1": ["refuse"]})
    assert server.wait() == 2
    assert "error: option=1: must be 2" in server.lines


def test_a_child_that_dies_at_the_start_ends_it(supervise):
    server = supervise({"scheduler-0": ["crash"]})
    assert server.wait() == 1
    assert "error: scheduler-0 ended at its start: status 7" in server.lines


def test_a_child_that_cannot_start_again_is_tried_until_it_can(supervise):
    server = supervise({"executor-0": ["good", "refuse", "crash", "good"]})
    server.until_seen("serving")
    os.kill(server.pid("executor-0"), signal.SIGKILL)
    server.until_seen("status", name="endpoint-0", peer="executor-0", is_alive=True, times=2)
    moods = [start["mood"] for start in server.all("start", name="executor-0")]
    assert moods == ["good", "refuse", "crash", "good"]
    assert server.end() == 0


@pytest.mark.parametrize("name", ["endpoint-0", "scheduler-0", "executor-0"])
def test_a_stopped_process_of_any_role_is_killed_and_restarted_like_a_dead_one(supervise, name):
    server = supervise()
    server.until_seen("serving")
    os.kill(server.pid(name), signal.SIGSTOP)
    server.until_seen("start", name=name, times=2)
    assert any(f"{name}: hung: silent for" in line for line in server.lines)
    for other in {"endpoint-0", "scheduler-0", "executor-0", "executor-1"} - {name}:
        assert len(server.all("start", name=other)) == 1
    assert server.end() == 0


def test_a_process_that_runs_but_does_not_say_so_is_killed_too(supervise):
    server = supervise({"executor-1": ["silent", "good"]})
    server.until_seen("start", name="executor-1", times=2)
    server.until_seen("status", name="endpoint-0", peer="executor-1", is_alive=True, times=2)
    assert server.end() == 0


def test_what_c_libraries_write_is_told_in_few_lines_and_delays_nobody(supervise):
    server = supervise({"executor-0": ["noisy"]})
    server.until_seen("serving")
    os.kill(server.pid("executor-0"), signal.SIGKILL)
    server.until_seen("start", name="executor-0", times=2)
    assert server.end() == 0
    noise = [line for line in server.lines if "Corrupt JPEG data" in line]
    assert 1 <= len(noise) <= 100


def test_a_process_that_is_still_starting_may_be_silent(supervise):
    server = supervise({"executor-1": ["mute"]})
    server.until_seen("start", times=4)
    with pytest.raises(subprocess.TimeoutExpired):
        server.process.wait(4.0)  # longer than a ready one may be silent
    assert server.end() == 0
    assert len(server.all("start")) == 4


def test_a_server_that_was_stopped_as_a_whole_goes_on_without_a_kill(supervise):
    server = supervise()
    server.until_seen("serving")
    names_of_all = ("endpoint-0", "scheduler-0", "executor-0", "executor-1")
    pids = [server.process.pid, *(server.pid(name) for name in names_of_all)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    with pytest.raises(subprocess.TimeoutExpired):
        server.process.wait(5.0)  # a suspended machine
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    with pytest.raises(subprocess.TimeoutExpired):
        server.process.wait(1.5)
    assert len(server.all("start")) == 4
    assert server.end() == 0


def test_a_supervisor_that_was_stopped_alone_hears_first_and_judges_then(supervise):
    server = supervise()
    server.until_seen("serving")
    server.process.send_signal(signal.SIGSTOP)
    with pytest.raises(subprocess.TimeoutExpired):
        server.process.wait(5.0)
    server.process.send_signal(signal.SIGCONT)
    with pytest.raises(subprocess.TimeoutExpired):
        server.process.wait(1.5)
    assert len(server.all("start")) == 4
    assert server.end() == 0


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_was_ignored_at_the_start_stays_ignored(supervise, number):
    previous = signal.signal(number, signal.SIG_IGN)  # as nohup, or a shell with `&`, starts it
    try:
        server = supervise()
    finally:
        signal.signal(number, previous)
    server.until_seen("serving")
    server.process.send_signal(number)
    with pytest.raises(subprocess.TimeoutExpired):
        server.process.wait(1.0)
    assert not server.all("drain")
    other = signal.SIGTERM if number is not signal.SIGTERM else signal.SIGINT
    assert server.end(other) == 0


def copies(folder: Path) -> list[Path]:
    return list((folder / "cache/moonjelly/served").iterdir())


NAMES = {"endpoint-0", "scheduler-0", "executor-0", "executor-1"}


def test_a_changed_zoo_is_served_by_another_crew_before_the_old_one_leaves(supervise, tmp_path):
    server = supervise(prepared="changed")
    server.until_seen("serving")
    old = {name: server.pid(name) for name in NAMES}
    server.process.send_signal(signal.SIGHUP)
    (prepare,) = server.until_seen("prepare")
    assert (prepare["asked"], prepare["served"]) == ("mine", ServerConfig().zoo)
    server.until_seen("drain", times=4)
    kinds = [(one["event"], one["pid"]) for one in server.events if "pid" in one]
    new = {name: server.pid(name) for name in NAMES}
    assert not set(old.values()) & set(new.values())
    started = max(kinds.index(("start", pid)) for pid in new.values())
    assert all(kinds.index(("drain", pid)) > started for pid in old.values())
    assert {one["zoo"] for one in server.all("start")[4:]} == {f"{prepare['folder']}/mine"}
    assert {one["port"] for one in server.all("start")[4:]} == {4711}
    assert all(is_gone(pid) for pid in old.values())
    assert copies(tmp_path) == [Path(prepare["folder"])]
    peers = server.all("SOCKET", pid=new["endpoint-0"])
    assert names(peers, "peer") == {"scheduler-0", "executor-0", "executor-1"}
    server.process.send_signal(signal.SIGHUP)
    again = server.until_seen("prepare", times=2)[-1]
    assert again["served"] == f"{prepare['folder']}/mine"
    server.until_seen("drain", times=8)
    assert server.end() == 0
    assert len(server.all("serving")) == 1
    assert copies(tmp_path) == []


@pytest.mark.parametrize(
    ("prepared", "said"),
    [("", "has not changed"), ("wrong", "is not served: street.onnx: cannot be believed")],
)
def test_what_did_not_change_or_cannot_be_believed_leaves_all_as_it_is(
    supervise, tmp_path, prepared, said
):
    server = supervise(prepared=prepared)
    server.until_seen("serving")
    for _ in range(2):  # it can be asked again
        before = len(server.lines)
        server.process.send_signal(signal.SIGHUP)
        server.until(lambda: any(said in line for line in server.lines[before:]))  # noqa: B023
    assert copies(tmp_path) == []
    assert len(server.all("start")) == 4
    assert server.end() == 0


@pytest.mark.parametrize("mood", ["crash", "refuse"])
def test_a_crew_that_cannot_start_leaves_the_old_one_serving(supervise, tmp_path, mood):
    server = supervise({"executor-1": ["good", mood, "good"]}, prepared="changed")
    server.until_seen("serving")
    old = server.pid("executor-0")
    server.process.send_signal(signal.SIGHUP)
    server.until(lambda: any("zoo as it is now is not served" in line for line in server.lines))
    assert copies(tmp_path) == []
    os.kill(old, signal.SIGKILL)  # it is looked after as ever
    endpoint = server.all("start", name="endpoint-0")[0]["pid"]
    server.until_seen("status", pid=endpoint, peer="executor-0", is_alive=True, times=2)
    assert not server.all("drain")
    server.process.send_signal(signal.SIGHUP)  # and the change has another chance
    server.until_seen("drain", times=4)
    assert server.end() == 0


@pytest.mark.parametrize("prepared", ["hang", "changed"])
def test_the_end_of_a_server_is_that_of_what_it_prepares(supervise, tmp_path, prepared):
    server = supervise({"executor-1": ["good", "mute"]}, prepared=prepared)
    server.until_seen("serving")
    server.process.send_signal(signal.SIGHUP)
    server.until_seen("prepare")
    if prepared == "changed":
        server.until_seen("start", times=8)
    assert server.end() == 0
    assert is_gone(server.all("prepare")[0]["pid"])
    assert copies(tmp_path) == []


def test_asked_while_it_prepares_it_looks_once_more(supervise):
    server = supervise(prepared="changed")
    server.until_seen("serving")
    server.process.send_signal(signal.SIGHUP)
    server.until_seen("prepare")
    server.process.send_signal(signal.SIGHUP)
    first, second = server.until_seen("prepare", times=2)
    assert second["served"] == f"{first['folder']}/mine"
    assert server.end() == 0


def test_a_terminal_that_hangs_up_ends_the_server(tmp_path):
    """As SIGHUP that somebody sends does not."""
    leader, follower = os.openpty()
    device = DeviceConfig("device0", "gpu", DeviceKind.REPLAYED)
    config = ServerConfig(devices=(device,), frame_slots=2, max_frame_bytes=4096, port=0)
    command = [sys.executable, "-c", MAIN, config.to_json(), PREPARE, sys.executable, str(CHILD)]
    shell = "import os, sys, subprocess\nos.close(os.open(sys.argv[1], os.O_RDWR))\n"
    with subprocess.Popen(
        [
            *(sys.executable, "-c", shell + "os.execv(sys.argv[2], sys.argv[2:])"),
            *(os.ttyname(follower), *command),
        ],
        start_new_session=True,  # the first terminal that it opens is its own
        stderr=subprocess.PIPE,
        env=os.environ | {"MOODS": "{}", "COUNTS": str(tmp_path)},
    ) as process:
        for line in process.stderr:
            if b'"serving"' in line:
                break
        os.close(follower)
        os.close(leader)
        assert b'"drain"' in process.stderr.read()
        assert process.wait(LIMIT_S) == 0


def test_draining_tells_endpoints_first_and_the_others_when_they_have_left(supervise):
    server = supervise(drain_grace_ms=1234.0)
    server.until_seen("serving")
    assert server.end() == 0
    first, *others = server.all("drain")
    assert (first["name"], first["grace_ms"]) == ("endpoint-0", 1234.0)
    assert names(others) == {"scheduler-0", "executor-0", "executor-1"}


def test_children_that_do_not_leave_are_killed_in_time(supervise):
    server = supervise(
        {"endpoint-0": ["stubborn"], "executor-1": ["stubborn"]}, drain_grace_ms=100.0
    )
    server.until_seen("serving")
    assert server.end() == 0
    assert len(server.all("drain")) == 4


def test_the_limits_of_leaving_add_up_to_less_than_six_seconds():
    grace_s = ServerConfig().drain_grace_ms / 1000
    assert grace_s + ending.DRAIN_EXTRA_S + ending.LEAVE_LIMIT_S < 6


def test_a_second_signal_does_not_wait(supervise):
    server = supervise({"endpoint-0": ["stubborn"]}, drain_grace_ms=60_000.0)
    server.until_seen("serving")
    for _ in range(2):  # as from one who signals a process and then its group
        server.process.send_signal(signal.SIGTERM)
        server.until_seen("drain")
    with pytest.raises(subprocess.TimeoutExpired):
        server.process.wait(0.6)
    assert server.end(signal.SIGINT) == 128 + signal.SIGINT


def test_a_signal_at_the_start_ends_it_cleanly(supervise):
    server = supervise({"executor-0": ["mute"]})
    server.until_seen("start", times=4)
    assert server.end() == 0
    assert not server.all("serving")


def test_signals_to_the_whole_group_are_left_to_the_supervisor(supervise):
    server = supervise()
    server.until_seen("serving")
    for name in ("endpoint-0", "scheduler-0", "executor-0", "executor-1"):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(server.pid(name), number)
    assert server.end() == 0
    assert len(server.all("drain")) == 4


def test_children_leave_when_the_supervisor_is_killed(supervise):
    server = supervise()
    server.until_seen("serving")
    server.process.kill()
    server.wait()  # until every child has closed its end of the pipe
    assert names(server.all("orphaned")) == {
        "endpoint-0",
        "scheduler-0",
        "executor-0",
        "executor-1",
    }


def test_descriptors_do_not_pile_up_over_restarts(supervise):
    server = supervise()
    server.until_seen("serving")
    process = psutil.Process(server.process.pid)
    before = process.num_fds()
    for restarts in range(1, 4):
        os.kill(server.pid("executor-0"), signal.SIGKILL)
        server.until_seen(
            "status", name="endpoint-0", peer="executor-0", is_alive=True, times=restarts + 1
        )
    limit_s = time.monotonic() + LIMIT_S  # the ends that it handed out are closed just after
    while process.num_fds() != before:
        assert time.monotonic() < limit_s, (process.num_fds(), before)
        time.sleep(0.01)
    assert server.end() == 0


def test_a_port_that_is_taken_is_told_before_anything_starts(supervise):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        server = supervise(port=port)
        assert server.wait() == 1
    assert f"error: port={port}: address in use at 127.0.0.1; choose another --port" in server.lines
    assert not server.events


def test_of_two_servers_that_start_at_once_one_has_the_port(supervise):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    servers = [supervise(port=port, moods={"executor-0": ["mute"]}) for _ in range(2)]
    ended = None
    limit_s = time.monotonic() + LIMIT_S
    while ended is None:  # nobody listens yet
        assert time.monotonic() < limit_s
        ended = next((one for one in servers if one.process.poll() is not None), None)
    assert ended.wait() == 1
    assert f"error: port={port}: address in use at 127.0.0.1; choose another --port" in ended.lines


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_a_host_that_is_not_ours_is_refused_by_name(host):
    with pytest.raises(RunError, match=f"host={host}"):
        check_address(host, 0)


def test_a_process_without_a_handle_is_ended_and_leaves_no_descriptor(monkeypatch):
    def fail(_pid: int) -> int:
        raise OSError(errno.EMFILE, "too many open files")

    gc.collect()
    before = psutil.Process().num_fds()
    child = ChildProcess("executor", 0)
    monkeypatch.setattr(os, "pidfd_open", fail)
    with pytest.raises(OSError, match="too many"):
        child.start([sys.executable, "-c", "import time; time.sleep(60)"], ServerConfig())
    assert not child.is_running
    assert psutil.Process().num_fds() <= before
    assert all("time.sleep(60)" not in one.cmdline()[-1] for one in psutil.Process().children())


def test_pauses_double_up_to_five_seconds_and_shrink_after_a_quiet_minute():
    child = ChildProcess("executor", 0)
    pauses = [child.note_death(now_s) for now_s in (0, 1, 2, 3)]
    assert pauses == [0.1, 0.2, 0.4, 0.8]
    assert not child.is_quarantined
    assert child.note_death(4) == child.note_death(5) == 5.0
    assert child.is_quarantined
    assert child.note_death(70) == 0.1
    assert not child.is_quarantined


def test_who_is_killed_as_memory_ran_out_has_crashed(monkeypatch):
    """It may be a frame that takes all memory; a kill by somebody says nothing of frames."""
    num_kills = iter([1, 1, 2, 3])
    monkeypatch.setattr(crew, "read_num_oom_kills", lambda: next(num_kills))
    device = DeviceConfig("gpu0", "gpu", DeviceKind.REPLAYED)
    one = crew.Crew(ServerConfig(devices=(device,)), EventLoop(), lambda: None, lambda _: None)
    assert not one._took_all_memory(-signal.SIGKILL)
    assert one._took_all_memory(-signal.SIGKILL)
    assert not one._took_all_memory(1)
    assert not ChildProcess.is_crash(-signal.SIGKILL)
    assert ChildProcess.is_crash(-signal.SIGKILL, took_all_memory=True)


def test_a_lost_device_is_no_crash_and_named():
    assert ChildProcess.in_words(EXIT_DEVICE_LOST) == "status 5, as its device was lost"
    assert not ChildProcess.is_crash(EXIT_DEVICE_LOST)
