from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from moonjelly.core.errors import UsageError
from moonjelly.kernel_sharing import door as doors
from moonjelly.kernel_sharing.computing import Computing, read_networks
from moonjelly.kernel_sharing.device import KernelDevice
from moonjelly.kernel_sharing.serving import Serving, serve
from moonjelly.protos import efair_pb2 as pb
from moonjelly.protos.efair_pb2_grpc import EFairServiceStub
from moonjelly.scheduling.sharing.turns import Turns
from moonjelly.server.endpoint.problems import SessionError
from moonjelly.zoos.kernels import read_kernel_folder, shipped_kernels

FAST_HZ = "1300500000"
LIMIT_S = 30.0


@contextlib.asynccontextmanager
async def served(
    until_finished: int | None = None, kernels: Path | None = None
) -> AsyncIterator[EFairServiceStub]:
    """A server on loopback, with a connection to it."""
    folder = kernels or shipped_kernels()
    profiles = read_kernel_folder(folder)
    models = read_networks(folder, profiles)
    serving = Serving(profiles, models, 40_000, 0.7, until_finished=until_finished)
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    server = asyncio.create_task(serve(serving, address.set_result))
    try:
        async with grpc.aio.insecure_channel(await address) as channel:
            yield EFairServiceStub(channel)
    finally:
        server.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await server


async def loaded(stub: EFairServiceStub, frequency: str = FAST_HZ) -> tuple[int, int]:
    """An entity and its model."""
    entity = await stub.CreateEntity(pb.CreateEntityRequest(priority=0))
    request = pb.LoadModelRequest(model_path="resnet18", eid=entity.eid, frequency=frequency)
    model = await stub.LoadModel(request)
    assert entity.success
    assert model.success
    return entity.eid, model.mid


async def test_the_published_calls_do_what_they_did_and_numbers_rise() -> None:
    async with served() as stub:
        assert [await loaded(stub), await loaded(stub)] == [(0, 0), (1, 1)]
        priority = pb.SetEntityPriorityRequest(eid=1, priority=-5)
        assert (await stub.SetEntityPriority(priority)).success
        replies = [await stub.Infer(pb.InferRequest(mid=1)) for _ in range(2)]
        assert [(one.success, one.tid) for one in replies] == [(True, 0), (True, 1)]
        usage = await stub.GetUsage(pb.GetUsageRequest())
        assert usage.models[1] == pb.ModelUsage(
            mid=1, eid=1, network="resnet18", frequency=FAST_HZ, finished=2,
            time_us=42_812, energy_uj=159_920,
        )  # fmt: skip


async def test_who_is_removed_is_told_so_and_its_usage_stays() -> None:
    async with served() as stub:
        eid, mid = await loaded(stub)
        await stub.Infer(pb.InferRequest(mid=mid))
        calls = [stub.Infer(pb.InferRequest(mid=mid)) for _ in range(3)]
        await asyncio.sleep(0)
        await stub.Infer(pb.InferRequest(mid=mid))
        assert (await stub.RemoveEntity(pb.RemoveEntityRequest(eid=eid))).success
        codes = [await one.code() for one in calls]
        assert set(codes) <= {grpc.StatusCode.OK, grpc.StatusCode.ABORTED}
        for call in (
            stub.Infer(pb.InferRequest(mid=mid)),
            stub.RemoveEntity(pb.RemoveEntityRequest(eid=eid)),
        ):
            assert await call.code() is grpc.StatusCode.NOT_FOUND
        usage = await stub.GetUsage(pb.GetUsageRequest())
        assert usage.models[0].finished == 1 + codes.count(grpc.StatusCode.OK) + 1


async def test_what_waits_when_the_server_ends_is_told_so() -> None:
    async with served(until_finished=1) as stub:
        _, mid = await loaded(stub)
        calls = [stub.Infer(pb.InferRequest(mid=mid)) for _ in range(2)]
        codes = [await asyncio.wait_for(one.code(), LIMIT_S) for one in calls]
        assert sorted(one.name for one in codes) == ["OK", "UNAVAILABLE"]


