"""A rehearsal: a run like any other, but that its agent is told how to misbehave."""

from __future__ import annotations

from secondlook.domain.access import Access
from secondlook.domain.identifiers import canonical, new_run_id
from secondlook.domain.runs import Run
from secondlook.errors import RequestInvalid
from secondlook.pipeline.orchestrator import prepare
from secondlook.providers.rehearsal import KINDS
from secondlook.services import Services


def rehearse(services: Services, access: Access, source_id: str, model: str) -> Run:
    """Queue a rehearsal of a source; whoever carries runs carries it. Nothing is sent.

    Args:
        services: The parts to work with.
        access: Who asks, and whose source it must be.
        source_id: The source's UUID; one that has a snapshot may be rehearsed too.
        model: Which kind, by its model's name.

    Raises:
        SecondlookError: There are no rehearsals here, there is no such kind, or the source is refused or has
            a run that is not settled.
    """
    services.refuse_rehearsal()
    kind = KINDS.get(model)
    if kind is None:
        raise RequestInvalid("There is no such rehearsal", hint="Choose one of those on the page.")
    source_id = canonical(source_id)
    latest = services.ledger.latest(access.user_id, source_id)
    if latest is not None and not latest.status.final:
        raise _unsettled()
    plan = prepare(
        source_id,
        access.user_id,
        regenerate=True,
        store=services.store(access),
        settings=services.settings.model_copy(update={"model": model}),
        agent=services.agent_name,
    )
    if len(plan.agent_input.demand.weekly_volume) < kind.weeks:
        raise RequestInvalid(
            f"This rehearsal takes a source with {kind.weeks} weeks", hint="Choose another source."
        )
    number = 1 if latest is None else latest.number + 1
    run = services.ledger.submit(new_run_id(), plan, number=number)
    if run.model != model:
        raise _unsettled()  # somebody else was first: theirs is no rehearsal
    return run


def _unsettled() -> RequestInvalid:
    return RequestInvalid(
        "The source has a run that goes on or is in doubt: a rehearsal would have to wait for it",
        hint="Wait for it, or settle it on the page Sources; or choose another source.",
    )
