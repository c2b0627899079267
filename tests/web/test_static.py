"""The pages' own files: compressed, kept by browsers, and nothing else."""

from __future__ import annotations

import gzip
import re
from collections.abc import Generator, Mapping
from pathlib import Path

import pytest
import streamlit

from secondlook.web.static import accepts
from tests.processes import ROOT
from tests.web.serving import Raw, Served, serving

FOLDER = Path(streamlit.__file__).parent / "static"
PAGE = (FOLDER / "index.html").read_bytes()
SCRIPT = f"/static/js/{next((FOLDER / 'static' / 'js').glob('index.*.js')).name}"
STYLE = f"/static/css/{next((FOLDER / 'static' / 'css').glob('index.*.css')).name}"
FONT = f"/static/media/{next((FOLDER / 'static' / 'media').glob('*.woff2')).name}"
TINY = next(path for path in (FOLDER / "static" / "js").iterdir() if path.stat().st_size < 200)
FOREVER = "public, max-age=31536000, immutable"

WAYS = {
    "serve": (),
    "uvicorn": ("-m", "uvicorn", "app:app", "--app-dir", str(ROOT), "--port", "{port}"),
    "streamlit run": ("-m", "streamlit", "run", str(ROOT / "app.py"), "--server.port", "{port}"),
}


@pytest.fixture(scope="module", params=WAYS)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """The dashboard on the embedded store, started in each way."""
    with serving(tmp_path_factory.mktemp("static"), {}, arguments=WAYS[request.param]) as started:
        yield started


def get(served: Served, path: str, *, method: str = "GET", **headers: str) -> Raw:
    """An answer to a browser that takes gzip, unless it says something else."""
    return served.raw(path, method=method, **{"Accept_Encoding": "gzip, deflate, br, zstd", **headers})


def content(path: str) -> bytes:
    """What a path stands for on the disk."""
    return (FOLDER / path.removeprefix("/")).read_bytes()


@pytest.mark.parametrize(
    ("path", "kind"),
    [(SCRIPT, "text/javascript; charset=utf-8"), (STYLE, "text/css; charset=utf-8")],
    ids=["script", "style"],
)
def test_a_file_is_compressed_and_kept(served: Served, path: str, kind: str) -> None:
    """Its name holds its hash: it is asked for once, in fewer bytes, and is the same file."""
    answer = get(served, path)
    assert answer.status == 200
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"] == kind
    assert answer.headers["cache-control"] == FOREVER
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert int(answer.headers["content-length"]) == len(answer.body) < len(content(path)) / 2
    assert gzip.decompress(answer.body) == content(path)


@pytest.mark.parametrize(
    "headers", [{"Accept_Encoding": "identity"}, {"Accept_Encoding": "br"}, {"Accept_Encoding": "gzip;q=0"}]
)
def test_whoever_takes_no_gzip_gets_none(served: Served, headers: Mapping[str, str]) -> None:
    """It is the file itself, with a tag of its own; caches are told what the difference is."""
    plain, small = get(served, SCRIPT, **headers), get(served, SCRIPT)
    assert plain.body == content(SCRIPT)
    assert "content-encoding" not in plain.headers
    assert plain.headers["vary"] == "Accept-Encoding"
    assert plain.headers["etag"] != small.headers["etag"]


@pytest.mark.parametrize("path", [FONT, f"/static/js/{TINY.name}"], ids=["font", "tiny"])
def test_what_would_not_shrink_is_sent_as_it_is(served: Served, path: str) -> None:
    """Fonts are compressed by themselves, and some scripts are a line."""
    answer = get(served, path)
    assert (answer.status, answer.body) == (200, content(path))
    assert "content-encoding" not in answer.headers
    assert answer.headers["cache-control"] == FOREVER


@pytest.mark.parametrize("path", ["/", "/runs", "/usage?by=model"])
def test_the_page_is_asked_for_each_time(served: Served, path: str) -> None:
    """It names the files: one that is kept too long would name files of another version."""
    answer = get(served, path, Accept="text/html")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert gzip.decompress(answer.body) == PAGE
    again = get(served, path, Accept="text/html", If_None_Match=answer.headers["etag"])
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize("path", ["/", SCRIPT, STYLE, FONT], ids=["page", "script", "style", "font"])
def test_head_is_get_without_the_body(served: Served, path: str) -> None:
    """With the same headers, the length included."""
    got, head = get(served, path), get(served, path, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert {**head.headers, "date": ""} == {**got.headers, "date": ""}


@pytest.mark.parametrize(
    ("known", "status"),
    [
        ("{tag}", 304),
        ("W/{tag}", 304),
        ('"another", {tag}', 304),
        ("*", 304),
        ('"another"', 200),
        ("{other}", 200),
        ("", 200),
    ],
)
def test_what_a_browser_has_is_not_sent_again(served: Served, known: str, status: int) -> None:
    """By the tag of the encoding that it would get."""
    tag, other = (
        get(served, SCRIPT).headers["etag"],
        get(served, SCRIPT, Accept_Encoding="br").headers["etag"],
    )
    answer = get(served, SCRIPT, If_None_Match=known.format(tag=tag, other=other))
    assert answer.status == status
    if status == 304:
        assert answer.body == b""
        assert {answer.headers[name] for name in ("etag", "cache-control", "vary")} == {
            tag,
            FOREVER,
            "Accept-Encoding",
        }


@pytest.mark.parametrize(
    "path",
    [
        *("/static/../../streamlit/__init__.py", "/static/%2e%2e/%2e%2e/__init__.py"),
        *("/static/..%2f..%2f__init__.py", "/static/js/..%5c..%5c__init__.py", "//etc/passwd"),
        *("/static//etc/passwd", "/static/js/%00", "/index.html/../../__init__.py"),
    ],
)
def test_no_path_leads_elsewhere(served: Served, path: str) -> None:
    """It is refused, or is the page, or nothing."""
    answer = get(served, path, Accept_Encoding="identity")
    assert answer.status in {400, 404} or answer.body == PAGE
    assert b"import" not in answer.body or answer.body == PAGE
    assert b"root:" not in answer.body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_is_written(served: Served, method: str) -> None:
    """Files are read, and that is all."""
    assert get(served, SCRIPT, method=method).status == 405


def test_every_file_that_the_page_names(served: Served) -> None:
    """Each of them is found, and kept."""
    named = re.findall(rb'(?:src|href)="\./(static/[^"]+)"', PAGE)
    assert len(named) > 20
    for path in named:
        answer = get(served, f"/{path.decode()}")
        assert (answer.status, answer.headers["cache-control"]) == (200, FOREVER)


@pytest.mark.parametrize("path", [SCRIPT, FONT, "/", "/runs"], ids=["script", "font", "root", "page"])
def test_nobody_gets_one_around_the_gate(door: Served, path: str) -> None:
    """Where people sign in, they do so first."""
    assert get(door, path).status == 401
    assert get(door, path, Accept="text/html").status == 303


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("br, gzip", True),
        ("gzip;q=0.1", True),
        ("gzip ; q=1.0", True),
        ("*", True),
        ("br;q=1, *;q=0.5", True),
        ("", False),
        ("identity", False),
        ("br", False),
        ("x-gzip-not", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000, *", False),
        ("*;q=0", False),
        ("gzip;q=much", False),
        ("gzip;q=nan", False),
        (";;,,=", False),
    ],
)
def test_who_takes_gzip(header: str, taken: bool) -> None:
    """As RFC 9110 reads the header."""
    assert accepts([header], "gzip") is taken
