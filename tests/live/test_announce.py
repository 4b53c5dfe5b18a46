"""The announcement of a Wyoming server, to a network that is a list."""

import asyncio
import sys
import types
from typing import Any

import pytest

from asr.live.wyoming.announce import Announcement, service_name


class Network:
    """Takes the place of zeroconf's: what is registered in it."""

    services: dict[str, Any]

    def __init__(self) -> None:
        self.is_open = True
        Network.current = self
        Network.services = {}

    async def async_register_service(self, service: Any, *, allow_name_change: bool) -> None:
        assert allow_name_change
        self.services[service.name] = service

    async def async_unregister_service(self, service: Any) -> None:
        del self.services[service.name]

    async def async_close(self) -> None:
        self.is_open = False


class Service:
    def __init__(self, kind: str, name: str, *, port: int, parsed_addresses: list[str]) -> None:
        self.kind, self.name, self.port, self.addresses = kind, name, port, parsed_addresses


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A package zeroconf that only notes what is announced."""
    package, inner = types.ModuleType("zeroconf"), types.ModuleType("zeroconf.asyncio")
    package.Error = type("Error", (Exception,), {})
    package.get_all_addresses = lambda: ["127.0.0.1", "192.0.2.7"]
    inner.AsyncZeroconf, inner.AsyncServiceInfo = Network, Service
    monkeypatch.setitem(sys.modules, "zeroconf", package)
    monkeypatch.setitem(sys.modules, "zeroconf.asyncio", inner)
    return inner


@pytest.mark.parametrize(
    ("host", "addresses"), [("0.0.0.0", ["192.0.2.7"]), ("::", ["192.0.2.7"]), ("198.51.100.1", ["198.51.100.1"])]
)
def test_a_server_is_announced_where_others_reach_it_until_it_closes(
    network: types.ModuleType, monkeypatch: pytest.MonkeyPatch, host: str, addresses: list[str]
):
    monkeypatch.setattr("socket.gethostname", lambda: "pi.home")

    async def run() -> None:
        announcement = Announcement("english", host, 10300)
        assert await announcement.start()
        (service,) = Network.services.values()
        assert (service.kind, service.port, service.addresses) == ("_wyoming._tcp.local.", 10300, addresses)
        assert service.name == "asr english on pi._wyoming._tcp.local."
        await announcement.close()
        assert Network.services == {}
        assert not Network.current.is_open
        await announcement.close()  # again does nothing

    asyncio.run(run())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_server_that_only_this_machine_reaches_is_not_announced(network: types.ModuleType, host: str):
    Network.services = {}
    assert not asyncio.run(Announcement("english", host, 10300).start())
    assert Network.services == {}


def test_nothing_is_announced_without_the_package(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "zeroconf", None)
    assert not asyncio.run(Announcement("english", "0.0.0.0", 10300).start())


def test_a_network_without_multicast_is_no_reason_to_fail(
    network: types.ModuleType, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    async def fail(self: Network, service: Any, *, allow_name_change: bool) -> None:
        raise OSError("network is unreachable")

    monkeypatch.setattr(Network, "async_register_service", fail)
    assert not asyncio.run(Announcement("english", "0.0.0.0", 10300).start())
    assert "cannot be announced in the network: network is unreachable" in caplog.text
    assert not Network.current.is_open


def test_names_fit_a_label_of_dns():
    assert service_name("an4", "host") == "asr an4 on host"
    name = service_name("ä.b" * 30, "host")
    assert len(name.encode()) <= 63
    assert "." not in name


@pytest.mark.parametrize("announce", [True, False])
def test_a_setting_prevents_the_announcement(
    recognizer: Any, network: types.ModuleType, monkeypatch: pytest.MonkeyPatch, announce: bool
):
    pytest.importorskip("wyoming", reason="needs wyoming: python -m pip install --editable '.[wyoming]'")
    from tests.live.test_wyoming import run_wyoming

    monkeypatch.setattr("asr.live.wyoming.announce._reachable", lambda host, list_addresses: ["192.0.2.7"])
    Network.services = {}
    with run_wyoming(recognizer, announce=announce) as (_, port):
        assert [service.port for service in Network.services.values()] == [port] * announce
    assert Network.services == {}
