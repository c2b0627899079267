"""Sign-in, sign-out and passwords: plain forms, without a script but one that reads a mail's link."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.templating import Jinja2Templates

from secondlook.auth.accounts import Grant
from secondlook.auth.attempts import TooManyAttempts
from secondlook.errors import NotSignedIn, RequestInvalid, SecondlookError
from secondlook.execution.runner import Runner
from secondlook.services import Services
from secondlook.telemetry.log import log_failed
from secondlook.views.palette import colors
from secondlook.web import cookies
from secondlook.web.problems import STATUS

_FOLDER = Path(__file__).with_name("templates")
_templates = Jinja2Templates(_FOLDER)

PASSWORD_PAGE = "/auth/new-password"  # noqa: S105 -- an address


Page = Callable[[Request], Awaitable[Response]]


class SignIn:
    """The routes under /auth.

    Args:
        services: The process's services.
        runner: Its runner, which resumes runs that waited for a person.
    """

    def __init__(self, services: Callable[[], Services], runner: Callable[[], Runner]) -> None:
        self._services = services
        self._runner = runner

    def mount(self) -> Mount:
        """The routes; a mount, so that nothing under /auth is left to the pages behind."""
        return Mount(
            "/auth",
            routes=[
                Route("/sign-in", self._guarded(self.sign_in), methods=["GET", "POST"]),
                Route("/sign-out", self._guarded(self.sign_out), methods=["GET", "POST"]),
                Route("/forgot", self._guarded(self.forgot), methods=["GET", "POST"]),
                Route("/new-password", self._guarded(self.new_password), methods=["GET", "POST"]),
                Route("/link.js", _link_script, methods=["GET"]),
            ],
        )

    def _guarded(self, page: Page) -> Page:
        """Only where people sign in, and where the settings can be used."""

        async def guarded(request: Request) -> Response:
            try:
                if not self._services().requires_sign_in:
                    return RedirectResponse("/", 303)
            except SecondlookError as error:
                return _refused(request, "sign_in", error)
            return await page(request)

        return guarded

    async def sign_in(self, request: Request) -> Response:
        """The form, and what it sends."""
        to = _own_path(request.query_params.get("next"))
        if request.method != "POST":
            return _page(request, "sign_in", next=to, changed="changed" in request.query_params)
        form = await request.form()
        email, password = _field(form.get("email")), _field(form.get("password"))
        to = _own_path(_field(form.get("next")))
        try:
            session_id = await run_in_threadpool(self._begin, email, password, request)
        except SecondlookError as error:
            return _refused(request, "sign_in", error, next=to, email=email)
        response = RedirectResponse(to, 303)
        cookies.give(response, request, session_id)
        return response

    def _begin(self, email: str, password: str, request: Request) -> str:
        services, address = self._services(), _address(request)
        if not email or not password:
            raise NotSignedIn("E-mail address and password are both needed", hint="")
        services.attempts.count("sign-in", email, address)
        grant = services.sessions.accounts.sign_in(email, password)
        services.attempts.forget("sign-in", email, address)
        before = cookies.session_id(request)
        if before:
            services.sessions.drop(before)
        return self._admit(grant)

    def _admit(self, grant: Grant) -> str:
        services = self._services()
        # Before anything is shown: what one person could see of others, anybody could.
        services.row_security.verify(grant.person.user_id, grant.access_token)
        session_id = services.sessions.begin(grant)
        signed_in = services.sessions.find(session_id)
        if signed_in is not None:
            self._runner().admit(signed_in.access)
        return session_id

    async def sign_out(self, request: Request) -> Response:
        """End the session; a link elsewhere only leads to the question."""
        from_here = request.method == "GET" and request.headers.get("sec-fetch-site") == "same-origin"
        if request.method != "POST" and not from_here:
            return _page(request, "sign_out")
        response = RedirectResponse("/auth/sign-in", 303)
        session_id = cookies.session_id(request)
        if session_id:
            try:
                await run_in_threadpool(lambda: self._services().sessions.end(session_id))
            except SecondlookError as error:
                return _refused(request, "sign_out", error)
        cookies.take(response, request)
        return response

    async def forgot(self, request: Request) -> Response:
        """The form that has a mail sent. Its answer never says whether there is such an account."""
        if request.method != "POST":
            return _page(request, "forgot", sent=False)
        email = _field((await request.form()).get("email"))
        base = self._services().settings.public_url or f"{request.url.scheme}://{request.url.netloc}"
        try:
            await run_in_threadpool(self._send_mail, email, f"{base.rstrip('/')}{PASSWORD_PAGE}", request)
        except SecondlookError as error:
            return _refused(request, "forgot", error, email=email)
        return _page(request, "forgot", sent=True)

    def _send_mail(self, email: str, redirect_to: str, request: Request) -> None:
        if not email:
            raise NotSignedIn("The e-mail address is needed", hint="")
        services = self._services()
        services.attempts.count("mail", email, _address(request))
        try:
            services.sessions.accounts.send_reset(email, redirect_to)
        except NotSignedIn as error:
            log_failed("password mail", error.code)  # whatever Supabase says of this address stays here

    async def new_password(self, request: Request) -> Response:
        """The page that the mail's link leads to.

        The link brings tokens in its fragment, which a script puts into the form, or a `token_hash`.
        """
        if request.method != "POST":
            query = request.query_params
            return _page(
                request,
                "new_password",
                token_hash=query.get("token_hash", ""),
                error="error" in query or "error_code" in query,
            )
        form = {name: _field(value) for name, value in (await request.form()).items()}
        try:
            await run_in_threadpool(self._set_password, form, _address(request))
        except RequestInvalid as error:
            # The token of the link is used up by now, those that it gave are not.
            return _refused(request, "new_password", error, **_tokens(form))
        except SecondlookError as error:
            return _refused(request, "forgot", error)
        return RedirectResponse("/auth/sign-in?changed", 303)

    def _set_password(self, form: dict[str, str], address: str) -> None:
        sessions = self._services().sessions
        self._services().attempts.count(
            "password", form.get("token_hash") or form.get("access_token", ""), address
        )
        accounts = sessions.accounts
        if form.get("password", "") != form.get("again", ""):
            raise RequestInvalid("The two passwords differ", reason="password", hint="Type both again.")
        if form.get("token_hash"):
            grant = accounts.redeem(form.pop("token_hash"))
            form |= {"access_token": grant.access_token, "refresh_token": grant.refresh_token}
        if not form.get("access_token"):
            raise NotSignedIn("The link is not complete", hint="Have another mail sent.")
        tokens = form["access_token"], form.get("refresh_token", "")
        person = accounts.set_password(*tokens, form.get("password", ""))
        sessions.forget(person.user_id)  # whoever knew the old password is signed out as well


def _tokens(form: dict[str, str]) -> dict[str, str]:
    return {name: form.get(name, "") for name in ("token_hash", "access_token", "refresh_token")}


def _page(request: Request, name: str, status: int = 200, **context: object) -> Response:
    context |= {"light": colors("light"), "dark": colors("dark")}
    response = _templates.TemplateResponse(request, f"{name}.html", context, status_code=status)
    response.headers["Cache-Control"] = "no-store"
    return response


def _refused(request: Request, name: str, error: SecondlookError, **context: object) -> Response:
    status = 429 if isinstance(error, TooManyAttempts) else STATUS.get(error.code, 500)
    response = _page(request, name, status, problem=error, **context)
    if isinstance(error, TooManyAttempts):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


async def _link_script(_request: Request) -> Response:
    return FileResponse(_FOLDER / "link.js", media_type="text/javascript")


def _field(value: object) -> str:
    return value if isinstance(value, str) else ""


def _address(request: Request) -> str:
    """Where a request comes from; of an IPv6 address the network, since one machine has many."""
    host = request.client.host if request.client is not None else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return host if address.version == 4 else str(ip_network((address, 64), strict=False))


def _own_path(path: str | None) -> str:
    """A path of this site; anything else leads home."""
    parts = urlsplit((path or "/").replace("\\", "/"))
    own = not parts.scheme and not parts.netloc and parts.path.startswith("/") and path is not None
    own = own and not parts.path.startswith("/auth/")  # a link must not sign anybody out
    return path if own and path and path.isprintable() and not path.startswith("//") else "/"
