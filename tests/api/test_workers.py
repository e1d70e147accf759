"""Several processes on one port: each listens for itself."""

import socket

import uvicorn

from app.api.workers import Workers
from tests.portal import free_port


def test_each_worker_gets_a_socket_of_its_own_on_the_port(monkeypatch) -> None:
    monkeypatch.setattr("signal.signal", lambda *arguments: None)
    port = free_port()
    workers = Workers(uvicorn.Config("x:y", host="127.0.0.1", port=port, workers=2))
    [first], [second] = workers.sockets, workers.sockets
    assert first is not second
    assert first.getsockname() == second.getsockname() == ("127.0.0.1", port)
    assert first.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)


def test_parent_lets_go_of_what_it_has_lent(monkeypatch) -> None:
    monkeypatch.setattr("signal.signal", lambda *arguments: None)
    workers = Workers(uvicorn.Config("x:y", host="127.0.0.1", port=free_port(), workers=2))
    lent = [*workers.sockets, *workers.sockets]
    workers.keep_subprocess_alive()
    assert [one.fileno() for one in lent] == [-1, -1]
