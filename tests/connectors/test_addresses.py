"""What a user configures as an address cannot be turned on the hub's own network."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from hub.connectors.addresses import AddressGuard
from hub.connectors.http import PartnerClient
from hub.errors import AddressRefused, PartnerUnavailable, SettingsWrong

PRIVATE = [
    "127.0.0.1",
    "10.0.0.1",
    "172.16.3.4",
    "192.168.1.1",
    "169.254.169.254",
    "0.0.0.0",
    "::1",
    "fe80::1",
    "fd00::1",
    "::ffff:127.0.0.1",
    "100.64.0.1",
    "localhost",
]


@pytest.mark.parametrize("host", PRIVATE)
def test_addresses_that_are_not_public_are_refused(host):
    with pytest.raises(AddressRefused, match="not on the public internet"):
        AddressGuard().check(host, 443)


def test_public_addresses_pass():
    assert AddressGuard().check("93.184.216.34", 443) == ["93.184.216.34"]


def test_an_operator_may_allow_private_addresses():
    assert AddressGuard(allow_private=True).check("127.0.0.1", 80) == ["127.0.0.1"]


def test_a_sandbox_of_this_home_is_allowed_at_its_very_port():
    guard = AddressGuard(sandboxes={("127.0.0.1", 8801)})

    assert guard.check("127.0.0.1", 8801) == ["127.0.0.1"]
    with pytest.raises(AddressRefused):
        guard.check("127.0.0.1", 8802)


class _Counts(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked += 1
        self.send_response(302)
        self.send_header("Location", "http://169.254.169.254/latest/meta-data")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    served = HTTPServer(("127.0.0.1", 0), _Counts)
    served.asked = 0
    thread = Thread(target=served.serve_forever)
    thread.start()
    yield served
    served.shutdown()
    thread.join()
    served.server_close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_the_client_sends_nothing_to_a_private_address(server, host):
    async with PartnerClient(f"http://{host}:{server.server_port}", guard=AddressGuard()) as client:
        with pytest.raises(AddressRefused):
            await client.request("GET", "/")

    assert server.asked == 0


async def test_redirects_are_not_followed(server):
    guard = AddressGuard(sandboxes={("127.0.0.1", server.server_port)})
    async with PartnerClient(f"http://127.0.0.1:{server.server_port}", guard=guard) as client:
        with pytest.raises(SettingsWrong, match="302"):
            await client.request("GET", "/")

    assert server.asked == 1


async def test_a_host_that_does_not_exist_is_named():
    async with PartnerClient("http://nowhere.invalid", guard=AddressGuard(), read_attempts=1) as client:
        with pytest.raises(PartnerUnavailable, match=r"nowhere\.invalid"):
            await client.get("/")


@pytest.mark.parametrize("address", ["", "ftp://x.example", "x.example", "http://", "file:///etc/passwd"])
def test_what_is_no_address_is_a_wrong_setting(address):
    with pytest.raises(SettingsWrong):
        PartnerClient(address, guard=AddressGuard())
