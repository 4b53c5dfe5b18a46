"""Announces a Wyoming server in the local network by multicast DNS, so that Home Assistant offers it by itself.

The package zeroconf does it; without it, or where the network allows no multicast, addresses are typed by hand.
"""

import contextlib
import ipaddress
import logging
import re
import socket
from typing import Any

log = logging.getLogger(__name__)
_SERVICE = "_wyoming._tcp.local."
_NAME_BYTES = 63  # of a label in DNS


class Announcement:
    """The announcement of one server.

    Args:
        name: The model's name.
        host: The address that the server listens on; 0.0.0.0 and :: stand for all of this machine's.
        port: Its port.
    """

    def __init__(self, name: str, host: str, port: int) -> None:
        self._name, self._host, self._port = name, host, port
        self._network: Any = None
        self._service: Any = None

    async def start(self) -> bool:
        """Announce the server until `close`; return whether it is announced. Failures are logged."""
        try:
            import zeroconf
            from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf
        except ImportError:
            return False
        try:
            addresses = _reachable(self._host, zeroconf.get_all_addresses)
            if not addresses:
                return False
            self._service = AsyncServiceInfo(
                _SERVICE,
                f"{service_name(self._name, socket.gethostname())}.{_SERVICE}",
                port=self._port,
                parsed_addresses=addresses,
            )
            self._network = AsyncZeroconf()
            await self._network.async_register_service(self._service, allow_name_change=True)
        except (OSError, zeroconf.Error) as error:
            log.warning("the Wyoming server cannot be announced in the network: %s", error or type(error).__name__)
            await self.close()
            return False
        return True

    async def close(self) -> None:
        """Withdraw the announcement, if there is one."""
        network, self._network = self._network, None
        if network is not None:
            with contextlib.suppress(Exception):  # the network may be gone, and the server ends anyway
                await network.async_unregister_service(self._service)
            await network.async_close()


def service_name(model: str, host: str) -> str:
    """Return a name for a list of servers, without the dots that separate labels of DNS."""
    name = re.sub(r"[.\s]+", " ", f"asr {model} on {host.split('.')[0]}").strip()
    return name.encode()[:_NAME_BYTES].decode(errors="ignore").strip()


def _reachable(host: str, list_addresses: Any) -> list[str]:
    """Return the addresses at which other machines reach a server that listens on `host`."""
    address = ipaddress.ip_address(host)
    found = [str(one) for one in list_addresses()] if address.is_unspecified else [host]
    return [one for one in found if not ipaddress.ip_address(one).is_loopback]
