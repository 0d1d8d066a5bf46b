"""A name server at a free port that answers as a test tells it, changes its mind when told to, and counts."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset


@dataclass
class NameServer:
    """`say` what it answers; a name that nothing was said of does not exist."""

    port: int = 0
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By name and type (`A`, `AAAA`)."""
    silent: bool = False
    _answers: dict[tuple[str, str], list[Sequence[str]]] = field(default_factory=dict)
    _aliases: dict[str, str] = field(default_factory=dict)

    def say(self, name: str, *answers: Sequence[str]) -> None:
        """Addresses for the first lookup, for the second, and so on; the last stays."""
        for kind, is_six in (("A", False), ("AAAA", True)):
            self._answers[name, kind] = [
                [address for address in answer if (":" in address) is is_six] for answer in answers
            ]

    def alias(self, name: str, target: str) -> None:
        """A CNAME; the answer has the target's addresses, too."""
        self._aliases[name] = target

    def answer(self, packet: bytes) -> bytes:
        query = dns.message.from_wire(packet)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked[name, kind] += 1
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        while name in self._aliases:
            target = self._aliases[name]
            response.answer.append(dns.rrset.from_text(f"{name}.", 0, "IN", "CNAME", f"{target}."))
            name = target
        answers = self._answers.get((name, kind))
        if answers is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        elif addresses := answers.pop(0) if len(answers) > 1 else answers[0]:
            response.answer.append(dns.rrset.from_text(f"{name}.", 0, "IN", kind, *addresses))
        return response.to_wire()


class _Protocol(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._server.answer(data)
        if not self._server.silent:
            self._transport.sendto(answer, addr)


@asynccontextmanager
async def running_name_server() -> AsyncIterator[NameServer]:
    server = NameServer()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Protocol(server), local_addr=("127.0.0.1", 0))
    server.port = transport.get_extra_info("sockname")[1]
    try:
        yield server
    finally:
        transport.close()
