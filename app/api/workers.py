"""The processes that serve: one, or several that share a port."""

import socket
import sys
from contextlib import suppress

from uvicorn import Config, Server
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess


class Workers(Multiprocess):
    """uvicorn's, but each worker listens on a socket of its own (`SO_REUSEPORT`).

    The system then spreads connections evenly. Of workers that share one socket, the one that
    happens to be awake takes all that come at once: of 32, measured, one got all.
    A worker's socket goes with it, so that nothing is taken that nobody will answer.
    """

    def __init__(self, config: Config) -> None:
        self._lent: list[socket.socket] = []
        super().__init__(config, sockets=[])

    @property
    def sockets(self) -> list[socket.socket]:
        """Asked for by uvicorn whenever it makes a worker: those that the worker is to have."""
        lent = _bind(self.config)
        self._lent.append(lent)
        return [lent]

    @sockets.setter
    def sockets(self, sockets: list[socket.socket]) -> None:
        pass  # uvicorn would set those that all share

    def keep_subprocess_alive(self) -> None:
        """Let go of the sockets that workers have by now, and look after the workers."""
        self._let_go()
        super().keep_subprocess_alive()

    def terminate_all(self) -> None:
        """Tell the workers to finish."""
        self._let_go()
        super().terminate_all()

    def _let_go(self) -> None:
        while self._lent:
            self._lent.pop().close()


def run_server(config: Config) -> None:
    """Serve, in as many processes as the configuration says, until SIGTERM or Ctrl-C."""
    if config.workers > 1:
        Workers(config).run()
        return
    server = Server(config)
    with suppress(KeyboardInterrupt):  # it has stopped cleanly, and says so once more
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def _bind(config: Config) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    bound = socket.socket(family)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((config.host, config.port))
    bound.set_inheritable(True)
    return bound
