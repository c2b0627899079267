"""The command line on Supabase: for whom it acts, what it needs, and what it never shows."""

from __future__ import annotations

import json

import pytest

from tests.examples import OTHER_USER, SOURCE, USER
from tests.provider import going_silent, refusing
from tests.supabase.conftest import NAME, Cloud
from tests.supabase.proxy import Answer, Behaviour, Exchange, passing_on
from tests.supabase_server import SupabaseUser

OTHERS = "22222222-2222-4333-8444-555555555555"
UNKNOWN = "33333333-2222-4333-8444-555555555555"
NO_SECRET_KEY = "SUPABASE_SECRET_KEY is not set: without it, only people who are signed in can act"  # noqa: S105 -- a message
NO_KEY = "OPENAI_API_KEY is required. Add it to your .env.local file."


def others_run(cloud: Cloud, status: str) -> str:
    """A run of OTHER_USER's in this state."""
    cloud.tables.add_source(OTHERS, user_id=OTHER_USER, name="Somebody else's")
    kept = cloud.provider.behaviour
    if status == "in_doubt":
        cloud.set(SECONDLOOK_DEADLINE_SECONDS="0.3")
        cloud.provider.behaviour = going_silent
    elif status == "failed":
        cloud.provider.behaviour = refusing(401, "No.")
    outcome = cloud.call("snapshot", OTHERS, "--user", OTHER_USER)
    cloud.provider.behaviour = kept
    cloud.set(SECONDLOOK_DEADLINE_SECONDS="20")
    run = outcome.fields["run_id"] if status == "done" else outcome.error["run_id"]
    assert [made["status"] for made in cloud.runs()] == [status]
    return run


# -- with the secret key --------------------------------------------------------------------------------


def test_every_command_works_without_a_session(cloud: Cloud) -> None:
    """sources, snapshot, runs, resume, resend, cancel and check, by the secret key."""
    as_user = ("--user", USER)
    (listed,) = cloud.call("sources", *as_user).items
    assert (listed["source_id"], listed["source_name"]) == (SOURCE, NAME)
    assert (listed["estimate_count"], listed["snapshot_id"]) == (35, None)

    cloud.set(SECONDLOOK_DEADLINE_SECONDS="0.3")
    cloud.provider.behaviour, right = going_silent, cloud.provider.behaviour
    first = cloud.snapshot().error
    assert first["code"] == "in_doubt"
    assert cloud.call("cancel", first["run_id"], *as_user).fields["status"] == "cancelled"
    second = cloud.snapshot().error
    cloud.provider.behaviour = right
    cloud.set(SECONDLOOK_DEADLINE_SECONDS="20")
    resent = cloud.call("resend", second["run_id"], *as_user).fields
    assert (resent["run_id"], resent["attempts"]) == (second["run_id"], 2)

    assert [run["status"] for run in cloud.call("runs", *as_user).items] == ["done", "cancelled"]
    assert cloud.call("sources", *as_user).items[0]["snapshot_id"] == resent["snapshot_id"]
    assert cloud.call("resume").items == []
    again = cloud.snapshot("--regenerate").fields
    assert again["snapshot_id"] != resent["snapshot_id"]
    assert len(cloud.snapshots()) == 2

    checks = {check["name"]: check for check in cloud.call("check").items}
    assert all(check["ok"] for check in checks.values()), checks
    assert checks["store"]["detail"] == f"Supabase at {cloud.proxy.url}, with the secret key too"
    assert checks["sign-in"]["detail"] == "Supabase Auth answers"
    assert (
        checks["row security"]["detail"] == "holds: nothing can be read without a session, "
        "though there are rows in sources, estimate_buckets, snapshots"
    )


def test_resume_takes_up_every_users_run(cloud: Cloud) -> None:
    """By the secret key nobody has to be signed in."""
    cloud.proxy.spoil(lambda exchange: exchange.reset(), when=lambda asked: asked.method == "POST")
    cloud.tables.add_source(OTHERS, user_id=OTHER_USER)
    assert cloud.snapshot().error["code"] == "store_unavailable"
    assert cloud.call("snapshot", OTHERS, "--user", OTHER_USER).error["code"] == "store_unavailable"
    cloud.proxy.mend()

    assert sorted((run["user_id"], run["status"]) for run in cloud.call("resume").items) == [
        (USER, "done"),
        (OTHER_USER, "done"),
    ]
    assert len(cloud.snapshots()) == len(cloud.provider.requests) == 2


def test_as_a_process(cloud: Cloud) -> None:
    """A real process reads its settings and prints the snapshot."""
    outcome = cloud.run("snapshot", SOURCE, "--user", USER)
    assert outcome.code == 0, outcome.err
    assert outcome.fields["result"]["meta"]["source_id"] == SOURCE
    assert [line.partition(":")[0] for line in outcome.err.splitlines()] == [
        "[OpenAI] Snapshot generated",
        "[Orchestrator] Snapshot pipeline complete",
    ]
    cloud.all_is_done()


