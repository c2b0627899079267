"""Words that are true of a fact, put together so that they say something that is not."""

from __future__ import annotations

import re

from secondlook.tasks.insights.fact import Fact
from secondlook.tasks.insights.parsing import Mark, Slot, Term, Token
from secondlook.tasks.insights.reading import Sentence, claims_any, in_group

_BE = r"(?:is|are|was|were|be|been|have|has|had)"
_DECIDED = r"(?:decided|get_decided|gets_decided)"
_SIZES = r"(?:larger|smaller|higher|lower|stronger|weaker|busier|quieter)"
_EVENLY = r"(?:similar|consistent|even|stable|steady)"
_BEGINS = r"(?:^|[,;:] |and |while |but )(?:the )?"
_PUT = r"(?:(?:priced|decided|closed) )?(?:(?:at|in|for) )?(?:the )?"
_TIMES = r"decision_times?|latency|decision_latency|decisions|times?"
_LIKELY = r"(?:likely|probably|plausibly|somewhere)"

_REFUSED: tuple[str, ...] = (
    # The sum of four weeks is no weekly volume.
    r"weekly(?!_average)[^,;]* recent_volume\.|weekly(?!_average)[^;]*, recent_volume\.",
    r"recent_volume\.[^;]* weekly( |$)",
    # Estimates are more or fewer, not larger; growth itself does not grow.
    rf"\b(estimates|ones) ({_BE} |grow |grew |growing )*({_SIZES}|{_EVENLY}|shrinks?|shrank|shrinking)( |$)",
    rf"\b(stronger|weaker|smaller|higher|lower|{_EVENLY}) (recent |latest )?(estimates|ones)( |$)",
    r"\b(estimates|ones) (grow|grows|grew|growing) ",
    r"\brecent_volume\.\w+ slow ",
    r"\b(estimates|ones) (remain|remains|remained|stay|stays|stayed)( |$)",
    r"\bmore (of|in)( |$)|weeks (are|were) more|\bof them up( |$)|\bclosed than( |$)|\bor recent_volume\.",
    r"\b(even with|in_line_with|similar_to|about_the_same_as) (the )?recent_volume\.recent",
    r"\bwhen (they|it|recent_volume\.\w+) ",
    r"\b(mak|made|account|represent|compris|form)\w* (the )?(volume|activity|demand|sample)( |$)",
    rf"\b(source|sample|data|snapshot) {_BE} ({_EVENLY}|up|down|rising|falling|clear)( |$)",
    rf"\b(price|prices|pricing|estimates|decisions) {_BE} clear( |$)",
    # A clear lead is no clear majority.
    r"\bclear(ly)? .*\b(majority|most|most_of|bulk|half)( |$)",
    r"\b(majority|most|most_of|bulk|half) .*\bclear(ly)?( |$)",
    # All are decided: the question is when.
    rf"(^| ){_DECIDED}( [,;:]| and|$)",
    r"\b(estimates|ones|them) (wait|waits|waited)( [,;:]| and|$)",
    r"(^|(?<!quick)(?<!fast)(?<!slow)(?<!slowest) )decisions? (is|are|was|were) (rare|uncommon|common)( |$)",
    r"^(?!.*\b(decisions?|quick_answers?)( |$)).*\b(come|comes|came|coming)(_in)? (quickly|fast|slowly)",
    r"\b(quick|fast|slow) to (come|arrive)",
    r"\b(slowest|longest) (decision|wait|time|estimate|decision_time)( |$)",
    r"\blong(est)? (estimates?|ones)( |$)",
    rf"\b(estimates|ones) {_BE} long(est)?( [,;:]|$)",
    r"(^| )an? \S+ (estimate|decision) (makes_up|made_up|accounts_for|accounted_for|represents|represented)",
    r"\b(mostly|usually|commonly|generally|often|mainly|largely) \S+\.(share|count)",
    r"\b(estimates|decisions|ones|volume) there_(is|are|was|were)",
    r"^(within|in)_a_week(_or_less)? , \S+ \w+ (was|were) (closed|made)( |$)|long_time (is|was)( |$)",
    r"(^| )priced( [,;:]| and|$)",
    r"\brecent_volume\.\w+ estimates (are|were) up( [,;:]|$)|\b(estimates|ones) (stand|stood)_out( |$)",
    r"\bdecision_speed (is|leads?|led)( |$)|\bband (is|was) in( |$)|\brare ones( |$)",
    r"\b(median|typical) (price|estimate|decision) spreads?( |$)",
    # A share is of all estimates.
    r"\b(and|while|but|whereas|or) \S+\.(share|count) of (them|which|that)( |$)",
    r"\b(and|while|but|whereas|or) \S+\.(share|count) of (these|those)(?! (sample|volume)\.)",
    r"(\.share|share|part|portion|proportion|percentage) of (the |all )?prices?( |$)",
    r"\bprice_range (is|was) largest",
    r"(?<!led )by \S+_(leader|median)\.band",
    rf"{_BEGINS}(estimates|decisions|prices) (are|were|take|took|wait) {_PUT}\S+_leader\.band",
    # An interval is of the share alone.
    rf"\b{_LIKELY}(?! between| from| {_LIKELY}| (lie|lies|sit|sits|is|are) (somewhere )?(between|from))",
    r"\btrue share .*\.share",
    # Weeks and their average.
    r"^(?=.*\beach_week( |$))(?!.*(?<!\.)averag).*volume\.average",
    r"^(?!.*(weekly|_week( |$)|average_week)).*volume\.average",
    r"volume\.average.* recent_volume\.|recent_volume\..* volume\.average",
    r"\bor volume\.weeks",
    r"\b(in|over|during|of|on|at) the week( [,;:]| and|$)",
    r"^(?!.*volume\.estimates).*\bclos\w+ \w+ volume\.weeks",
    r"\bcloses? .*volume\.weeks|\btime (is|was) volume\.|\b(reach\w*|arrives? in) volume\.weeks",
    r"volume\.weeks weeks (arriv|come|came)",
    r"\bor over( |$)|\b(over|at) (the )?(weekly_)?average( |$)",
    r"(?<!\.)\baverage estimates?( |$)",
    r"\b(at|in) (a |the )?time( |$)",
    r"^(?!busiest_week\.count).*(_|\b)in busiest_week\.week alone|\balone \S+ estimates",
    r"^peaks |\bpeaks? weekly|busiest_week\.count estimates weekly",
    # Weeks are quiet, and nothing else is.
    r"\b(sample|source|data|volume|snapshot|demand|activity|estimates) (is|are|was|were) (quiet|empty)",
    r"quiet_weeks\.weeks weeks without",
    r"^(the )?weeks (is|are|was|were) (quiet|empty)|\b(quiet|empty) (volume|activity|time|period|with)( |$)",
    r"\bfew (estimates|ones)( |$)",
    r"\bquiet_weeks\..*\btogether|\btogether .*quiet_weeks\.",
    r"\b(the|these|those) quiet_weeks\.count weeks",
    # Shares of bands move, not prices or times.
    r"^(?!.*(\b(number|count) of (the )?estimates|estimate_count)( |$)).*since_previous\.estimates",
    r"\b(go|goes|went|gone|going)(?! from| to| by)( |$)",
    rf"\b(prices?|pricing|waits?|{_TIMES}) (chang|shift|mov|go|went)\w* (most )?(by|in|,)",
    r"_most .*since_previous\.estimates",
    r"\black\w* (a |the )?(volume|time|activity|demand)( |$)",
    r"coverage\..*\bweekly( |$)",
    # The sample is small, and confidence is in it.
    r"\b(small|limited) (estimates?|ones|source)( |$)",
    rf"\b(estimates|ones|source|volume|confidence) {_BE} (small|limited)( |$)",
    r"\bsample\.confidence (confidence )?that|\b(estimates|source) (have|has|had) (the )?sample\.confidence",
    r"^(?!.*(?<!\.)confidence).*\blevel( |$)",
    # A tie is between so many.
    r"\bshare_the_lead with \S+ (estimates )?(?!estimates|each)(?=of|$|,)",
    r"\bshare_the_lead with \S+ estimates(?! each)",
)
"""What a sentence may not say, its phrases joined by underscores and its placeholders without braces."""

