"""What a provider is: who answers questions, and how its protocol, errors, models and prices are handled.

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
from secondlook.domain.usage import Usage
from secondlook.errors import AnswerRejected, SecondlookError
from secondlook.providers import prices
from secondlook.settings import Settings

Json: TypeAlias = dict[str, Any]

Journal = Callable[[AgentAnswer], None]
"""Keeps an answer durably."""

Answerer = Callable[[str], tuple[Json, Usage]]
"""Gives the right answer to a prompt, and about what it takes: what a model should do."""

Answerers = Mapping[str, Answerer]
"""Answerers by the name of the schema that is asked for; each task gives its own."""


@dataclass(frozen=True)
class Finding:
    """One thing that `check` looked at: whether it is as it must be, and what was found."""

    name: str
    ok: bool
    detail: str


class Provider(ABC):
    """One provider, as the settings mean it. It opens no connection before `open` or `ask`.

    Attributes:
        name: Stored with every run.
        label: What people read.
        local: Whether this process answers by itself: nothing is sent or paid, and usage is estimated.

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
        """What the settings lack for a request to this provider; None where they have it all."""
        return None

    @property
    @abstractmethod
    def model(self) -> str:
        """The model that new runs ask."""

    def notice(self) -> str | None:
        """What people should know of the model: that it ends, or has been replaced."""
        return None

    @abstractmethod
    def check(self) -> list[Finding]:
        """What can be found out for free of server and model: `agent`, `model`, perhaps `schema`."""

    # -- one call -----------------------------------------------------------------------------------

    @abstractmethod
    def build_request(self, question: Question) -> Json:
        """The body of the request; equal questions give byte-identical ones."""

    def open(self) -> None:  # noqa: B027 -- most have nothing to do
        """Make ready to send.

        Raises:
            SettingInvalid: No client can be made of the settings.
        """

    @abstractmethod
    def ask(self, request: Mapping[str, object], journal: Journal) -> None:
        """Send one request and journal its answer.

        Args:
            request: The body, as `build_request` made it.
            journal: Called once with a whole answer, also where it comes after the deadline; its exceptions
                come back from here.

        Raises:
            ProviderError: There is no answer; its `outcome` says what became of the request.
        """

    @classmethod
    @abstractmethod
    def read(cls, body: str) -> Completion:
        """What the body of an answer holds. Never raises: what is odd about it is its `problem`."""

    @classmethod  # noqa: B027 -- most know nothing
    def advise(cls, error: AnswerRejected, completion: Completion, request: Mapping[str, object]) -> None:
        """Name in a rejected answer's hint what to change, where that is known."""

    def close(self) -> None:  # noqa: B027 -- as above
        """Close the connections."""

    # -- money --------------------------------------------------------------------------------------

    @property
    def price_list(self) -> str | None:
        """Which list of prices holds for it; None where no price is known."""
        return None

    def cost_usd(self, usage: Usage, model: str) -> Decimal | None:
        """US dollars that tokens of a model cost; None where the price or the tokens are unknown."""
        return None if self.price_list is None else prices.cost_usd(usage, model, self.price_list)

    @abstractmethod
    def ceiling(self, request: Mapping[str, object], prompt_tokens: int) -> Decimal | None:
        """US dollars that a request may cost at the most; None where that is unknown."""
