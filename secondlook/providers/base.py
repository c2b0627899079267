"""The interface of a provider: it answers questions, and knows its protocol, errors, models and prices.

A run stores its provider's name. Nothing outside this package knows a provider's protocol or says its name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, TypeAlias

from secondlook.domain.answers import AgentAnswer, Completion
from secondlook.domain.questions import Question
from secondlook.domain.usage import Terms, Usage
from secondlook.errors import AnswerRejected, SecondlookError
from secondlook.providers import prices
from secondlook.settings import Settings

Json: TypeAlias = dict[str, Any]

Journal = Callable[[AgentAnswer], None]
"""Keeps an answer durably."""

Answerer = Callable[[str], tuple[Json, Usage]]
"""Returns the right answer to a prompt with its estimated usage, as a model should."""

Answerers = Mapping[str, Answerer]
"""Answerers by the name of the schema that is asked for; each task gives its own."""

_STANDARD = Terms()


@dataclass(frozen=True)
class Finding:
    """One result of `check`: whether it passed, and what it found."""

    name: str
    ok: bool
    detail: str


class Provider(ABC):
    """One provider with its settings. It opens no connection before `open` or `ask`.

    Attributes:
        name: Stored with every run.
        label: What people read.
        local: Whether this process answers itself: nothing is sent or paid, and usage is estimated.

    Args:
        settings: The settings.
        answerers: For providers that answer by themselves.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    local: ClassVar[bool] = False

    def __init__(self, settings: Settings, answerers: Answerers | None = None) -> None:
        self.settings = settings
        self.answerers: Answerers = answerers or {}

    # -- what it needs and which model it asks ------------------------------------------------------

    def missing(self) -> SecondlookError | None:
        """The error that says which setting this provider lacks; None where all are set."""
        return None

    @property
    @abstractmethod
    def model(self) -> str:
        """The model that new runs ask."""

    def notice(self) -> str | None:
        """A notice about the model: that it ends, or was replaced."""
        return None

    @abstractmethod
    def check(self) -> list[Finding]:
        """Check server and model without a paid request: `agent`, `model`, perhaps `schema`."""

    # -- one call -----------------------------------------------------------------------------------

    @abstractmethod
    def build_request(self, question: Question) -> Json:
        """The body of the request; equal questions give byte-identical ones."""

    def open(self) -> None:  # noqa: B027 -- most have nothing to do
        """Open the client.

        Raises:
            SettingInvalid: The settings do not make a client.
        """

    @abstractmethod
    def ask(self, request: Mapping[str, object], journal: Journal) -> None:
        """Send one request and journal its answer.

        Args:
            request: The body, as `build_request` made it.
            journal: Called once with a whole answer, even after the deadline; its exceptions propagate.

        Raises:
            ProviderError: There is no answer; `outcome` says whether the request may have been processed.
        """

    @classmethod
    @abstractmethod
    def read(cls, body: str) -> Completion:
        """The parsed body of an answer. It never raises; `problem` says what is wrong."""

    @classmethod  # noqa: B027 -- most know nothing
    def advise(cls, error: AnswerRejected, completion: Completion, request: Mapping[str, object]) -> None:
        """Add to a rejected answer's hint what to change, where that is known."""

    def close(self) -> None:  # noqa: B027 -- as above
        """Close the connections."""

    # -- money --------------------------------------------------------------------------------------

    @property
    def price_list(self) -> str | None:
        """The id of its price list; None where no price is known."""
        return None

    def cost_usd(self, usage: Usage, model: str, terms: Terms = _STANDARD) -> Decimal | None:
        """US dollars that tokens of a model cost; None where the price or the tokens are unknown."""
        return None if self.price_list is None else prices.cost_usd(usage, model, self.price_list, terms)

    def forecast_usd(self, usage: Usage, model: str) -> Decimal | None:
        """About what a request will cost, on the terms that it asks for; None where that is unknown."""
        return self.cost_usd(usage, model)

    @abstractmethod
    def ceiling(self, request: Mapping[str, object], prompt_tokens: int) -> Decimal | None:
        """The most US dollars that a request may cost; None where that is unknown."""
