"""Connections to gateways, and tokens."""

import asyncio
import inspect
import ipaddress
import itertools
import json
import math
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import grpc
import grpc.aio

from . import _status, errors
from ._options import ClientTls

OPTIONS: Mapping[str, str | int] = {
    # Clients of one process do not share connections, so that one that has gone silent can be left.
    "grpc.use_local_subchannel_pool": 1,
    "grpc.service_config_disable_resolution": 1,
    # An address may be a name with several gateways behind it.
    "grpc.service_config": json.dumps({"loadBalancingConfig": [{"round_robin": {}}]}),
    # The gateway limits what it sends, and one event may be larger than gRPC's default of 4 MiB.
    "grpc.max_receive_message_length": -1,
    # A connection that died silently must not hold its calls: an append on it is sent again within its timeout.
    "grpc.keepalive_time_ms": 5_000,
    "grpc.keepalive_timeout_ms": 5_000,
    "grpc.http2.ping_timeout_ms": 5_000,
    "grpc.http2.max_pings_without_data": 0,
    # Reconnects to a restarted gateway within seconds; gRPC's default backoff grows to two minutes.
    "grpc.initial_reconnect_backoff_ms": 250,
    "grpc.min_reconnect_backoff_ms": 5_000,  # also how long an attempt may take
    "grpc.max_reconnect_backoff_ms": 5_000,
}

_POLL_FIRST = 0.001
_POLL_MAX = 0.02
# A connection that is left keeps its calls for this long; keepalive ends them before.
_LEAVE_GRACE = 30.0


class Connection:
    """A gRPC channel to one address."""

    def __init__(self, address: str, credentials: grpc.ChannelCredentials | None, options: Mapping[str, Any]) -> None:
        arguments = list(options.items())
        self.channel = (
            grpc.aio.insecure_channel(address, arguments)
            if credentials is None
            else grpc.aio.secure_channel(address, credentials, arguments)
        )
        self._methods: dict[tuple[str, str], Any] = {}

    def method(self, kind: str, name: str, response: type[Any]) -> Any:
        """`kind`: unary_unary, for instance; `name`: service/method."""
        made = self._methods.get((kind, name))
        if made is None:
            make = getattr(self.channel, kind)
            made = make(f"/sluice.v1.{name}", lambda request: request.SerializeToString(), response.FromString)
            self._methods[kind, name] = made
        return made


class Pool:
    """The connections of a client, one for each address. Calls take turns among those that work."""

    def __init__(self, addresses: Sequence[str], tls: ClientTls | bool, options: Mapping[str, str | int]) -> None:
        self._addresses = addresses
        self._credentials = _credentials(tls)
        self._options = options
        self._connections: list[Connection] = []
        self._turns = itertools.count()
        self._leaving: set[asyncio.Task[None]] = set()

    async def ready(self, end: float) -> Connection:
        """
        One with a connection to a gateway. Raises UnavailableError if no gateway can be reached, and DeadlineExceededError at `end`,
        by the loop's clock; then nothing was sent.
        """
        if not self._connections:
            self._connections = [self._make(address) for address in self._addresses]
        pause = _POLL_FIRST
        turn = next(self._turns)
        while True:
            states = [one.channel.get_state(try_to_connect=True) for one in self._connections]
            for i in range(len(states)):
                at = (turn + i) % len(states)
                if states[at] is grpc.ChannelConnectivity.READY:
                    return self._connections[at]
            where = ", ".join(self._addresses)
            if all(state is grpc.ChannelConnectivity.TRANSIENT_FAILURE for state in states):
                raise unavailable(f"no connection to {where}")
            if asyncio.get_running_loop().time() >= end:
                raise _too_late(f"there was no connection to {where} before the timeout of the call")
            # Waiting for a change of state cannot be given up in gRPC.
            await asyncio.sleep(pause)
            pause = min(2 * pause, _POLL_MAX)

    def leave(self, silent: Connection) -> None:
        """Gives up a connection that has gone silent, unless that has happened: later calls get another one."""
        if silent in self._connections:
            at = self._connections.index(silent)
            self._connections[at] = self._make(self._addresses[at])
            leaving = asyncio.create_task(silent.channel.close(_LEAVE_GRACE))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        for leaving in list(self._leaving):
            leaving.cancel()
        connections, self._connections = self._connections, []
        for one in connections:
            await one.channel.close()

    def _make(self, address: str) -> Connection:
        return Connection(address, self._credentials, self._options)


def unavailable(message: str) -> errors.SluiceError:
    return _status.to_error(_status.Failure(grpc.StatusCode.UNAVAILABLE, message, was_sent=False))


def _too_late(message: str) -> errors.SluiceError:
    return _status.to_error(_status.Failure(grpc.StatusCode.DEADLINE_EXCEEDED, message, was_sent=False))


def _credentials(tls: ClientTls | bool) -> grpc.ChannelCredentials | None:
    if tls is False:
        return None
    files = ClientTls() if tls is True else tls
    return grpc.ssl_channel_credentials(files.ca, files.key, files.cert)


def is_local(address: str) -> bool:
    """Whether a gRPC target is this machine for certain, so that plain text does not leave it. Names are not looked up."""
    if re.match(r"unix(-abstract)?:", address):
        return True
    hosts = re.sub(r"^(ipv4|ipv6|dns):(///)?", "", address).split(",")
    return all(_is_local_host(host) for host in hosts)


def _is_local_host(host: str) -> bool:
    in_brackets = re.fullmatch(r"\[([^\]]*)\](:\d+)?", host)
    name = in_brackets[1] if in_brackets else re.sub(r"^([^:]*):\d+$", r"\1", host)
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


_TOKEN_FORM = re.compile(r"[\x21-\x7e]+")


def bearer(token: object) -> str:
    """The header. The text of the token must not appear in an error."""
    if not isinstance(token, str):
        raise TypeError(f"a token must be a str, not {type(token).__name__}")
    if not _TOKEN_FORM.fullmatch(token):
        raise ValueError("a token must have ASCII characters without spaces, and at least one of them")
    return f"Bearer {token}"


class Tokens:
    """The tokens that a function returns: one at a time, which all calls share until a gateway refuses it."""

    def __init__(self, ask: Callable[[], str] | Callable[[], Awaitable[str]], timeout: float) -> None:
        self._ask = ask
        self._timeout = timeout
        self._current: str | None = None
        self._asking: asyncio.Task[str] | None = None

    async def header(self, end: float) -> str:
        """Raises TokenFunctionError, or DeadlineExceededError if the call has to end first."""
        if self._current is not None:
            return self._current
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_again())
        try:
            async with asyncio.timeout_at(None if math.isinf(end) else end):
                return await asyncio.shield(self._asking)
        except TimeoutError:
            raise _too_late("the token function did not return before the timeout of the call") from None

    def is_refused(self, error: errors.UnauthenticatedError, header: str | None) -> bool:
        """Whether `error` says that the token is not accepted; another one is then asked for, once for all calls."""
        if error.reason == "missing":
            return False
        if self._current == header:
            self._current = None
        return True

    async def _ask_again(self) -> str:
        try:
            async with asyncio.timeout(self._timeout):
                token: object = await asyncio.to_thread(self._ask)
                self._current = bearer(await token if inspect.isawaitable(token) else token)
            return self._current
        except Exception as cause:
            why = f"it did not return within {self._timeout:g} s" if isinstance(cause, TimeoutError) else str(cause)
            error = errors.TokenFunctionError(f"the token function failed: {why}")
            error.status = grpc.StatusCode.UNAUTHENTICATED.value[0]
            error.reason = "missing"
            raise error from cause
        finally:
            self._asking = None
