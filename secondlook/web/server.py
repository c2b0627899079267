"""Starts the front door: uvicorn with uvloop on `app:app`."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from secondlook.connections.supabase import UNREACHABLE
from secondlook.errors import SettingInvalid, StoreUnavailable
from secondlook.services import connect
from secondlook.settings import forget_secret_key
from secondlook.telemetry.log import log_failed

ROOT = Path(__file__).resolve().parents[2]


def serve(host: str, port: int) -> int:
    """Serve the dashboard until interrupted.

    Raises:
        SecondlookError: A setting, the store or the ledger is not usable; better said here than on a page.
    """
    services = connect(for_pages=True)
    forget_secret_key()
    try:
        services.ping_store()
    except StoreUnavailable as error:
        if error.reason != UNREACHABLE:
            raise
        log_failed("start", error.code)  # a project that is down for a moment: the pages and /readyz say so
    services.ledger.ping()
    _ = services.webhook
    if services.dispatcher is not None:
        _ = services.jobs  # makes the queue's tables, and its imports before the first press
    if not (ROOT / "app.py").is_file():
        raise SettingInvalid(f"app.py is not in {ROOT}", hint="Start from a checkout of the repository.")

    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingInvalid(
                f"{host}:{port} cannot be listened on: {error.strerror}", hint="Choose another --port."
            ) from None

    import uvicorn

    print(f"2ndlook is on http://{'localhost' if host == '127.0.0.1' else host}:{port}", file=sys.stderr)  # noqa: T201 -- what a person who starts a server looks for
    uvicorn.run(
        "app:app",
        app_dir=str(ROOT),
        host=host,
        port=port,
        log_level="warning",
        ws_per_message_deflate=False,  # as in Streamlit's own server: a page is some 50 small messages
        access_log=False,  # addresses hold what people searched for
        timeout_graceful_shutdown=5,
    )
    return 0
