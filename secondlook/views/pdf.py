"""A page → PDF, printed by the Chromium that is installed here."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from secondlook.errors import SettingInvalid

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
_PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
)
_SECONDS = 60


def print_pdf(html: str, to: Path) -> None:
    """Print a self-contained page to a file.

    Args:
        html: The page.
        to: The file, which is replaced.

    Raises:
        SettingInvalid: There is no Chromium here, it did not print, or the file cannot be written.
    """
    browser = find_browser()
    if browser is None:
        raise SettingInvalid(
            "No Chromium or Chrome was found on this machine",
            hint="Install Chromium, or run the command without --pdf, open the page, and print it to PDF.",
        )
    with tempfile.TemporaryDirectory() as folder:
        page, printed = Path(folder) / "report.html", Path(folder) / "report.pdf"
        page.write_text(html, encoding="utf-8")
        _run(browser, Path(folder) / "profile", page, printed)
        if not printed.exists():
            raise SettingInvalid(
                f"{browser} did not print the report",
                hint="Run the command without --pdf, open the page, and print it to PDF.",
            )
        try:
            shutil.copyfile(printed, to)
        except OSError as error:
            raise SettingInvalid(f"{to} cannot be written: {error.strerror}") from None


def find_browser() -> str | None:
    """The path of the Chromium that is installed here; None where there is none."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    return found or next((place for place in _PLACES if Path(place).is_file()), None)


def _run(browser: str, profile: Path, page: Path, printed: Path) -> None:
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    command = [
        browser,
        "--headless=new",
        "--disable-gpu",
        *(["--no-sandbox"] if root else []),  # as root it does not start otherwise; the page is our own
        f"--user-data-dir={profile}",
        "--no-pdf-header-footer",
        f"--print-to-pdf={printed}",
        page.as_uri(),
    ]
    try:
        subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)  # noqa: S603 -- no shell, our own arguments
    except (OSError, subprocess.TimeoutExpired):
        return  # what is missing then is the file