# -- what is missing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["sources", "--user", USER],
        ["snapshot", SOURCE, "--user", USER],
        ["resume"],
        ["resend", UNKNOWN, "--user", USER],
    ],
    ids=lambda arguments: arguments[0],
)
def test_without_the_secret_key(cloud: Cloud, arguments: list[str]) -> None:
    """What reads or writes the store ends by naming SUPABASE_SECRET_KEY; nothing is asked."""
    cloud.unset("SUPABASE_SECRET_KEY")
    error = cloud.call(*arguments).error
    assert (error["code"], error["message"]) == ("setting_invalid", NO_SECRET_KEY)
    assert error["hint"] == "Set it as the project's dashboard shows it. On a page, sign in instead."
    assert cloud.say(*arguments).err == f"{NO_SECRET_KEY}\n{error['hint']}\n"
    assert cloud.proxy.asked == []
    cloud.nothing_is_started()


def test_runs_without_the_secret_key(cloud: Cloud) -> None:
    """What the ledger holds is seen and canceled without it; nothing is sent again."""
    cloud.set(SECONDLOOK_DEADLINE_SECONDS="0.3")
    cloud.provider.behaviour = going_silent
    run_id = cloud.snapshot().error["run_id"]
    cloud.unset("SUPABASE_SECRET_KEY")

    assert [run["status"] for run in cloud.call("runs", "--user", USER).items] == ["in_doubt"]
    assert cloud.call("resend", run_id, "--user", USER).error["message"] == NO_SECRET_KEY
    assert [run["status"] for run in cloud.call("runs", "--user", USER).items] == ["in_doubt"]
    assert len(cloud.provider.requests) == 1
    assert cloud.call("cancel", run_id, "--user", USER).fields["status"] == "cancelled"


@pytest.mark.parametrize("agent", ["auto", "openai"])
@pytest.mark.parametrize("env", ["development", "production"])
def test_without_a_key_for_the_agent(cloud: Cloud, agent: str, env: str) -> None:
    """No snapshot, and no offline agent in its place."""
    cloud.unset("OPENAI_API_KEY")
    cloud.set(SECONDLOOK_AGENT=agent, SECONDLOOK_ENV=env)
    error = cloud.snapshot().error
    assert (error["code"], error["message"], error["run_id"]) == ("api_key_missing", NO_KEY, None)
    assert cloud.say("snapshot", SOURCE, "--user", USER).err == f"{NO_KEY}\n{error['hint']}\n"
    assert cloud.status() == "bucketed"
    cloud.nothing_is_started()
    assert {check["name"]: check["detail"] for check in cloud.call("check").items}["agent"] == NO_KEY


@pytest.mark.parametrize(
    "arguments",
    [["sources"], ["snapshot", SOURCE], ["runs"], ["resend", SOURCE], ["cancel", SOURCE]],
    ids=lambda arguments: arguments[0],
)
def test_without_a_user(cloud: Cloud, arguments: list[str]) -> None:
    """Nobody is guessed; SECONDLOOK_USER names one for all commands."""
    error = cloud.call(*arguments).error
    assert (error["code"], error["message"]) == ("setting_invalid", "No user is named")
    assert error["hint"] == "Name one by --user or SECONDLOOK_USER: their id in Supabase Auth."
    assert cloud.proxy.asked == []

    cloud.set(SECONDLOOK_USER=USER)
    outcome = cloud.call(*arguments)
    assert outcome.code == 0 or outcome.error["code"] == "source_not_found"


def test_the_key_for_people_alone_is_missing(cloud: Cloud) -> None:
    """The command line works without it; `check` names it."""
    cloud.unset("SUPABASE_KEY")
    assert cloud.snapshot().code == 0
    checks = {check["name"]: check for check in cloud.call("check").items}
    for name in ("store", "sign-in", "row security"):
        assert checks[name] == {
            "name": name,
            "ok": False,
            "detail": "SUPABASE_KEY is not set, and SUPABASE_URL is",
        }


# -- one user's, never another's ------------------------------------------------------------------------


def test_nothing_of_anothers_is_listed(cloud: Cloud) -> None:
    """The secret key reads everybody's rows; what is printed is the named user's alone."""
    run_id = others_run(cloud, "done")
    for arguments in (["sources"], ["sources", "--search", "else"], ["runs"], ["runs", "--status", "done"]):
        outcome = cloud.call(*arguments, "--user", USER)
        assert outcome.code == 0
        for hidden in (OTHERS, OTHER_USER, "Somebody else", run_id):
            assert hidden not in outcome.out + outcome.err
    assert [row["source_id"] for row in cloud.call("sources", "--user", USER).items] == [SOURCE]
    assert cloud.call("runs", "--user", USER).items == []


