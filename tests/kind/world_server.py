"""The world outside of a cluster, run inside of a container: who asks 169.254.169.254:80 or 1.1.1.1:443 gets in."""

import fcntl
import socket
import struct
import threading

SIOCSIFADDR = 0x8916  # linux/sockios.h: gives an interface an address


def serve(address: str, port: int, interface: str) -> None:
    """Take every connection to an address that becomes this machine's own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        request = struct.pack("16sHH4s8x", interface.encode(), socket.AF_INET, 0, socket.inet_aton(address))
        fcntl.ioctl(handle, SIOCSIFADDR, request)
    with socket.create_server((address, port), backlog=512) as server:
        while True:
            server.accept()[0].close()


for name, place in {"lo:1": ("169.254.169.254", 80), "lo:2": ("1.1.1.1", 443)}.items():
    threading.Thread(target=serve, args=(*place, name)).start()
