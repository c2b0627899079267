"""The table of all providers."""

from __future__ import annotations

from collections.abc import Mapping

from secondlook.errors import SettingInvalid
from secondlook.providers.base import Provider
from secondlook.providers.offline import Offline
from secondlook.providers.openai.protocol import Azure, Compatible, OpenAI
from secondlook.providers.rehearsal import Rehearsal

PROVIDERS: Mapping[str, type[Provider]] = {
    provider.name: provider for provider in (OpenAI, Azure, Compatible, Offline, Rehearsal)
}
"""Every provider by its name."""

LOCAL = tuple(name for name, provider in PROVIDERS.items() if provider.local)
"""The names of those that send nothing and cost nothing."""

DEFAULT = OpenAI.name
"""The provider that SECONDLOOK_AGENT=auto selects where a key is set."""


def find_provider(name: str) -> type[Provider]:
    """The provider of that name.

    Raises:
        SettingInvalid: There is none, because a later version wrote the run.
    """
    if name not in PROVIDERS:
        raise SettingInvalid(
            f"The run is for a provider that this version does not know: {name}",
            hint="Open the ledger with the version that queued the run, or a later one.",
        )
    return PROVIDERS[name]


def is_local(name: str) -> bool:
    """Whether a run's provider sent nothing and cost nothing."""
    return name in LOCAL


def label_of(name: str) -> str:
    """What people read for a run's provider."""
    return PROVIDERS[name].label if name in PROVIDERS else name
