"""A browser's session with a Streamlit server, without the browser: its WebSocket, its messages, its clicks.

It does what the front end does as far as the server can tell. With each click it sends the state of all
widgets, the query and the fragment that was clicked in; it keeps large messages and says which, and runs
fragments again as often as they ask for it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

_KEPT_RUNS = 2
"""For how many runs the front end says that it has a message which has not come again."""

_OLDEST = 10
"""For how many it is kept: an answer to what was said before may still be on its way."""

_PATIENCE = 20
"""Seconds after which a person clicks again.

Streamlit loses the rest of a run where a fragment of the page asks for its own just as the run has ended: the
messages that wait for the event loop are then another runner's.
"""

_TRIES = 6

_EARLY = ForwardMsg.ScriptFinishedStatus.FINISHED_EARLY_FOR_RERUN
_BROKEN = ForwardMsg.ScriptFinishedStatus.FINISHED_WITH_COMPILE_ERROR

Click = Callable[["Session", int], None]
"""Sets what a click changes on a page that has run; the number of the click lets it change it back."""


class Session:
    """One tab.

    Args:
        socket: Its connection.
        page: The page's name in the address.
        query: The query in the address.
    """

    def __init__(self, socket: ClientConnection, page: str, query: str) -> None:
        self._socket = socket
        self._page = page
        self._query = query
        self._hash = ""
        self._widgets: dict[tuple[str, str], Any] = {}
        self._values: dict[str, tuple[str, Any]] = {}
        self._kept: dict[str, tuple[ForwardMsg, int]] = {}
        self._runs = 0
        self._finished = asyncio.Event()
        self._fragment_of: dict[str, str] = {}
        self._clicked = ""
        self._fragments: dict[str, asyncio.Task[None]] = {}
        self.texts: list[str] = []
        """Titles, headings and texts of the page as it stands."""
        self.errors: list[str] = []
        """Exceptions that were drawn."""
        self.lost = 0
        """Clicks that were made again."""

    # -- what a person does -----------------------------------------------------------------------------

    def press(self, label: str) -> None:
        """Press a button with the next run."""
        self._set(self._widget("button", label), ("trigger_value", True))

    def switch(self, label: str, on: bool) -> None:
        """Set a switch with the next run."""
        self._set(self._widget("checkbox", label), ("bool_value", on))

    def unfold(self, label: str, on: bool) -> None:
        """Open or close what folds with the next run."""
        self._set(self._widget("expandable", label), ("bool_value", on))

    def choose(self, label: str, number: int) -> None:
        """Choose an option, by its number, with the next run."""
        kind = "radio" if ("radio", label) in self._widgets else "selectbox"
        widget = self._widget(kind, label)
        self._set(widget, ("string_value", widget.options[number]))

    def tick(self, *rows: int) -> None:
        """Choose these rows of the first table with the next run."""
        state = {"selection": {"rows": list(rows), "columns": [], "cells": []}}
        self._set(self._widget("dataframe", ""), ("string_value", json.dumps(state)))

    def label(self, kind: str, beginning: str) -> str:
        """The whole label of what begins like this; some hold a figure."""
        for found, label in self._widgets:
            if found == kind and label.startswith(beginning):
                return label
        raise LookupError(f"/{self._page} has no {kind} {beginning!r}, but {self._known()}")

    async def run(self) -> float:
        """Have the page run with what was clicked; the milliseconds until it has.

        Raises:
            RuntimeError: It drew an exception or did not end, or the connection was closed.
        """
        self._finished.clear()
        began = time.perf_counter()
        for _ in range(_TRIES):
            await self._send(self._clicked)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._finished.wait(), _PATIENCE)
                break
            self.lost += 1
        else:
            raise RuntimeError(f"/{self._page}?{self._query} does not run")
        taken = (time.perf_counter() - began) * 1000
        if self.errors:
            raise RuntimeError(f"/{self._page}?{self._query}: {self.errors[0]}")
        self._values = {id_: each for id_, each in self._values.items() if each[0] != "trigger_value"}
        self._clicked = ""
        return taken

    # -- what the front end does --------------------------------------------------------------------------

    async def listen(self) -> None:
        """Read what the server sends, until the connection is closed."""
        try:
            async for frame in self._socket:
                message = ForwardMsg.FromString(frame if isinstance(frame, bytes) else frame.encode())
                if message.WhichOneof("type") == "ref_hash":
                    kept = self._kept[message.ref_hash][0]
                    self._kept[message.ref_hash] = (kept, self._runs)
                    message = kept
                elif message.metadata.cacheable:
                    self._kept[message.hash] = (message, self._runs)
                self._take(message)
            self.errors.append("the connection was closed")
        except (ConnectionClosed, LookupError, ValueError) as error:
            self.errors.append(f"the connection ended: {error!r}")
        self._finished.set()

    def _take(self, message: ForwardMsg) -> None:
        match message.WhichOneof("type"):
            case "new_session" if message.metadata.run.fragment_ids:
                anew = set(message.metadata.run.fragment_ids)
                self._widgets = {
                    name: widget
                    for name, widget in self._widgets.items()
                    if self._fragment_of[widget.id] not in anew
                }
            case "new_session":
                self._hash = message.new_session.page_script_hash
                self._widgets, self._fragment_of, self.texts, self.errors = {}, {}, [], []
            case "navigation":
                self._hash = message.navigation.page_script_hash
            case "page_info_changed":
                self._query = message.page_info_changed.query_string
            case "delta":
                self._draw(message.delta)
            case "auto_rerun":
                self._repeat(message.auto_rerun.fragment_id, message.auto_rerun.interval)
            case "stop_auto_rerun":
                for fragment in message.stop_auto_rerun.fragment_ids:
                    self._stop(fragment)
            case "script_finished" if self._is_waited_for(message):
                self._finish(message.script_finished)
            case _:
                pass

    def _draw(self, delta: Any) -> None:  # noqa: ANN401 -- a protobuf message
        holder = delta.add_block if delta.WhichOneof("type") == "add_block" else delta.new_element
        kind = holder.WhichOneof("type")
        if kind is None:
            return
        drawn = getattr(holder, kind)
        if kind == "exception":
            self.errors.append(f"{drawn.type}: {drawn.message}")
        elif kind in {"heading", "text", "markdown"}:
            self.texts.append(drawn.body)
        elif getattr(drawn, "id", ""):
            self._widgets.setdefault((kind, getattr(drawn, "label", "")), drawn)
            self._fragment_of[drawn.id] = delta.fragment_id

    def _set(self, widget: Any, value: tuple[str, Any]) -> None:  # noqa: ANN401 -- a protobuf message
        """Set a widget's value; with the next run only the fragment runs that it stands in."""
        self._values[widget.id] = value
        self._clicked = self._fragment_of[widget.id]

    def _is_waited_for(self, message: ForwardMsg) -> bool:
        """Whether this ends what was clicked; the end of a fragment that repeats itself does not."""
        ended = message.metadata.run.fragment_ids
        return not ended or self._clicked in ended

    def _finish(self, status: int) -> None:
        if status == _BROKEN:
            self.errors.append("the script does not compile")
        if status != _EARLY:  # then it runs again
            self._runs += 1
            there = {widget.id for widget in self._widgets.values()}
            self._values = {id_: each for id_, each in self._values.items() if id_ in there}
            self._kept = {hash_: each for hash_, each in self._kept.items() if self._is_newer(each, _OLDEST)}
            self._finished.set()

    def _is_newer(self, kept: tuple[ForwardMsg, int], runs: int) -> bool:
        return self._runs - kept[1] <= runs

    def _repeat(self, fragment: str, seconds: float) -> None:
        async def again() -> None:
            while True:
                await asyncio.sleep(seconds)
                await self._send(fragment, repeats=True)

        self._stop(fragment)
        self._fragments[fragment] = asyncio.create_task(again())

    def _stop(self, fragment: str) -> None:
        task = self._fragments.pop(fragment, None)
        if task is not None:
            task.cancel()

    def leave(self) -> None:
        """Repeat nothing any more."""
        for fragment in list(self._fragments):
            self._stop(fragment)

    async def _send(self, fragment: str, *, repeats: bool = False) -> None:
        message = BackMsg()
        state = message.rerun_script
        state.query_string = self._query
        state.page_script_hash = self._hash
        state.page_name = "" if self._hash else self._page
        state.fragment_id = fragment
        state.is_auto_rerun = repeats
        kept = (hash_ for hash_, each in self._kept.items() if self._is_newer(each, _KEPT_RUNS))
        state.cached_message_hashes.extend(kept)
        for id_, (kind, value) in self._values.items():
            if repeats and kind == "trigger_value":
                continue
            widget = state.widget_states.widgets.add()
            widget.id = id_
            setattr(widget, kind, value)
        with suppress(ConnectionClosed):  # whoever listens says so
            await self._socket.send(message.SerializeToString())

    def _widget(self, kind: str, label: str) -> Any:  # noqa: ANN401 -- a protobuf message
        for (found, its_label), widget in self._widgets.items():
            if found == kind and (its_label == label or not label):
                return widget
        raise LookupError(f"/{self._page} has no {kind} {label!r}, but {self._known()}")

    def _known(self) -> str:
        return ", ".join(sorted(f"{found} {label!r}" for found, label in self._widgets))


@asynccontextmanager
async def session(url: str, page: str = "", query: str = "") -> AsyncGenerator[Session]:
    """Open a page as a new tab does, and wait until it has run.

    Args:
        url: The server's address.
        page: The page's name in the address.
        query: The query in the address.
    """
    address = url.replace("http", "ws", 1) + "/_stcore/stream"
    subprotocols: Any = ["streamlit"]
    async with connect(address, origin=url, subprotocols=subprotocols, max_size=None, proxy=None) as socket:  # pyright: ignore[reportArgumentType] -- a NewType of str
        opened = Session(socket, page, query)
        listening = asyncio.create_task(opened.listen())
        try:
            await opened.run()
            yield opened
        finally:
            opened.leave()
            listening.cancel()
