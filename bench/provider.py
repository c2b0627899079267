"""A local server that answers as the model should, at once or after some seconds, in a process of its own."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from subprocess import PIPE, Popen

from secondlook.providers.offline import completion_of
from secondlook.tasks.snapshot.offline import ANSWERERS


class Handler(BaseHTTPRequestHandler):
    """Answers chat completions; the same request is worked out once."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    seconds = 0.0
    known: dict[bytes, bytes] = {}  # noqa: RUF012 -- shared by all connections on purpose

    def do_POST(self) -> None:
        """One chat completion."""
        body = self.rfile.read(int(self.headers["content-length"]))
        if body not in self.known:
            self.known[body] = completion(body)
        answer = self.known[body]
        time.sleep(self.seconds)
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
        """Nothing."""


def completion(body: bytes) -> bytes:
    """The body of the answer, with what the offline agent leaves out and some clients insist on."""
    answer = completion_of(json.loads(body), ANSWERERS)
    return json.dumps({"id": "chatcmpl-local", "created": int(time.time()), **answer}).encode()


class Server(ThreadingHTTPServer):
    """Takes many connections at the same moment."""

    request_queue_size = 128
    daemon_threads = True


@contextmanager
def answering(seconds: float = 0.0) -> Generator[str]:
    """Run the server, which takes so long for an answer, and give its base URL."""
    with Popen([sys.executable, "-m", "bench.provider", str(seconds)], stdout=PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 -- it was asked for
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


if __name__ == "__main__":
    Handler.seconds = float(sys.argv[1])
    server = Server(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
    server.serve_forever()
