"""Taking a port, with an error a person can act on."""

from __future__ import annotations

import socket

from ml_utils.errors import ServiceError


def bind(host: str, port: int) -> socket.socket:
    """Take a port; 0 takes any that is free.

    Raises
    ------
    ServiceError
        If it is taken or not ours to take.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise ServiceError(
            f"Port {port} on {host} cannot be used: {error}. Stop what listens there, or choose another "
            "with --port (PORT=… of the make target)."
        ) from error
    return listener