LOAD = {"model_path": "resnet18", "eid": 0, "frequency": FAST_HZ}


@pytest.mark.parametrize(
    ("name", "request_", "code", "detail"),
    [
        ("CreateEntity", pb.CreateEntityRequest(priority=20), "INVALID_ARGUMENT",
         "priority=20: must be within -20..19"),
        ("CreateEntity", pb.CreateEntityRequest(priority=-(2**63)), "INVALID_ARGUMENT",
         "priority=-9223372036854775808: must be within -20..19"),
        ("SetEntityPriority", pb.SetEntityPriorityRequest(eid=0, priority=-21), "INVALID_ARGUMENT",
         "priority=-21: must be within -20..19"),
        ("SetEntityPriority", pb.SetEntityPriorityRequest(eid=7), "NOT_FOUND",
         "eid=7: no such entity"),
        ("RemoveEntity", pb.RemoveEntityRequest(eid=2**64 - 1), "NOT_FOUND",
         "eid=18446744073709551615: no such entity"),
        ("Infer", pb.InferRequest(mid=7), "NOT_FOUND", "mid=7: no such model"),
        ("LoadModel", pb.LoadModelRequest(**LOAD | {"eid": 3}), "NOT_FOUND",
         "eid=3: no such entity"),
        ("LoadModel", pb.LoadModelRequest(**LOAD | {"model_path": "../resnet18.json"}), "NOT_FOUND",
         "model_path='../resnet18.json': must be one of resnet18, resnet50"),
        ("LoadModel", pb.LoadModelRequest(**LOAD, model_profile_path="/etc/passwd"),
         "INVALID_ARGUMENT", "model_profile_path='/etc/passwd': must be empty or as model_path"),
        ("LoadModel", pb.LoadModelRequest(**LOAD | {"frequency": "12"}), "INVALID_ARGUMENT",
         "frequency='12': must be a clock of resnet18 in Hz: 114750000, "),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_a_status_that_names_field_value_and_rule(
    name: str, request_: object, code: str, detail: str
) -> None:
    async with served() as stub:
        await loaded(stub)
        call = getattr(stub, name)(request_)
        assert (await call.code()).name == code
        assert (await call.details()).startswith(detail)
        assert await loaded(stub) == (1, 1)  # nothing was taken


async def test_there_are_only_so_many_entities_and_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "MOST_ENTITIES", 2)
    monkeypatch.setattr(doors, "MOST_MODELS", 2)
    async with served() as stub:
        entities = [await loaded(stub), await loaded(stub)]
        call = stub.CreateEntity(pb.CreateEntityRequest())
        assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        call = stub.LoadModel(pb.LoadModelRequest(**LOAD))
        assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        await stub.RemoveEntity(pb.RemoveEntityRequest(eid=entities[0][0]))
        assert await loaded(stub) == (2, 2)  # in the place of the one that was removed
        usage = await stub.GetUsage(pb.GetUsageRequest())
        assert [one.mid for one in usage.models] == [1, 2]


async def test_who_hangs_up_again_and_again_fills_no_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doors, "MOST_WAITING", 3)
    turns = Turns(40_000, 0.7)
    device = KernelDevice(turns)  # which runs nothing yet
    door = doors.Door(read_kernel_folder(shipped_kernels()), turns, device, Computing({}))
    await door.CreateEntity(pb.CreateEntityRequest(), None)
    await door.LoadModel(pb.LoadModelRequest(**LOAD), None)
    ask = pb.InferRequest(mid=0)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(door.Infer(ask, None), 0.001)
    with pytest.raises(SessionError, match="3 inferences wait already"):
        await door.Infer(ask, None)
    await device.run(until_finished=1)
    assert device.num_waiting == 2


@pytest.mark.parametrize("name", ["CreateEntity", "LoadModel", "Infer", "GetUsage"])
async def test_what_is_no_message_ends_its_call_alone(name: str) -> None:
    async with served() as stub:
        getattr(stub, name)._request_serializer = bytes
        code = await getattr(stub, name)(b"\xff\xff\xff").code()
        assert code is grpc.StatusCode.INTERNAL
        assert (await stub.SetEntityPriority(pb.SetEntityPriorityRequest()).code()).name == (
            "NOT_FOUND"
        )


