"""The theme's colors, for what is drawn without Streamlit: read where they are set, written nowhere else."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Literal

Scheme = Literal["light", "dark"]

_CONFIG = "dashboard/.streamlit/config.toml"


@cache
def colors(scheme: Scheme) -> Mapping[str, str]:
    """The colors of a scheme, by their names in the theme, such as `primaryColor`."""
    return MappingProxyType({name: value for name, value in _theme(scheme).items() if isinstance(value, str)})


@cache
def series(scheme: Scheme) -> tuple[str, ...]:
    """The colors of charts, in their order."""
    return tuple(_theme(scheme)["chartCategoricalColors"])


@cache
def _theme(scheme: Scheme) -> Mapping[str, str | list[str]]:
    text = resources.files("secondlook").joinpath(_CONFIG).read_text(encoding="utf-8")
    return tomllib.loads(text)["theme"][scheme]
