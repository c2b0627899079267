"""The recent weeks and the weeks before are not mixed up."""

from __future__ import annotations

from dataclasses import dataclass, field

from secondlook.tasks.insights.parsing import (
    Item,
    Mark,
    Slot,
    Term,
)
from secondlook.tasks.insights.reading import CONTRASTS, CUTS, EARLIER, MOVES, RECENT, Sentence, claims_any


@dataclass
class _Stretch:
    """Words between two marks or contrasts: each names one of the two times."""

    opened: str
    items: list[Item] = field(default_factory=list[Item])

    def names(self, group: str) -> bool:
        """Whether a word of the group is in it."""
        return any(
            sense.group == group for item in self.items if isinstance(item, Term) for sense in item.senses
        )

    @property
    def moves(self) -> bool:
        """Whether it says that something rises or falls."""
        return any(claims_any(item, MOVES) for item in self.items)

    @property
    def leads_on(self) -> bool:
        """Whether it only says when, for what follows."""
        return not any(isinstance(item, Slot) or item.only("verb") for item in self.items)


def _stretches(sentence: Sentence) -> list[_Stretch]:
    found = [_Stretch("")]
    for token in sentence.tokens:
        if isinstance(token, Mark) or (isinstance(token, Term) and token.text in CUTS):
            last = found[-1]
            if isinstance(token, Mark) and token.text == "," and last.items and last.leads_on:
                continue  # "In recent weeks, …"
            found.append(_Stretch(token.text))
        else:
            found[-1].items.append(token)
    return [each for each in found if each.items]


def keeps_times_apart(sentence: Sentence) -> bool:
    """The value of the recent weeks stands with words for them, or none; so does that of the weeks before."""
    stretches = _stretches(sentence)
    for place, each in enumerate(stretches):
        if each.names(EARLIER) and not each.names(RECENT) and each.opened not in CONTRASTS and each.moves:
            return False
        names = {item.name for item in each.items if isinstance(item, Slot) and item.fact == "recent_volume"}
        recent, earlier = each.names(RECENT), each.names(EARLIER)
        if "recent" in names:
            before = stretches[place - 1] if place else None
            taken = not recent and before is not None and before.names(EARLIER) and not before.names(RECENT)
            if earlier or taken or each.opened in CONTRASTS or "before" in names:
                return False
        if "before" in names and (recent or not (earlier or each.opened in CONTRASTS)):
            return False
    return True
