"""Who may pass the front door. Pure ASGI: it sees HTTP and WebSockets alike, before anything else does.

On Supabase nobody gets to a page, a file or the WebSocket without a session; a WebSocket whose session ends
is closed at its next message. On the embedded store nobody can sign in, and the door is open to this machine.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from urllib.parse import quote, urlsplit

from anyio import CapacityLimiter, to_thread
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from secondlook.errors import NotSignedIn, RequestInvalid, SecondlookError, SourceNotFound
from secondlook.services import Services
from secondlook.telemetry.log import log_failed
from secondlook.web import cookies
from secondlook.web.problems import problem

SIGN_IN = "/auth/sign-in"
OPEN_TREES = ("/auth/", "/api/")
OPEN_PATHS = {"/healthz", "/readyz", "/_stcore/health"}
"""What looks after itself: sign-in, the API with its bearer tokens, and health."""

MAX_BODY_BYTES = 64 * 1024
MAX_DROPPED_BYTES = 16 * MAX_BODY_BYTES
"""The longest body that sign-in and the API take."""

_CLOSE = 4401
_THREADS = 16

_POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval' {scripts}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "frame-ancestors 'none'; base-uri 'self'; form-action 'self'; object-src 'none'"
)

_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
}


class Gate:
    """The gate in front of an app.

    Args:
        app: What lies behind it.
        services: The process's services; raises where the settings are not usable.
        inline_scripts: The scripts that the app's pages hold in themselves; no others may run.
    """

    def __init__(
        self, app: ASGIApp, services: Callable[[], Services], inline_scripts: Sequence[str] = ()
    ) -> None:
        self._app = app
        self._services = services
        self._threads: CapacityLimiter | None = None
        allowed = " ".join(f"'sha256-{_sha256(script)}'" for script in inline_scripts)
        self._headers = {**_HEADERS, "content-security-policy": _POLICY.format(scripts=allowed)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a connection pass, or answer it here."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        if scope["type"] == "websocket":
            await self._pass_websocket(connection, receive, send)
        else:
            await self._pass_http(connection, receive, self._with_headers(send))

    async def _pass_http(self, connection: HTTPConnection, receive: Receive, send: Send) -> None:
        scope = connection.scope
        path: str = scope["path"]
        refusal: Response | None = None
        if not path.isprintable():
            refusal = problem(SourceNotFound("No such address", hint=""))
        elif path.startswith(OPEN_TREES) or path in OPEN_PATHS:
            refusal = _refuse_cross_site(connection, self._public_url())
            if refusal is None:
                refusal, receive = await _whole_body(receive)
        else:
            try:
                if not await self._signed_in(connection):
                    refusal = _send_to_sign_in(connection)
            except SecondlookError as error:
                refusal = problem(error)
        await _quietly(refusal or self._app, scope, receive, send)

    async def _pass_websocket(self, connection: HTTPConnection, receive: Receive, send: Send) -> None:
        async def signed_in() -> bool:
            try:
                return _same_origin(connection, self._public_url()) and await self._signed_in(connection)
            except SecondlookError:
                return False

        if not await signed_in():
            await receive()
            await send({"type": "websocket.close", "code": _CLOSE})  # before it is accepted: 403
            return
        closed = False

        async def receive_guarded() -> Message:
            nonlocal closed
            message = await receive()
            if message["type"] != "websocket.receive" or await signed_in():
                return message
            closed = True
            await send({"type": "websocket.close", "code": _CLOSE})
            return {"type": "websocket.disconnect", "code": _CLOSE}

        async def send_guarded(message: Message) -> None:
            if not closed:
                await send(message)

        await self._app(connection.scope, receive_guarded, send_guarded)

    def _public_url(self) -> str | None:
        try:
            return self._services().settings.public_url
        except SecondlookError:
            return None

    def _with_headers(self, send: Send) -> Send:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        return send_with_headers

    async def _signed_in(self, connection: HTTPConnection) -> bool:
        try:
            services = self._services()
        except SecondlookError:
            return True  # the pages say what is wrong with the settings, and have nothing else to show
        if not services.requires_sign_in:
            return True
        session_id = cookies.session_id(connection)
        if not session_id:
            return False
        # Separate threads: requests that wait for a store or a mail must not block the gate.
        if self._threads is None:
            self._threads = CapacityLimiter(_THREADS)
        find = partial(services.sessions.find, session_id)
        return await to_thread.run_sync(find, limiter=self._threads) is not None


async def _quietly(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer what nothing expected, and log its kind alone: a traceback could hold what no one may see."""
    started = False

    async def noting(message: Message) -> None:
        nonlocal started
        started = True
        await send(message)

    try:
        await app(scope, receive, noting)
    except Exception as error:  # noqa: BLE001 -- see above
        log_failed("front door", type(error).__name__)
        if not started:
            await problem(SecondlookError("Something unexpected went wrong"))(scope, receive, send)


def _send_to_sign_in(connection: HTTPConnection) -> Response:
    if "text/html" in connection.headers.get("accept", ""):
        query = f"?{connection.url.query}" if connection.url.query else ""
        return RedirectResponse(f"{SIGN_IN}?next={quote(connection.url.path + query, safe='')}", 303)
    if connection.scope["path"] == "/_stcore/host-config":  # an open page shows this where its session ended
        return PlainTextResponse("You are signed out. Reload the page to sign in.", 401)
    return problem(NotSignedIn("Nobody is signed in", hint="Reload the page to sign in."))


def _refuse_cross_site(connection: HTTPConnection, public_url: str | None) -> Response | None:
    """The refusal of a form that another site's page sent; None where the request may pass."""
    if connection.scope["method"] in {"GET", "HEAD", "OPTIONS"}:
        return None
    if connection.scope["path"].startswith("/auth/") and not _same_origin(connection, public_url):
        return problem(
            RequestInvalid(
                "The form was sent by another site",
                reason="origin",
                hint="Behind a proxy, set SECONDLOOK_PUBLIC_URL to the address that browsers use.",
            )
        )
    return None


async def _whole_body(receive: Receive) -> tuple[Response | None, Receive]:
    """Read a body to its end, to be given on in one piece; a longer one than anybody needs is refused.

    What is too long is read on a while and dropped: a connection that is closed on unread bytes is
    reset, and the refusal may be lost with it.
    """
    body = b""
    size = 0
    more = True
    while more and size <= MAX_DROPPED_BYTES:
        message = await receive()
        if message["type"] != "http.request":  # the browser went away
            return None, _once(message, receive)
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            body += chunk
        more = message.get("more_body", False)
    if size > MAX_BODY_BYTES:
        error = RequestInvalid(f"The body is longer than {MAX_BODY_BYTES} bytes")
        return problem(error, status=413), receive
    return None, _once({"type": "http.request", "body": body, "more_body": False}, receive)


def _once(message: Message, receive: Receive) -> Receive:
    given: list[Message] = [message]

    async def read() -> Message:
        return given.pop() if given else await receive()

    return read


def _same_origin(connection: HTTPConnection, public_url: str | None) -> bool:
    """Whether the page that sent this was served here; programs that are no browsers send no origin."""
    origin = connection.headers.get("origin")
    if origin is None:
        return connection.headers.get("sec-fetch-site") in {None, "same-origin", "none"}
    # A proxy may have changed the Host header; the public address is what the browser knows.
    own = {connection.headers.get("host"), urlsplit(public_url or "").netloc}
    return urlsplit(origin).netloc in own - {
        "",
        None,
    }  # the origin of a file, or of a frame in a box, is none


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
