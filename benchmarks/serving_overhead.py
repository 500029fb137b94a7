"""What the server costs: the real server with an instant executor against a bare grpc.aio echo.

Both get the same frames over loopback from the same closed-loop client, in turns within one run; the
echo sends the bytes back without looking at them. Reported per payload and number of streams: the ratio of
frames per second (window 4 per stream), and for one stream with one frame under way what is added
at p50 and p99.

    python benchmarks/serving_overhead.py [--seconds 3] [--rounds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import statistics
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
from load import LINK, Saturation, frame_message, saturate, scene_jpeg

from moonjelly.protos import serving_pb2 as pb
from moonjelly.protos import serving_pb2_grpc
from moonjelly.server.running_server import RunningServer

SIDE_PX = 608
PAYLOADS_BYTES = (20_000, 60_000, 130_000)
STREAMS = (1, 8, 32)
WINDOW = 4
ECHO = "/echo.Echo/Stream"


async def _serve_echo(connection: multiprocessing.connection.Connection) -> None:
    async def echo(
        requests: AsyncIterator[bytes], _: grpc.aio.ServicerContext
    ) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request

    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    handler = grpc.stream_stream_rpc_method_handler(echo)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("echo.Echo", {"Stream": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    connection.send(f"127.0.0.1:{port}")
    await asyncio.to_thread(connection.poll, None)  # the parent closes it at the end
    await server.stop(None)


def echo_process(connection: multiprocessing.connection.Connection) -> None:
    """Runs the echo server until the other end of `connection` is closed."""
    asyncio.run(_serve_echo(connection))


async def measure_echo(
    address: str, jpeg: bytes, num_streams: int, window: int, seconds: float
) -> Saturation:
    """Saturates the echo server."""
    async with contextlib.AsyncExitStack() as stack:
        calls = []
        for _ in range(num_streams):
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(address))
            call = channel.stream_stream(
                ECHO,
                request_serializer=pb.ClientMessage.SerializeToString,
                response_deserializer=pb.ClientMessage.FromString,
            )()

            async def answers(call: grpc.aio.StreamStreamCall = call) -> AsyncIterator[list[int]]:
                async for message in call:
                    yield [message.frame.sequence]

            calls.append((call, answers(), frame_message(jpeg, SIDE_PX)))
        result = await saturate(calls, window, seconds)
        for call, _, _ in calls:
            await call.done_writing()
        return result


async def measure_server(
    address: str, jpeg: bytes, num_streams: int, window: int, seconds: float
) -> Saturation:
    """Saturates the server."""
    async with contextlib.AsyncExitStack() as stack:
        calls = []
        for number in range(num_streams):
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(address))
            stub = serving_pb2_grpc.ServingStub(channel)
            reply = await stub.Register(
                pb.RegisterRequest(stream_id=f"load-{number}", fps=0.1, slo_ms=60_000, link=LINK),
                timeout=10,
            )
            call = stub.Stream()
            await call.write(pb.ClientMessage(open=pb.Open(session=reply.session)))

            async def answers(call: grpc.aio.StreamStreamCall = call) -> AsyncIterator[list[int]]:
                async for message in call:
                    for result in message.results:
                        if result.verdict != pb.ANSWERED:
                            raise RuntimeError(f"a frame was dropped: {result.drop}")
                    if message.results:
                        yield [result.sequence for result in message.results]

            calls.append((call, answers(), frame_message(jpeg, SIDE_PX)))
        result = await saturate(calls, window, seconds)
        for call, _, _ in calls:
            await call.write(pb.ClientMessage(goodbye=pb.Goodbye()))
            await call.done_writing()
        return result


def main() -> int:
    """Prints a table, and writes it as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each; medians are reported")
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results/serving_overhead.json")
    )
    arguments = parser.parse_args()

    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    echo = context.Process(target=echo_process, args=(theirs,), daemon=True)
    echo.start()
    theirs.close()
    rows = []
    with RunningServer(
        [
            *("--zoo", "replayed-gpu", "--devices", "replayed:gpu"),
            *("--replay-latency-ratio", "0", "--rate-tolerance-ratio", "1e9"),
            *("--max-waiting-frames", "4096", "--frame-slots", "256", "--log-level", "warning"),
        ]
    ) as server:
        echo_address = ours.recv()
        print(f"{os.cpu_count()} cores; {arguments.rounds} rounds of {arguments.seconds:g} s each")
        print("payload  streams  window   echo fps  server fps  ratio   added p50 ms  added p99 ms")
        for payload_bytes in PAYLOADS_BYTES:
            jpeg = scene_jpeg(SIDE_PX, payload_bytes)
            for num_streams, window in [(1, 1), *((n, WINDOW) for n in STREAMS)]:
                rounds: list[tuple[Saturation, Saturation]] = []
                for _ in range(arguments.rounds):
                    load = (jpeg, num_streams, window, arguments.seconds)
                    rounds.append(
                        (
                            asyncio.run(measure_echo(echo_address, *load)),
                            asyncio.run(measure_server(server.address, *load)),
                        )
                    )
                row = {
                    "payload_bytes": len(jpeg),
                    "num_streams": num_streams,
                    "window": window,
                    "echo_fps": statistics.median(echo.rate_fps for echo, _ in rounds),
                    "server_fps": statistics.median(real.rate_fps for _, real in rounds),
                    "rate_ratio": statistics.median(r.rate_fps / e.rate_fps for e, r in rounds),
                    **{
                        f"added_p{p}_ms": statistics.median(
                            r.percentile_ms(p) - e.percentile_ms(p) for e, r in rounds
                        )
                        for p in (50, 99)
                    },
                }
                rows.append(row)
                print(
                    f"{len(jpeg):7d}  {num_streams:7d}  {window:6d}  {row['echo_fps']:9.0f}"
                    f"  {row['server_fps']:10.0f}  {row['rate_ratio']:5.2f}"
                    f"  {row['added_p50_ms']:13.2f}  {row['added_p99_ms']:12.2f}",
                    flush=True,
                )
    ours.close()
    echo.join(10)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(
        json.dumps({"num_cores": os.cpu_count(), "rows": rows}, indent=1) + "\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