@pytest.mark.parametrize("wanted", [OTHERS, UNKNOWN, "malformed", f"{OTHERS},user_id.neq.x", ""], ids=ascii)
def test_anothers_source_is_not_found(cloud: Cloud, wanted: str) -> None:
    """Another's id, an unknown one and a malformed one are told apart by nothing."""
    cloud.tables.add_source(OTHERS, user_id=OTHER_USER)
    plain = cloud.say("snapshot", wanted, "--user", USER)
    error = cloud.call("snapshot", wanted, "--user", USER, "--regenerate").error
    assert (plain.code, plain.out, plain.err) == (1, "", f"{error['message']}\n{error['hint']}\n")
    assert error == {
        "code": "source_not_found",
        "message": "Invalid source_id: not found",
        "hint": "Check the source's id and the user; `secondlook sources` lists what can be used.",
        "run_id": None,
        "usage": None,
    }
    assert cloud.tables.status(OTHERS) == "bucketed"
    cloud.nothing_is_started()


@pytest.mark.parametrize("command", ["resend", "cancel"])
@pytest.mark.parametrize("which", ["another's", "unknown", "malformed"])
def test_anothers_run_is_not_found(cloud: Cloud, command: str, which: str) -> None:
    """Nor can another's run be sent again or canceled; nothing of it changes."""
    run_id = others_run(cloud, "in_doubt")
    before = cloud.runs()
    wanted = {"another's": run_id, "unknown": UNKNOWN, "malformed": "malformed"}[which]
    assert cloud.call(command, wanted, "--user", USER).error == {
        "code": "source_not_found",
        "message": "Invalid run_id: not found",
        "hint": cloud.call(command, UNKNOWN, "--user", USER).error["hint"],
        "run_id": None,
        "usage": None,
    }
    assert cloud.runs() == before
    assert len(cloud.provider.requests) == 1


@pytest.mark.parametrize("command", ["sources", "runs", "snapshot"])
def test_a_malformed_user(cloud: Cloud, command: str) -> None:
    """Nobody goes by such a name."""
    arguments = [command, *([SOURCE] if command == "snapshot" else []), "--user", "eq.*"]
    error = cloud.call(*arguments).error
    assert error["code"] == "source_not_found"
    assert cloud.proxy.asked == []


def test_a_user_in_other_writing(cloud: Cloud) -> None:
    """Capitals and braces are the same user and the same source."""
    outcome = cloud.call("snapshot", SOURCE.upper(), "--user", f"{{{USER.upper()}}}")
    assert outcome.code == 0
    cloud.all_is_done()


# -- row security ---------------------------------------------------------------------------------------


def test_check_as_a_person(cloud: Cloud, supabase_user: SupabaseUser) -> None:
    """With --email and the password on standard input, row security is tried in a person's name."""
    cloud.unset("SUPABASE_SECRET_KEY")
    outcome = cloud.say("check", "--email", supabase_user.email, stdin=f"{supabase_user.password}\n")
    assert outcome.code == 0, outcome.out
    assert (
        f"ok    row security of a person: holds: {supabase_user.email} sees no row of anybody else"
        in outcome.out
    )
    assert "no secret key: people alone can run a source" in outcome.out
    assert supabase_user.password not in outcome.out + outcome.err


def test_check_with_a_wrong_password(cloud: Cloud, supabase_user: SupabaseUser) -> None:
    """It says so, and looks at the rest."""
    outcome = cloud.say("check", "--email", supabase_user.email, stdin="wrong\n")
    assert outcome.code == 1
    assert "FAIL  row security of a person: E-mail address or password is wrong" in outcome.out
    assert "ok    row security: holds" in outcome.out


# -- never shown ----------------------------------------------------------------------------------------


def quoting(exchange: Exchange) -> None:
    """Refuses, and repeats all of the request's headers."""
    body = {"code": "XX000", "message": "no", "details": dict(exchange.request.headers), "hint": None}
    exchange.reply(Answer(500, {"content-type": "application/json"}, json.dumps(body).encode()))


@pytest.mark.parametrize("behaviour", [passing_on, quoting], ids=["all is well", "the key is quoted"])
def test_the_secret_key_is_never_shown(cloud: Cloud, behaviour: Behaviour) -> None:
    """Not by any command, whether it is the project's or not, whatever is answered."""
    cloud.proxy.spoil(behaviour)
    for key in (cloud.server.secret_key, "sb_secret_Vx91Kq"):
        cloud.set(SUPABASE_SECRET_KEY=key)
        for arguments in (
            ["sources", "--user", USER],
            ["snapshot", SOURCE, "--user", USER],
            ["runs", "--user", USER],
            ["resume"],
            ["check"],
            ["resend", "x", "--user", USER],
            ["cancel", "x", "--user", USER],
        ):
            for outcome in (cloud.call(*arguments), cloud.say(*arguments)):
                assert key not in outcome.out + outcome.err


def test_a_secret_key_that_is_not_the_projects(cloud: Cloud) -> None:
    """It is refused before anything is sent to the agent."""
    cloud.set(SUPABASE_SECRET_KEY="sb_secret_of_another_project")  # noqa: S106 -- made up
    error = cloud.snapshot().error
    assert error["code"] == "store_unavailable"
    assert error["message"] == "Supabase does not accept the key (no code): Invalid API key"
    cloud.nothing_is_started()
    assert cloud.call("check").code == 1
