"""Steps 1 to 5 of a run, and the only way to queue one: verify, load, count, confidence, input, ledger.

Single runs, rehearsals and the runs of a batch all pass here. What is refused here leaves no run, and nothing
is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from secondlook.domain.buckets import AgentInput
from secondlook.domain.identifiers import canonical, new_run_id
from secondlook.domain.money import nano
from secondlook.domain.runs import INSIGHTS, SNAPSHOT, Plan, Run, RunStatus
from secondlook.domain.sources import SourceRecord
from secondlook.errors import BucketsMissing, RequestInvalid, SecondlookError, SettingInvalid, SourceNotFound
from secondlook.ledger.batches import Batches
from secondlook.ledger.budgets import Allowance, Budgets
from secondlook.ledger.runs import Ledger
from secondlook.pipeline.answers import question_of
from secondlook.pipeline.insights import find_answered, plan_insights, read_snapshot
from secondlook.pipeline.preview import preview
from secondlook.providers.base import Provider
from secondlook.providers.rehearsal import KINDS
from secondlook.settings import Settings
from secondlook.stores.base import Store
from secondlook.tasks.base import Tasks, find_task
from secondlook.tasks.table import TASKS
from secondlook.telemetry.step import step


@dataclass(frozen=True)
class Door:
    """Where runs are queued.

    Args:
        settings: The settings of new runs.
        agent: Gives the provider that a new run asks; raises `ApiKeyMissing` where there is none.
        rehearsing: Gives the provider of a rehearsal, by its model's name.
        provider: Gives a provider by its name.
        ledger: Where runs are queued.
        batches: Where batches are.
        budgets: What may be spent.
    """

    settings: Settings
    agent: Callable[[], Provider]
    rehearsing: Callable[[str], Provider]
    provider: Callable[[str], Provider]
    ledger: Ledger
    batches: Batches
    budgets: Budgets

    def submit(
        self,
        source_id: str,
        user_id: str,
        store: Callable[[], Store],
        *,
        regenerate: bool = False,
        key: str | None = None,
        rehearsal: str | None = None,
    ) -> Run:
        """Check a source and queue a run of it, or join its active one. Nothing is sent yet.

        Args:
            source_id: The source's UUID.
            user_id: Its owner's UUID.
            store: Opens the store as this user may see it.
            regenerate: Whether a source that has a snapshot may be run.
            key: An Idempotency-Key: the same one gives the same run again, whatever became of it.
            rehearsal: The model's name of a rehearsal, which joins no run and may run any source.

        Raises:
            SecondlookError: The source is refused; there is no run.
        """
        if rehearsal is not None and rehearsal not in KINDS:
            raise RequestInvalid("There is no such rehearsal", hint="Choose one of those on the page.")
        source_id = canonical(source_id)
        if rehearsal is not None and KINDS[rehearsal].task == INSIGHTS:
            snapshot_id = _newest_snapshot(store(), source_id, user_id)
            return self.explain(snapshot_id, user_id, store, rehearsal=rehearsal)
        asked = f"{source_id} {regenerate}"

        def submit() -> Run:
            return self._queue_or_join(
                source_id,
                user_id,
                store,
                regenerate=regenerate or rehearsal is not None,
                key=key,
                asked=asked,
                rehearsal=rehearsal,
            )

        return self._once(user_id, key, asked, submit)

    def explain(
        self,
        snapshot_id: str,
        user_id: str,
        store: Callable[[], Store],
        *,
        regenerate: bool = False,
        key: str | None = None,
        rehearsal: str | None = None,
    ) -> Run:
        """Queue a run that asks for the insights of a stored snapshot, or return the one that is there.

        A snapshot has at most one answered call for each version of the prompt, unless it is regenerated.

        Args:
            snapshot_id: The snapshot's UUID.
            user_id: Its owner's UUID.
            store: Opens the store as this user may see it.
            regenerate: Whether to ask again where there is an answer.
            key: An Idempotency-Key: the same one gives the same run again, whatever became of it.
            rehearsal: The model's name of a rehearsal, which joins no run.

        Raises:
            SecondlookError: There is no such snapshot, or nothing may be sent; there is no run.
        """
        asked = f"insights {canonical(snapshot_id, 'snapshot_id')} {regenerate}"

        def explain() -> Run:
            return self._explain_or_join(
                snapshot_id,
                user_id,
                store,
                regenerate=regenerate,
                key=key,
                asked=asked,
                rehearsal=rehearsal,
            )

        return self._once(user_id, key, asked, explain)

    def open_batch(self, user_id: str, *, concurrency: int, per_minute: float | None = None) -> str:
        """Make a batch without runs yet, and return its id.

        Args:
            user_id: Whose batch it is.
            concurrency: The most runs at the same time.
            per_minute: The most runs started per minute.

        Raises:
            ApiKeyMissing: There is no agent that its runs could ask.
        """
        self.agent()
        return self.batches.open(user_id, concurrency=concurrency, per_minute=per_minute)

    def plans(
        self,
        records: Iterable[SourceRecord],
        *,
        regenerate: bool,
        task: str = SNAPSHOT,
        refused: Callable[[SecondlookError], None] = lambda _: None,
    ) -> Iterator[Plan]:
        """The plan of each source that may be run; `refused` is called with the error of each other one."""
        provider = self.agent()
        for record in records:
            try:
                plan = plan_of(
                    record,
                    regenerate=regenerate,
                    settings=self.settings,
                    agent=lambda: provider,
                    task=task,
                )
            except SecondlookError as error:
                refused(error)
            else:
                yield plan

    def insight_plans(
        self,
        records: Iterable[SourceRecord],
        store: Store,
        *,
        refused: Callable[[SecondlookError], None] = lambda _: None,
    ) -> Iterator[Plan]:
        """The plan that asks for the insights of each source's newest snapshot, where they are not there yet.

        `refused` is called with the error of each other source.
        """
        provider = self.agent()
        for record in records:
            source = record.source
            try:
                snapshot = read_snapshot(
                    store, _newest_snapshot(store, source.source_id, source.user_id), source.user_id
                )
                runs = self.ledger.about(source.user_id, source.source_id, INSIGHTS, snapshot.snapshot_id)
                if find_answered(runs) is not None:
                    raise RequestInvalid(
                        "The insights of this snapshot are there", hint="Regenerate them one by one."
                    )
                plan = plan_insights(store, snapshot, lambda: provider)
            except SecondlookError as error:
                refused(error)
            else:
                yield plan

    def allowance(self, user_id: str, calls: int, cost_usd: Decimal | None) -> Allowance:
        """How many of these calls the budgets would allow now, and why not all.

        Args:
            user_id: Whose calls they are.
            calls: How many they are.
            cost_usd: US dollars that each of them costs at the most; None where that is unknown.
        """
        return self.budgets.allows(user_id, calls, nano(cost_usd))

    def _once(self, user_id: str, key: str | None, asked: str, queue: Callable[[], Run]) -> Run:
        """The run that the key names, or else the one that is queued or joined now."""
        named = self._named(user_id, key, asked)
        if named is not None:
            return named
        run = queue()
        return self._named(user_id, key, asked) or run  # another request may have taken the key

    def _named(self, user_id: str, key: str | None, asked: str) -> Run | None:
        """The run that a key names."""
        submitted = None if key is None else self.ledger.submitted(user_id, key)
        if submitted is None:
            return None
        run_id, fingerprint = submitted
        if fingerprint != asked:
            raise RequestInvalid("The Idempotency-Key was used for another request", reason="idempotency_key")
        return self.ledger.get(run_id, user_id)

    def _explain_or_join(
        self,
        snapshot_id: str,
        user_id: str,
        store: Callable[[], Store],
        *,
        regenerate: bool,
        key: str | None,
        asked: str,
        rehearsal: str | None,
    ) -> Run:
        opened = store()
        snapshot = read_snapshot(opened, snapshot_id, user_id)
        runs = self.ledger.about(user_id, snapshot.source_id, INSIGHTS, snapshot.snapshot_id)
        latest = runs[0] if runs else None
        joined = latest if latest is not None and latest.status.active else None
        if joined is None and not regenerate and rehearsal is None:
            joined = find_answered(runs)
        if joined is not None and rehearsal is None:
            check_store(joined, self.ledger.store)
            if key is not None:
                self.ledger.name(joined, key, asked)
            return joined
        if rehearsal is not None and latest is not None and not latest.status.final:
            raise _has_open_run()
        plan = plan_insights(
            opened, snapshot, self.agent if rehearsal is None else lambda: self.rehearsing(rehearsal)
        )
        return self._queue(plan, latest, key=key, asked=asked, rehearsal=rehearsal)

    def _queue_or_join(
        self,
        source_id: str,
        user_id: str,
        store: Callable[[], Store],
        *,
        regenerate: bool,
        key: str | None,
        asked: str,
        rehearsal: str | None,
    ) -> Run:
        # Looked up before the source is read: a run that is queued in between is joined. One whose outcome
        # is unknown keeps its number taken: it is refused, or joined where it was resolved meanwhile.
        latest = self.ledger.latest(user_id, source_id)
        if rehearsal is not None and latest is not None and not latest.status.final:
            raise _has_open_run()
        if latest is not None and latest.status.active:
            check_store(latest, self.ledger.store)
            if key is not None:
                self.ledger.name(latest, key, asked)
            return latest
        plan = prepare(
            source_id,
            user_id,
            regenerate=regenerate,
            store=store(),
            settings=self.settings,
            agent=self.agent if rehearsal is None else lambda: self.rehearsing(rehearsal),
        )
        if rehearsal is not None:
            _check_rehearsal(plan)
        return self._queue(plan, latest, key=key, asked=asked, rehearsal=rehearsal)

    def _queue(
        self, plan: Plan, latest: Run | None, *, key: str | None, asked: str, rehearsal: str | None
    ) -> Run:
        """Queue a run that the budgets hold, or join one that was queued meanwhile."""
        refusal = self.allowance(plan.user_id, 1, ceiling_of(plan, self.provider(plan.agent))).refusal
        if refusal is not None:
            raise refusal
        number = 1 if latest is None else latest.number + (latest.status is not RunStatus.IN_DOUBT)
        run = self.ledger.submit(new_run_id(), plan, number=number, key=key, fingerprint=asked)
        if rehearsal is not None and (run.agent, run.model) != (plan.agent, plan.model):
            raise _has_open_run()  # another request was first, and its run is not a rehearsal
        return run


def prepare(
    source_id: str,
    user_id: str,
    *,
    regenerate: bool,
    store: Store,
    settings: Settings,
    agent: Callable[[], Provider],
) -> Plan:
    """Steps 1 to 5: verify the source, load buckets and count, determine confidence, build the input.

    Raises:
        SecondlookError: The first rule that the source breaks; last of all, a missing key.
    """
    timings: dict[str, float] = {}
    with step("load", timings):
        record = store.load(canonical(source_id), canonical(user_id))
    if record is None:
        raise SourceNotFound
    with step("check", timings):
        plan = plan_of(record, regenerate=regenerate, settings=settings, agent=agent)
    return plan.model_copy(update={"timings": timings})


def plan_of(
    record: SourceRecord,
    *,
    regenerate: bool,
    settings: Settings,
    agent: Callable[[], Provider],
    task: str = SNAPSHOT,
) -> Plan:
    """Steps 2 to 5 of a source that was loaded.

    Args:
        record: The source.
        regenerate: Whether a source that has a snapshot may be run.
        settings: What the run is to be like.
        agent: Gives the provider that it asks.
        task: What is asked: a snapshot, or a trial of one.

    Raises:
        SecondlookError: The first rule that the source breaks; last of all, a missing key.
    """
    checked = preview(record, max_tokens=settings.max_tokens, regenerate=regenerate)
    if checked.refusal is not None or checked.agent_input is None:
        raise checked.refusal or BucketsMissing
    provider, asked = agent(), find_task(TASKS, task)
    return Plan(
        task=asked.name,
        source_id=record.source.source_id,
        user_id=record.source.user_id,
        agent=provider.name,
        model=provider.model,
        prompt_version=asked.prompt_version,
        input=checked.agent_input.model_dump_json(),
        request=provider.build_request(asked.question(checked.agent_input)),
        warnings=checked.warnings,
        timings={},
    )


def ceiling_of(run: Plan, provider: Provider, tasks: Tasks = TASKS) -> Decimal | None:
    """US dollars that a call may cost at the most."""
    return provider.ceiling(run.request, question_of(run, tasks).prompt_tokens)


def check_store(run: Run, store: str) -> None:
    """Check that a run belongs to the store that this process uses.

    Raises:
        SettingInvalid: It belongs to another one.
    """
    if run.store != store:
        raise SettingInvalid(
            f"The run belongs to the store {run.store}, and the settings mean {store}",
            hint="Set SUPABASE_URL as it was, or cancel the run.",
        )


def _newest_snapshot(store: Store, source_id: str, user_id: str) -> str:
    rows = store.list_snapshots(user_id, source_id=source_id, limit=1).rows
    if not rows:
        raise RequestInvalid("The source has no snapshot", hint="Generate one, or choose another source.")
    return rows[0].snapshot_id


def _check_rehearsal(plan: Plan) -> None:
    weeks = KINDS[plan.model].weeks
    if len(AgentInput.model_validate_json(plan.input).demand.weekly_volume) < weeks:
        raise RequestInvalid(
            f"This rehearsal takes a source with {weeks} weeks", hint="Choose another source."
        )


def _has_open_run() -> RequestInvalid:
    return RequestInvalid(
        "The source has an open run, or one whose outcome is unknown: a rehearsal would have to wait for it",
        hint="Wait for it, or resolve it on the page Sources; or choose another source.",
    )
