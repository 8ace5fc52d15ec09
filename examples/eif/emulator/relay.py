#!/usr/bin/env python3
"""Host side of one emulated enclave's vsock, beside vhost-device-vsock: see `boot`, which runs this.

relay.py RUN_DIR [PORT]...   offers each port of the guest as RUN_DIR/enclave-PORT.sock, and answers the heartbeat of the
                             guest's first process on RUN_DIR/vsock_9000.

The device does not know half-closed connections, which real ones have: the end of what the host sends reaches the guest as
the end of both directions, and the guest's half end does not reach the host.
"""

import asyncio
import pathlib
import sys

MAX_CONNECTIONS = 256  # of each port; more are closed at once
HANDSHAKE_SECONDS = 60  # before the guest's driver is up, the device keeps the request that long and longer
MAX_REPLY = 32  # "OK " and a port
CHUNK = 16 * 1024
HEARTBEAT = b"\xb7"


async def pump(reader, writer):
    """Carries bytes until the reader's end, and the end itself."""
    while chunk := await reader.read(CHUNK):
        writer.write(chunk)
        await writer.drain()
    writer.write_eof()


async def dial(uds, port):
    """A connection to the guest's port, or None if nobody listens there."""
    reader, writer = await asyncio.open_unix_connection(uds, limit=4 * CHUNK)
    writer.write(b"CONNECT %d\n" % port)
    reply = b""
    while not reply.endswith(b"\n") and len(reply) < MAX_REPLY:
        byte = await reader.read(1)
        if not byte:
            break
        reply += byte
    if reply.startswith(b"OK ") and reply.endswith(b"\n"):
        return reader, writer
    writer.close()
    return None


async def forward(uds, port, near_reader, near_writer):
    far = await asyncio.wait_for(dial(uds, port), HANDSHAKE_SECONDS)
    if far is None:
        return
    far_reader, far_writer = far
    pumps = [asyncio.create_task(pump(near_reader, far_writer)), asyncio.create_task(pump(far_reader, near_writer))]
    try:
        await asyncio.gather(*pumps)
    finally:
        for task in pumps:
            task.cancel()
        far_writer.close()


def bounded(serve):
    """Serves at most so many connections at once; an error ends its connection and nothing else."""
    count = 0

    async def accept(reader, writer):
        nonlocal count
        count += 1
        try:
            if count <= MAX_CONNECTIONS:
                await serve(reader, writer)
        except (ConnectionError, asyncio.TimeoutError):
            pass  # one side went away, as it may; the other sees it at once
        except OSError as error:
            print(f"connection: {error!r}", flush=True)
        finally:
            count -= 1
            writer.close()

    return accept


async def answer_heartbeat(run_dir, reader, writer):
    byte = await asyncio.wait_for(reader.read(1), HANDSHAKE_SECONDS)
    writer.write(byte)
    await writer.drain()
    if byte == HEARTBEAT:
        (run_dir / "heartbeat").touch()


async def main(run_dir, ports):
    uds = str(run_dir / "vsock")
    for port in ports:
        serve = bounded(lambda reader, writer, port=port: forward(uds, port, reader, writer))
        await asyncio.start_unix_server(serve, run_dir / f"enclave-{port}.sock", limit=4 * CHUNK)
    # Last: `boot` goes on when this one is there.
    heartbeat = bounded(lambda reader, writer: answer_heartbeat(run_dir, reader, writer))
    server = await asyncio.start_unix_server(heartbeat, run_dir / "vsock_9000")
    await server.serve_forever()


asyncio.run(main(pathlib.Path(sys.argv[1]), [int(port) for port in sys.argv[2:]]))
