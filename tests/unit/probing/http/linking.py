"""Connect to a listener of a test."""

import socket

from services.probing.http.plain_sockets import PlainSockets, PlainTransport


async def one_more(
    sockets: PlainSockets, listener: socket.socket
) -> tuple[PlainTransport, socket.socket]:
    """Connect once more; give the connection and the other end of it."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    link = await sockets.connect(sock, listener.getsockname(), 5.0)
    return link, listener.accept()[0]
