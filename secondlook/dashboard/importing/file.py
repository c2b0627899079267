"""The file, and which of its columns is which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.uploaded_file_manager import UploadedFile

from secondlook.dashboard.parts import arrow
from secondlook.dashboard.parts.problems import escape, show_error
from secondlook.domain.access import Access
from secondlook.errors import ImportRefused
from secondlook.importing.estimates import DateOrder, Options, Reading
from secondlook.importing.read import read_file
from secondlook.services import Services
from secondlook.views.export import to_csv_file

ROLES = {
    "estimate_id": "Estimate number",
    "created_at": "Created",
    "closed_at": "Closed",
    "amount": "Amount",
    "status": "Status",
    "job_type": "Kind of work",
}
OPTIONAL = frozenset(("estimate_id", "job_type"))
UPLOADS = "uploads"
"""How many files have been stored: each gets an uploader of its own, which starts out empty."""

_NONE = "\0"  # no header is this
_DATES: dict[DateOrder, str] = {
    "mdy": "month first: March 4",
    "dmy": "day first: April 3",
    "ymd": "year first",
}
_QUESTIONS = {
    "dates": "Dates can be read with the day or the month first. Say above which comes first.",
    "decimal": "Amounts can be read with a decimal point or a decimal comma. Say above which it is.",
    "status": "Choose the column for: Status. Or say above that every row counts.",
    "close_dates": "Choose the column for: Closed, the day of the decision. Without it there is no latency, "
    "and only the weeks of the one date can be counted.",
}
_ZONES = (
    "UTC",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "Pacific/Honolulu",
)
_READ = "read"
_FIRST_ROWS = 6
_MEGABYTES = 200


def show_file(services: Services, access: Access) -> Reading | None:
    """Draw the place for a file and its columns; None until a file can be read."""
    where = "your Supabase project" if services.requires_sign_in else "the database on this machine"
    st.markdown(
        "Drop an export of your estimates. You see what becomes of each row before anything is stored. "
        f"Rows go into {where} and nowhere else: not to the agent, not into the ledger, not into a log."
    )
    uploaded = st.file_uploader(
        f"File of estimates, CSV or XLSX, up to {_MEGABYTES} MB",
        type=["csv", "tsv", "txt", "xlsx"],
        key=f"file-{access.user_id}-{st.session_state.get(UPLOADS, 0)}",
        max_upload_size=_MEGABYTES,
    )
    if uploaded is None:
        st.download_button(
            "Download a file to start from",
            _template(),
            file_name="estimates.csv",
            mime="text/csv",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
        )
        return None
    options = _options(uploaded)
    try:
        reading = _read(uploaded, options)
    except ImportRefused as error:
        show_error(error)
        return None
    with st.expander("Columns", expanded=True):
        _show_columns(uploaded.file_id, reading)
        _show_ways(uploaded.file_id, reading)
    for question in reading.questions:
        st.warning(_ask(question.about), icon=":material/help:")
    _show_first_rows(reading)
    return reading


def name_of(reading: Reading) -> str:
    """What a file calls its source."""
    return reading.sources[0].name if reading.sources else ""


def _read(uploaded: UploadedFile, options: Options) -> Reading:
    """Read the file, once for each way to read it."""
    key = (uploaded.file_id, repr(options))
    kept: tuple[object, Reading] | None = st.session_state.get(_READ)
    if kept is not None and kept[0] == key:
        return kept[1]
    with st.spinner("Reading the file"):
        reading = read_file(uploaded.getvalue(), options)
    st.session_state[_READ] = key, reading
    return reading


def _options(uploaded: UploadedFile) -> Options:
    """How to read the file, as far as a person has said so."""
    file_id = uploaded.file_id
    chosen = {role: st.session_state.get(f"{role}-{file_id}") for role in ROLES}
    counted: list[str] = st.session_state.get(f"decided-{file_id}", [])
    others: list[str] = st.session_state.get(f"undecided-{file_id}", [])
    return Options(
        name=PurePath(uploaded.name).stem[:120],
        columns={role: name.removeprefix(_NONE) for role, name in chosen.items() if isinstance(name, str)},
        dates=st.session_state.get(f"dates-{file_id}"),
        decimal=st.session_state.get(f"decimal-{file_id}"),
        zone=st.session_state.get(f"zone-{file_id}") or "UTC",
        decided=frozenset(counted),
        undecided=frozenset(others),
        all_decided=bool(st.session_state.get(f"all-{file_id}")),
        one_date=bool(st.session_state.get(f"one-{file_id}")),
    )


def _show_columns(file_id: str, reading: Reading) -> None:
    for start in (0, 3):
        places = st.columns(3)
        for place, role in zip(places, list(ROLES)[start : start + 3], strict=True):
            options = [*reading.headers, _NONE]
            column = reading.columns.get(role, _NONE if role in OPTIONAL else None)
            place.selectbox(
                ROLES[role],
                options,
                index=options.index(column) if column in options else None,
                key=f"{role}-{file_id}",
                placeholder="Choose a column",
                format_func=_header,
            )


def _ask(about: str) -> str:
    """What a person must say first, in the words of this page."""
    return _QUESTIONS.get(about) or f"Choose the column for: {ROLES.get(about, about)}."


def _header(name: str) -> str:
    return "none" if name == _NONE else name[:80] or "(no name)"


def _show_ways(file_id: str, reading: Reading) -> None:
    """Draw what else a person can say; what the file needs is asked for by its questions."""
    dates, decimal, zone = st.columns(3)
    dates.selectbox(
        "Dates like 3/4/2026",
        list(_DATES),
        index=None,
        key=f"dates-{file_id}",
        placeholder="As found",
        format_func=_DATES.__getitem__,
    )
    decimal.selectbox(
        "Decimal mark", [".", ","], index=None, key=f"decimal-{file_id}", placeholder="As found"
    )
    zone.selectbox("Time zone of dates without one", _ZONES, key=f"zone-{file_id}")
    about = {question.about for question in reading.questions}
    asked = [f"{key}-{file_id}" for key in ("decided", "undecided")]
    statuses = [*reading.unknown_statuses, *(each for key in asked for each in st.session_state.get(key, []))]
    if statuses:
        counts, others = st.columns(2)
        options = list(dict.fromkeys(statuses))
        counts.multiselect("Statuses that count", options, key=asked[0])
        others.multiselect("Statuses that do not count", options, key=asked[1])
    if "status" in about or st.session_state.get(f"all-{file_id}"):
        st.checkbox("Every row counts: the file has no statuses", key=f"all-{file_id}")
    if {"closed_at", "close_dates"} & about or st.session_state.get(f"one-{file_id}"):
        st.checkbox("The file has one date only: count weeks, and no latency", key=f"one-{file_id}")


def _show_first_rows(reading: Reading) -> None:
    if reading.first_rows:
        roles = [role for role in ROLES if role in reading.columns]
        left, right = st.columns([2, 3])
        first = reading.first_rows[:_FIRST_ROWS]
        names = {role: ROLES[role] for role in roles}
        _show_rows(left, "First rows in the file", names, [row.written for row in first])
        _show_rows(right, "As read", {"": "Result", **names}, [{**row.read, "": row.fate} for row in first])
    for note in reading.notes:
        st.caption(escape(f"{note.text}: {note.count:,} lines" if note.count else note.text))


def _show_rows(
    place: DeltaGenerator, title: str, names: Mapping[str, str], rows: Sequence[Mapping[str, str]]
) -> None:
    place.markdown(f"**{title}**")
    place.dataframe(  # pyright: ignore[reportUnknownMemberType] -- pyarrow has no types
        arrow.of_columns({name: [row.get(role, "")[:200] for row in rows] for role, name in names.items()}),
        hide_index=True,
        alt=title,
    )


def _template() -> bytes:
    rows = [
        ("Q-1001", "2026-03-02", "2026-03-04", "480.00", "accepted", "Gutter cleaning"),
        ("Q-1002", "2026-03-03", "2026-03-19", "12400.00", "accepted", "Roof replacement"),
        ("Q-1003", "2026-03-05", "2026-03-06", "950.00", "declined", "Roof repair"),
    ]
    return to_csv_file(list(ROLES), [dict(zip(ROLES, row, strict=True)) for row in rows])
