"""A TCP proxy before Postgres or a store that simulates network faults. Loopback only."""

import asyncio, socket, struct, threading

from postgres import find_free_port


class Proxy(threading.Thread):
    """`mode` may be changed at any time: pass, ("latency", seconds), ("cut", bytes), ("reset", bytes), blackhole, down."""

    def __init__(self, upstream):
        super().__init__(daemon=True)
        self.upstream, self.port, self.mode, self.live = upstream, find_free_port(), ("pass",), set()
        self.listening = threading.Event()
        self.start()
        self.listening.wait(10)

    def run(self):
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(self.serve())

    async def serve(self):
        server = await asyncio.start_server(self.connection, "127.0.0.1", self.port)
        self.listening.set()
        await server.serve_forever()

    def set(self, *mode):
        self.mode = mode
        if mode[0] == "down":
            self.loop.call_soon_threadsafe(lambda: [writer.transport.abort() for writer in list(self.live)])

    async def connection(self, reader, writer):
        if self.mode[0] == "down":
            return writer.transport.abort()
        try:
            onward_reader, onward = await asyncio.open_connection("127.0.0.1", self.upstream)
        except OSError:
            return writer.transport.abort()
        self.live.update((writer, onward))
        await asyncio.gather(self.pump(reader, onward, writer), self.pump(onward_reader, writer, onward))
        for end in (writer, onward):
            end.close()
            self.live.discard(end)

    async def pump(self, reader, writer, other):
        passed = 0
        try:
            while piece := await reader.read(65536):
                mode = self.mode
                if mode[0] == "blackhole":
                    continue
                if mode[0] == "latency":
                    await asyncio.sleep(mode[1])
                passed += len(piece)
                if mode[0] in ("cut", "reset") and passed > mode[1]:
                    for end in (writer, other):
                        if mode[0] == "reset":
                            linger = struct.pack("ii", 1, 0)
                            end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                        end.transport.abort()
                    return
                writer.write(piece)
                await writer.drain()
            writer.write_eof()
        except (OSError, RuntimeError):
            for end in (writer, other):
                end.transport.abort()
