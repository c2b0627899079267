"""What can go wrong, grouped by who must act.

    SecondlookError
    ├── the user
    │   ├── SourceNotFound          source_not_found
    │   ├── SourceNotBucketed       source_not_bucketed
    │   ├── BucketsMissing          buckets_missing
    │   ├── BucketsInvalid          buckets_invalid
    │   ├── NotEnoughEstimates      not_enough_estimates
    │   ├── SourceInUse             source_in_use
    │   ├── ImportRefused           import_refused
    │   ├── InDoubt                 in_doubt
    │   ├── OverBudget              over_budget
    │   ├── NotSignedIn             not_signed_in
    │   └── RequestInvalid          request_invalid
    ├── the provider
    │   ├── ProviderError           provider_error
    │   └── AnswerRejected          answer_rejected
    └── the operator
        ├── ApiKeyMissing           api_key_missing
        ├── SettingInvalid          setting_invalid
        ├── StoreUnavailable        store_unavailable
        └── LedgerUnavailable       ledger_unavailable

A message holds no bucket's content beyond sums, no prompt, answer or key: messages end up in logs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from secondlook.domain.usage import Usage

Outcome = Literal["not_processed", "refused", "unknown"]
"""The outcome of a request without an answer: certainly not processed, refused by an HTTP status, or unknown
(it may have been answered and billed)."""


class SecondlookError(Exception):
    """Base of every error that this package raises.

    Attributes:
        code: Stable, for programs.
        message: One sentence for people, without any bucket's content.
        hint: What to do about it.
        run_id: The run it happened in; None where it was refused before the agent was called.
        usage: The tokens of the rejected answer, where there was one.
    """

    code: ClassVar[str] = "error"
    default_hint: ClassVar[str] = ""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        run_id: str | None = None,
        reason: str | None = None,
        path: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hint
        self.run_id = run_id
        self.reason = reason
        self.path = path
        self.usage: Usage | None = None


class SourceNotFound(SecondlookError):
    """No such source, or another user's: which of the two is never said."""

    code = "source_not_found"
    default_hint = "Check the source's id and the user; `secondlook sources` lists what can be used."

    def __init__(self, message: str = "Invalid source_id: not found", **extra: str | None) -> None:
        super().__init__(message, **extra)


class SourceNotBucketed(SecondlookError):
    """The source's status does not allow a snapshot."""

    code = "source_not_bucketed"
    default_hint = "Bucket the source first, then generate its snapshot."


class BucketsMissing(SecondlookError):
    """The source owns no buckets row."""

    code = "buckets_missing"
    default_hint = "Run the bucketing of this source; its estimate_buckets row is missing."

    def __init__(self, message: str = "No buckets found for source: missing", **extra: str | None) -> None:
        super().__init__(message, **extra)


class BucketsInvalid(SecondlookError):
    """A buckets row breaks a rule; the message names the column."""

    code = "buckets_invalid"
    default_hint = "Run the bucketing of this source again; nothing was sent to the agent."


class NotEnoughEstimates(SecondlookError):
    """Fewer estimates than a snapshot needs."""

    code = "not_enough_estimates"
    default_hint = "Upload more estimates, bucket the source again, then generate its snapshot."


class SourceInUse(SecondlookError):
    """A run or an import of the source has not ended."""

    code = "source_in_use"
    default_hint = "Wait until it has ended, then try again."


class ImportRefused(SecondlookError):
    """A file of estimates cannot be imported as it is."""

    code = "import_refused"
    default_hint = "Correct the file, or say how to read it. Nothing was stored."


class InDoubt(SecondlookError):
    """A request was sent and its outcome is unknown; only a person may send it again."""

    code = "in_doubt"
    default_hint = (
        "A late answer still resolves the run while the process that sent it is running. `secondlook resend "
        "RUN_ID` retries it, and you may be charged twice; `secondlook cancel RUN_ID` cancels it."
    )


class OverBudget(SecondlookError):
    """The call would exceed a budget."""

    code = "over_budget"
    default_hint = "Wait for the next period or raise the budget."


class NotSignedIn(SecondlookError):
    """Nobody is signed in."""

    code = "not_signed_in"
    default_hint = "Sign in, then try again."


class RequestInvalid(SecondlookError):
    """A request to the HTTP API is not what its description says."""

    code = "request_invalid"
    default_hint = "/api/openapi.json describes every request."


class ProviderError(SecondlookError):
    """The provider answered with an HTTP error, or could not be reached.

    Attributes:
        outcome: The outcome of the request.
        status: The HTTP status; None where there was no HTTP answer.
        request_id: The provider's x-request-id.
        retry_after: Seconds that the provider asks to wait before the next request.
    """

    code = "provider_error"
    default_hint = "Nothing was stored. Wait or check the key, the model and the plan, then try again."

    def __init__(
        self,
        message: str,
        *,
        outcome: Outcome = "refused",
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        **extra: str | None,
    ) -> None:
        super().__init__(message, **extra)
        self.outcome: Outcome = outcome
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after


class AnswerRejected(SecondlookError):
    """The answer breaks a rule; `reason` names the rule and `path` the first difference."""

    code = "answer_rejected"
    default_hint = "Nothing was stored; the answer and its usage are kept for QA. A new run asks again."


class ApiKeyMissing(SecondlookError):
    """OPENAI_API_KEY is not set and the offline agent may not stand in."""

    code = "api_key_missing"
    default_hint = "Put OPENAI_API_KEY=sk-... into .env.local and start again."

    def __init__(
        self,
        message: str = "OPENAI_API_KEY is required. Add it to your .env.local file.",
        **extra: str | None,
    ) -> None:
        super().__init__(message, **extra)


class SettingInvalid(SecondlookError):
    """A setting has a value that is not allowed; the message names both."""

    code = "setting_invalid"
    default_hint = "Correct it in the environment, .env.local or .env; docs/settings.md lists all settings."


class StoreUnavailable(SecondlookError):
    """The sources' store cannot be read or written."""

    code = "store_unavailable"
    default_hint = "See that the store can be reached and written, then try again."


class LedgerUnavailable(SecondlookError):
    """The ledger cannot be read or written; without it nothing is sent."""

    code = "ledger_unavailable"
    default_hint = "See that the data folder can be written and has space, then try again."


ERRORS: dict[str, type[SecondlookError]] = {error.code: error for error in SecondlookError.__subclasses__()}
"""Every error by its stable code."""


def rebuild(
    code: str,
    message: str,
    *,
    hint: str | None = None,
    run_id: str | None = None,
    reason: str | None = None,
    path: str | None = None,
) -> SecondlookError:
    """The error that a run ended with, as it was first raised."""
    return ERRORS.get(code, SecondlookError)(message, hint=hint, run_id=run_id, reason=reason, path=path)
