"""The calls of `EFairService`: who shares the device, what they run, what it took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc

from ..core.checks import echo
from ..core.codes import Code
from ..core.kernels import KernelModel
from ..protos import efair_pb2 as pb
from ..protos import efair_pb2_grpc as pb_grpc
from ..scheduling.sharing.turns import Turns
from ..server.endpoint.problems import SessionError
from ..zoos.kernels import clock_hz
from .computing import Computing
from .device import KernelDevice, LoadedModel

MOST_ENTITIES = 256
MOST_MODELS = 1000
MOST_WAITING = 2000

Context = grpc.aio.ServicerContext[Any, Any]


class Door(pb_grpc.EFairServiceServicer):
    """Answers calls. Entities and models are numbered from 0, and no number comes again.

    What is wrong ends a call with a status whose text names field, value and rule.

    Attributes:
        models: all that were loaded, those of removed entities too, until their places are needed.
    """

    def __init__(
        self,
        networks: Mapping[str, Mapping[float, KernelModel]],
        turns: Turns,
        device: KernelDevice,
        computing: Computing,
    ) -> None:
        """Starts with nobody.

        Args:
            networks: that can be loaded: by name, at each clock (MHz).
            turns: of the device.
            device: that all share.
            computing: what becomes of tensors.
        """
        self._networks = networks
        self._turns = turns
        self._device = device
        self._computing = computing
        self._entities: set[int] = set()
        self._num_models = 0  # ever
        self._num_tasks = 0  # ever
        self.models: dict[int, LoadedModel] = {}

    async def CreateEntity(  # noqa: N802 the name of the call
        self, request: pb.CreateEntityRequest, _: Context
    ) -> pb.CreateEntityResponse:
        """Takes somebody in."""
        if len(self._entities) >= MOST_ENTITIES:
            raise SessionError(Code.RESOURCE_EXHAUSTED, f"there are {MOST_ENTITIES} entities")
        try:
            eid = self._turns.add_entity(request.priority)
        except ValueError as error:
            raise SessionError(Code.INVALID_ARGUMENT, str(error)) from None
        self._entities.add(eid)
        return pb.CreateEntityResponse(success=True, eid=eid)

    async def LoadModel(  # noqa: N802
        self, request: pb.LoadModelRequest, _: Context
    ) -> pb.LoadModelResponse:
        """Has an entity use a network at a clock."""
        self._check_entity(request.eid)
        network = request.model_path
        if network not in self._networks:
            rule = f"must be one of {', '.join(self._networks)}"
            raise SessionError(Code.NOT_FOUND, f"model_path={echo(network)}: {rule}")
        if request.model_profile_path not in ("", network):
            value = echo(request.model_profile_path)
            rule = "must be empty or as model_path"
            raise SessionError(Code.INVALID_ARGUMENT, f"model_profile_path={value}: {rule}")
        by_hz = {clock_hz(mhz): model for mhz, model in self._networks[network].items()}
        if request.frequency not in by_hz:
            rule = f"must be a clock of {network} in Hz: {', '.join(by_hz)}"
            value = echo(request.frequency)
            raise SessionError(Code.INVALID_ARGUMENT, f"frequency={value}: {rule}")
        self._make_room()
        model = by_hz[request.frequency]
        mid = self._num_models
        self._num_models += 1
        self.models[mid] = LoadedModel(mid, request.eid, network, model)
        self._turns.add_model(request.eid, model)
        return pb.LoadModelResponse(success=True, mid=mid)

    async def SetEntityPriority(  # noqa: N802
        self, request: pb.SetEntityPriorityRequest, _: Context
    ) -> pb.SetEntityPriorityResponse:
        """Changes a weight."""
        self._check_entity(request.eid)
        try:
            self._turns.set_priority(request.eid, request.priority)
        except ValueError as error:
            raise SessionError(Code.INVALID_ARGUMENT, str(error)) from None
        return pb.SetEntityPriorityResponse(success=True)

    async def Infer(  # noqa: N802
        self, request: pb.InferRequest, _: Context
    ) -> pb.InferResponse:
        """Runs a model once; what it computes is ready when the replay of its kernels is, or later."""
        loaded = self.models.get(request.mid)
        if loaded is None or loaded.is_removed:
            raise SessionError(Code.NOT_FOUND, f"mid={request.mid}: no such model")
        if self._device.num_waiting >= MOST_WAITING:  # those whose callers hung up are among them
            raise SessionError(Code.RESOURCE_EXHAUSTED, f"{MOST_WAITING} inferences wait already")
        computed = self._computing.start(loaded.network, request.inputs) if request.inputs else None
        tid = self._num_tasks
        self._num_tasks += 1
        try:
            has_finished = await self._device.infer(loaded)
            if not has_finished and self._device.is_over:
                raise SessionError(Code.UNAVAILABLE, "the server ends")
            if not has_finished:
                raise SessionError(Code.ABORTED, f"eid={loaded.owner}: was removed")
            outputs = await self._computing.outputs(computed) if computed else []
        finally:
            if computed:
                computed.cancel()
        return pb.InferResponse(success=True, tid=tid, outputs=outputs)

    async def RemoveEntity(  # noqa: N802
        self, request: pb.RemoveEntityRequest, _: Context
    ) -> pb.RemoveEntityResponse:
        """Takes somebody out with all that it loaded."""
        self._check_entity(request.eid)
        self._entities.remove(request.eid)
        for loaded in self.models.values():
            loaded.is_removed = loaded.is_removed or loaded.owner == request.eid
        self._device.remove(request.eid)
        return pb.RemoveEntityResponse(success=True)

    async def GetUsage(  # noqa: N802
        self, request: pb.GetUsageRequest, _: Context
    ) -> pb.GetUsageResponse:
        """Tells what finished inferences took."""
        del request
        return pb.GetUsageResponse(
            models=[
                pb.ModelUsage(
                    mid=one.mid,
                    eid=one.owner,
                    network=one.network,
                    frequency=clock_hz(one.model.clock_mhz),
                    finished=one.usage.finished,
                    time_us=one.usage.time_us,
                    energy_uj=one.usage.energy_uj,
                )
                for one in self.models.values()
            ]
        )

    def _check_entity(self, eid: int) -> None:
        if eid not in self._entities:
            raise SessionError(Code.NOT_FOUND, f"eid={eid}: no such entity")

    def _make_room(self) -> None:
        """Forgets the oldest model that was removed, if there are as many as can be."""
        if len(self.models) < MOST_MODELS:
            return
        oldest = next((one.mid for one in self.models.values() if one.is_removed), None)
        if oldest is None:
            raise SessionError(Code.RESOURCE_EXHAUSTED, f"there are {MOST_MODELS} models")
        del self.models[oldest]
