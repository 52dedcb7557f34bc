"""Refuses every address but this machine's own, in each Python that starts with this folder in PYTHONPATH.

What was refused is noted in the file that LOOPBACK_REFUSED names, if it does: a line for each host.
Sockets that libraries open without Python's knowledge are not seen.
"""

import ipaddress
import os
import socket
import sys


def is_here(host: str | bytes) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if name in ("", "localhost", socket.gethostname()):
        return True
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False  # a name that would have to be looked up


def refuse_others(event: str, arguments: tuple) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        address = arguments
    else:
        return
    host = address[0] if isinstance(address, tuple) else ""  # others than tuples are files and devices of this machine
    if isinstance(host, str | bytes) and not is_here(host):
        if file := os.environ.get("LOOPBACK_REFUSED"):
            with open(file, "a", encoding="utf-8") as notes:
                notes.write(f"{host}\n")
        raise ConnectionRefusedError(f"{host} is another machine")


sys.addaudithook(refuse_others)