@pytest.fixture
def kernels(tmp_path: Path) -> Path:
    """A folder whose ResNet18 adds one to a number of pairs."""
    shutil.copy(shipped_kernels() / "resnet18.json", tmp_path)
    pair, one = ("pairs", ["n", 2]), np.ones(1, np.float32)
    graph = helper.make_graph(
        [helper.make_node("Add", ["pairs", "one"], ["sums"])],
        "adder",
        [helper.make_tensor_value_info(pair[0], TensorProto.FLOAT, pair[1])],
        [helper.make_tensor_value_info("sums", TensorProto.FLOAT, pair[1])],
        [helper.make_tensor("one", TensorProto.FLOAT, [1], one)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "resnet18.onnx")
    return tmp_path


PAIRS = np.arange(6, dtype="<f4").reshape(3, 2)


def tensor(**changes: object) -> pb.Tensor:
    kept = {"name": "pairs", "dtype": "float32", "shape": (3, 2), "data": PAIRS.tobytes()}
    return pb.Tensor(**kept | changes)


async def test_tensors_are_computed_with_while_kernels_are_replayed(kernels: Path) -> None:
    async with served(kernels=kernels) as stub:
        _, mid = await loaded(stub)
        reply = await stub.Infer(pb.InferRequest(mid=mid, inputs=[tensor()]))
        (output,) = reply.outputs
        assert (output.name, output.dtype, list(output.shape)) == ("sums", "float32", [3, 2])
        assert np.frombuffer(output.data, "<f4").tolist() == [1, 2, 3, 4, 5, 6]
        assert not (await stub.Infer(pb.InferRequest(mid=mid))).outputs
        usage = await stub.GetUsage(pb.GetUsageRequest())
        assert (usage.models[0].finished, usage.models[0].time_us) == (2, 42_812)


@pytest.mark.parametrize(
    ("inputs", "detail"),
    [
        ([tensor(name="other")], "inputs.name=['other']: must be pairs, each once"),
        ([tensor(), tensor()], "inputs.name=['pairs', 'pairs']: must be pairs, each once"),
        ([tensor(dtype="int32")], "inputs.pairs.dtype='int32': must be float32"),
        ([tensor(dtype="object")], "inputs.pairs.dtype='object': must be float32"),
        ([tensor(shape=(-3, -2))], "inputs.pairs.shape=(-3, -2): must be 0 or more"),
        ([tensor(shape=[1] * 17)], "inputs.pairs.shape=(1, 1, "),
        ([tensor(shape=(2**62, 2**62))], "inputs.pairs.data: has 24 bytes, must have 85070591"),
        ([tensor(data=b"")], "inputs.pairs.data: has 0 bytes, must have 24"),
        ([tensor(shape=(2, 3))], "inputs: the network fails on them; are their shapes"),
    ],
)
async def test_tensors_that_a_network_does_not_take_are_refused(
    inputs: list[pb.Tensor], detail: str, kernels: Path
) -> None:
    async with served(kernels=kernels) as stub:
        _, mid = await loaded(stub)
        call = stub.Infer(pb.InferRequest(mid=mid, inputs=inputs))
        assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert (await call.details()).startswith(detail)


async def test_a_profile_without_its_network_computes_nothing_and_says_so() -> None:
    async with served() as stub:
        _, mid = await loaded(stub)
        call = stub.Infer(pb.InferRequest(mid=mid, inputs=[tensor()]))
        assert await call.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert await call.details() == (
            "inputs: resnet18 is replayed from its profile alone, and computes nothing"
        )


def test_a_network_that_cannot_be_run_is_named_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "resnet18.onnx").write_bytes(b"no network")
    with pytest.raises(UsageError, match=r"resnet18\.onnx: ONNX Runtime cannot load it"):
        read_networks(tmp_path, ["resnet18"])