_PATTERN = re.compile("|".join(f"(?:{each})" for each in _REFUSED))


def means_one_thing(sentence: Sentence) -> bool:
    """Whether its words, together, have no second meaning that is false."""
    return _PATTERN.search(_written(sentence.tokens)) is None and all(check(sentence) for check in _CHECKS)


def _written(tokens: list[Token]) -> str:
    written = [
        f"{token.fact}.{token.name}" if isinstance(token, Slot) else token.text.replace(" ", "_")
        for token in tokens
    ]
    return " ".join(each for each in written if each not in {".", "(", ")"})


def _facts(sentence: Sentence) -> set[str]:
    return {slot.fact for slot in sentence.slots}


def _words(sentence: Sentence) -> set[str]:
    return {token.text for token in sentence.tokens if isinstance(token, (Term, Mark))}


def _keeps_order(sentence: Sentence) -> bool:
    """Only the recent weeks come after anything; "all of this" is the sample."""
    words, facts = _words(sentence), _facts(sentence)
    return ("then" not in words or facts == {"recent_volume"}) and (
        "all of this" not in words or facts == {"sample"}
    )


def _counts_the_tied(sentence: Sentence) -> bool:
    """A tie of bands says of how many, and a share of one of the tied says "each"."""
    tied = any(claims_any(token, {"tied"}) for token in sentence.tokens)
    for fact in ("price_leader", "decision_leader", "busiest_week"):
        slots = {slot.name for slot in sentence.slots if slot.fact == fact}
        several = (sentence.given[fact].values.get("ties") or 1) != 1 if slots else False
        if tied and several and slots and "ties" not in slots:
            return False
        if {"ties", "share"} <= slots and "each" not in _words(sentence):
            return False
    return True


_GATHERED = re.compile(r"(cluster|concentrat|center)")


def _gathers(sentence: Sentence) -> bool:
    """Estimates cluster where more than half are, or where the sentence says how many."""
    if not any(_GATHERED.match(word) for word in _words(sentence)):
        return True
    bands = [slot for slot in sentence.slots if slot.name == "band"]
    return all(
        float(sentence.given[slot.fact].values.get("share") or 0) > 1 / 2
        or {Slot(slot.fact, "share"), Slot(slot.fact, "count")} & set(sentence.slots)
        for slot in bands
    )


_LARGEST = {"largest change", "biggest change", "largest shift", "biggest shift"} | {
    "moved most", "changed most", "shifted most",
}  # fmt: skip


def _moved_most(sentence: Sentence) -> bool:
    """The largest change is that of the band that moved most, of prices and decisions together."""
    if not (_words(sentence) & _LARGEST and in_group(sentence.tokens, "the previous snapshot")):
        return True
    fact = sentence.given.get("since_previous")
    moved = {name: _points(fact, name) for name in ("price", "latency")}
    named = {name for name in moved if Slot("since_previous", f"{name}_band") in sentence.slots}
    return len(named) <= 1 and all(moved[name] == max(moved.values()) for name in named)


def _points(fact: Fact | None, name: str) -> float:
    return 0.0 if fact is None else abs(float(fact.values.get(f"{name}_points") or 0))


_CHECKS = (_keeps_order, _counts_the_tied, _gathers, _moved_most)
