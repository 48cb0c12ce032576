"""nats-py's client with a short way in and out.

nats-py hands every message through a queue and a task of its own, and drops what does not fit the queue. Here a
handler is called straight from the parser, and commands join the next write without an `await` each: about three
times the messages per second (docs/decisions/bus.md). What this needs of nats-py's inside is in this module alone,
pinned by the lock file and covered by the bus's conformance tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error, StaleConnectionError

from podium.errors import Unavailable

log = structlog.get_logger()

# subject, reply, payload, headers (None without any)
Receive = Callable[[str, str, bytes, bytes | None], None]

_PING = b"PING\r\n"
_CONFIRM_SECONDS = 30.0
# nats-py's own 5 seconds for a request are for servers that have nothing else to do.
_REQUEST_SECONDS = 30.0
_PENDING_BYTES = 4 << 20


class LinkLost(Error):  # type: ignore[misc,unused-ignore]
    """The link was lost before the answer came."""


class Link(Client):  # type: ignore[misc,unused-ignore]
    """A connection whose subscriptions call plain functions."""

    def __init__(self) -> None:
        super().__init__()
        self.violations: list[str] = []
        self._receivers: dict[int, Receive] = {}
        self._unconfirmed: set[asyncio.Future[bool]] = set()

    async def receive(self, subject: str, receiver: Receive) -> int:
        """Subscribe; kept over reconnects. Returns the id for `leave`."""
        sid = self._sid + 1
        self._receivers[sid] = receiver
        await self.subscribe(subject)
        return sid

    async def leave(self, sid: int) -> None:
        self._receivers.pop(sid, None)
        subscription = self._subs.get(sid)
        if subscription is not None and not self.is_closed:
            await subscription.unsubscribe()

    def send(self, commands: Iterable[bytes]) -> None:
        """Have `commands` written with whatever else leaves in this turn of the event loop."""
        for command in commands:
            self._pending.append(command)
            self._pending_data_size += len(command)
        if self._flush_queue is not None and self._flush_queue.empty():
            self._flush_queue.put_nowait(asyncio.get_running_loop().create_future())

    async def drained(self) -> None:
        """Wait while the server takes less than we send."""
        if self._pending_data_size > _PENDING_BYTES:
            await self._flush_pending(force_flush=True)

    async def confirmed(self) -> None:
        """Wait until the server has read all that was sent before. Raises: Unavailable, when the link is lost first."""
        if not self.is_connected or self._transport is None:
            raise Unavailable("the connection to the broker is lost")
        # All in one order on the wire: nats-py's own flush sends its PING ahead of commands that are still pending.
        self._transport.writelines([*self._pending, _PING])
        self._pending, self._pending_data_size = [], 0
        pong: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._pongs.append(pong)
        self._unconfirmed.add(pong)
        try:
            # Not `wait_for`: it would cancel the future, and nats-py trips over a cancelled one.
            await asyncio.wait([pong], timeout=_CONFIRM_SECONDS)
        finally:
            self._unconfirmed.discard(pong)
        if not pong.done():
            raise Unavailable(f"the broker did not answer within {_CONFIRM_SECONDS:.0f} seconds")
        if not pong.result():
            raise Unavailable("the connection to the broker was lost before it had accepted the message")

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        timeout: float = _REQUEST_SECONDS,
        old_style: bool = False,
        headers: dict[str, Any] | None = None,
    ) -> Msg:
        """No limit is shorter than ours. Raises: nats.errors.Error; `LinkLost`, when the link is lost first, or was."""
        if not self.is_connected:
            raise LinkLost("the connection to the broker is lost")
        return await super().request(subject, payload, max(timeout, _REQUEST_SECONDS), old_style, headers)

    def forget_pending(self) -> None:
        """After a lost link: what was not accepted will not be sent later behind its sender's back."""
        self._fail_requests(LinkLost("the connection to the broker was lost"))
        self._pending, self._pending_data_size = [], 0
        for pong in self._unconfirmed:
            if not pong.done():
                pong.set_result(False)

    def _fail_requests(self, error: Error) -> None:
        for answer in self._resp_map.values():
            if not answer.done():
                answer.set_exception(error)

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: Any) -> None:
        receiver = self._receivers.get(sid)
        if receiver is None:
            await super()._process_msg(sid, subject, reply, data, headers)
        else:
            receiver(subject.decode(), reply.decode(), data, headers)

    async def _process_err(self, err_msg: str) -> None:
        """Make the link again after an error, where nats-py closes for good; a violated permission leaves it be."""
        if "permissions violation" in err_msg:
            log.warning("bus.refused by broker", error=err_msg)
            self.violations.append(err_msg)
            if "$js." in err_msg or "_inbox." in err_msg:  # nobody will answer, or we do not hear it
                self._fail_requests(Error(f"nats: {err_msg}"))
        elif "stale connection" in err_msg:
            await self._process_op_err(StaleConnectionError())
        else:
            log.warning("bus.error from broker", error=err_msg)
            await self._process_op_err(Error(f"nats: {err_msg}"))
