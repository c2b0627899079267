"""An OpenAI-compatible server of one local model: chat completions held to a JSON schema, and /v1/models.

It runs in the environment of bench/models/requirements.txt, where nothing of the project is installed: the
standard library and llama.cpp alone. Its first line on standard output is its base URL.
"""

from __future__ import annotations

import argparse
import json
import time
import uuid
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bench.models.llama import MODELS, Generated, Llama, TooLong

MOST_TOKENS = 2000
"""Of an answer, where the request sets no limit."""


class Handler(BaseHTTPRequestHandler):
    """Answers for one model."""

    protocol_version = "HTTP/1.1"
    llama: Llama
    name: str

    def do_GET(self) -> None:
        """The list of models."""
        if self.path.rstrip("/").endswith("/models"):
            self._send(
                {"object": "list", "data": [{"id": self.name, "object": "model", "owned_by": "local"}]}
            )
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")

    def do_POST(self) -> None:
        """One chat completion."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if not self.path.rstrip("/").endswith("/chat/completions"):
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")
            return
        try:
            self._send(self._complete(json.loads(body)))
        except (KeyError, TypeError, ValueError) as error:
            known = isinstance(error, TooLong)
            self._refuse(
                HTTPStatus.BAD_REQUEST, str(error) if known else "this is no chat completion request"
            )

    def _complete(self, request: dict[str, Any]) -> dict[str, Any]:
        most = request.get("max_completion_tokens", request.get("max_tokens", MOST_TOKENS))
        generated = self.llama.answer(
            request["messages"],
            schema=schema_of(request),
            most_tokens=int(most),
            temperature=float(request.get("temperature", 1)),
            seed=int(request.get("seed", 0)),
        )
        return completion(self.name, generated)

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        self._send({"error": {"message": message, "type": "invalid_request_error", "code": None}}, status)

    def _send(self, answer: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
        """Nothing."""


def schema_of(request: dict[str, Any]) -> bytes | None:
    """The JSON schema that a request wants its answer held to; None where it wants none."""
    response_format = request.get("response_format", {"type": "text"})
    if response_format["type"] == "text":
        return None
    return json.dumps(response_format["json_schema"]["schema"]).encode()


def completion(model: str, generated: Generated) -> dict[str, Any]:
    """The body of an answer."""
    message = {"role": "assistant", "content": generated.text, "refusal": None}
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "finish_reason": generated.finish_reason, "message": message}],
        "usage": {
            "prompt_tokens": generated.prompt_tokens,
            "completion_tokens": generated.completion_tokens,
            "total_tokens": generated.prompt_tokens + generated.completion_tokens,
        },
    }


def main() -> None:
    """Serve until it is stopped."""
    parser = argparse.ArgumentParser(prog="python -m bench.models.server", description=__doc__)
    parser.add_argument("--model", choices=MODELS, default="gemma")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    model = MODELS[options.model]
    Handler.name, Handler.llama = model.name, Llama(model, options.threads)
    with ThreadingHTTPServer(("127.0.0.1", options.port), Handler) as server:
        server.daemon_threads = True
        print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
