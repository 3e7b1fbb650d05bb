"""A TCP proxy in user space that misbehaves on demand.

One proxy stands in front of each broker; the broker tells its clients the proxy's
port (scripts/kafka, --advertise), so that whatever they are led to goes through one.
All proxies share one thread with an event loop of its own; the faults are switched by
plain calls from outside, and what they touched is counted, so that a fault without
an effect is noticed.
"""

import asyncio
import contextlib
import socket
import struct
import threading

HOST = "127.0.0.1"
CHUNK = 64 * 1024
IN_FLIGHT = 256  # chunks of one direction that a delay may hold


class Link:
    """One connection of a client, and the one to the broker that belongs to it."""

    def __init__(self, client, broker):
        self.client = client
        self.broker = broker
        self.to_cut = False

    @property
    def writers(self):
        return [writer for _, writer in (self.client, self.broker)]

    def reset(self):
        """Ends both connections with RST: what was on its way is lost."""
        for writer in self.writers:
            with contextlib.suppress(OSError, AttributeError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Proxy:
    """In front of one broker. Faults: `delay` (seconds per chunk), `stalled`, and the calls below."""

    def __init__(self, loop, port, listener):
        self.loop = loop
        self.port = port
        self.listener = listener
        self.behind = None  # the broker's own port, known when it has started
        self.delay = 0.0
        self.touched = 0  # chunks or connections that a fault changed
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.links = set()

    async def serve(self):
        await asyncio.start_server(self.accept, sock=self.listener)

    async def accept(self, reader, writer):
        try:
            broker = await asyncio.open_connection(HOST, self.behind)
        except OSError:
            writer.transport.abort()  # as if nobody listened
            return
        link = Link((reader, writer), broker)
        self.links.add(link)
        try:
            await asyncio.gather(self.pump(link, reader, broker[1]), self.pump(link, broker[0], writer))
        except asyncio.CancelledError:
            pass  # the end of all proxies
        finally:
            self.links.discard(link)
            for writer in link.writers:
                writer.close()

    async def pump(self, link, reader, writer):
        """One direction, until its end; an end is passed on, so that half-open connections stay half-open."""
        on_the_way = asyncio.Queue(IN_FLIGHT)
        await asyncio.gather(self.take(reader, on_the_way), self.give(link, on_the_way, writer))

    async def take(self, reader, on_the_way):
        """Whatever comes, with the moment at which it is due; at the end an empty chunk."""
        chunk = True
        while chunk:
            try:
                chunk = await reader.read(CHUNK)
            except OSError:
                chunk = b""
            if self.delay:
                self.touched += 1
            await on_the_way.put((self.loop.time() + self.delay, chunk))

    async def give(self, link, on_the_way, writer):
        try:
            while True:
                due, chunk = await on_the_way.get()
                await asyncio.sleep(due - self.loop.time())
                if not self.flowing.is_set():
                    self.touched += 1
                    await self.flowing.wait()
                if not chunk:
                    break
                if link.to_cut:
                    self.touched += 1
                    writer.write(chunk[: len(chunk) // 2])
                    await writer.drain()
                    link.reset()
                    break
                writer.write(chunk)
                await writer.drain()
            writer.write_eof()
        except (OSError, RuntimeError):
            link.reset()
            while chunk:  # until the other side notices, so that nobody waits to be taken from
                _, chunk = await on_the_way.get()

    def stall(self, stalled):
        """Bytes stop, connections stay."""
        self.loop.call_soon_threadsafe(self.flowing.clear if stalled else self.flowing.set)

    def cut(self):
        """Of each connection the next chunk arrives by half, then the connection is reset."""

        def now():
            for link in self.links:
                link.to_cut = True

        self.loop.call_soon_threadsafe(now)

    def half_close(self):
        """To each client the broker seems to have ended the connection; the broker hears nothing of it."""

        def now():
            for link in self.links:
                with contextlib.suppress(OSError, RuntimeError):
                    self.touched += 1
                    link.client[1].write_eof()

        self.loop.call_soon_threadsafe(now)


async def end_others():
    """Every task of this loop but the one that asks."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class Proxies:
    """The proxies of a cluster, in a thread of their own, as a block."""

    def __init__(self, count):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="proxies", daemon=True)
        self.all = []
        for _ in range(count):
            listener = socket.create_server((HOST, 0), backlog=256)
            self.all.append(Proxy(self.loop, listener.getsockname()[1], listener))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        for proxy in self.all:
            proxy.listener.close()
        asyncio.run_coroutine_threadsafe(end_others(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.loop.close()

    def in_front_of(self, behind):
        """Begins to serve, now that the brokers' own ports are known."""
        for proxy, port in zip(self.all, behind):
            proxy.behind = port
            asyncio.run_coroutine_threadsafe(proxy.serve(), self.loop).result(5)

    @property
    def ports(self):
        return [proxy.port for proxy in self.all]

    @property
    def bootstrap(self):
        return ",".join(f"{HOST}:{port}" for port in self.ports)

    def touched(self):
        return sum(proxy.touched for proxy in self.all)
