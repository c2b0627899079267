"""How many answers of real models are exact, by prompt and number of weeks, and why the others are not.

Every prompt gets the same random inputs and the same schema. An answer is judged by the product's own rules.
Where answers are kept, a run that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import statistics
import time
import urllib.request
from collections import Counter
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from subprocess import PIPE, Popen

from bench.environment import ROOT, clean
from bench.measure import machine
from bench.models.inputs import FORMS, random_input
from bench.models.llama import MODELS
from bench.table import show
from secondlook.tasks.snapshot.rules import read_completion
from secondlook.tasks.snapshot.schema import answer_schema
from secondlook.tasks.snapshot.trace import trace

HOME = ROOT / ".venv" / "models"
"""The models' environment; the file `installed` in it says that it is whole."""

INPUTS = {8: 3, 12: 3, 26: 1, 52: 1}
"""How many inputs of so many weeks; a multiple of it can be asked for."""

TEMPERATURE = 0.1


@dataclass(frozen=True)
class Answer:
    """One answer, as it came.

    Attributes:
        number: Of the input among those of so many weeks.
        seconds: From the request to the last byte.
        body: The body of the HTTP answer.
    """

    model: str
    form: str
    weeks: int
    number: int
    seconds: float
    body: str

    @property
    def mistake(self) -> str:
        """The rule that rejects it and its reason; empty where it is accepted."""
        failed = trace(read_completion(self.body), random_input(self.weeks, self.number)).failed
        return "" if failed is None else f"{failed.rule.name}: {failed.reason}"


def main(times: int = 1, kept: Path | None = None, threads: int = 1) -> None:
    """Measure and print the table.

    Args:
        times: How many times INPUTS.
        kept: A file of answers to go on with and to add to, one JSON object a line; None keeps none.
        threads: How many threads compute, for each of the two models.
    """
    if not (HOME / "installed").exists():
        show(["models"], [["not measured: no environment, `make bench-models`"]])
        return
    answers = read(kept)
    with ThreadPoolExecutor(len(MODELS)) as pool:
        asking = [pool.submit(ask_all, model, times, threads, answers, kept) for model in MODELS]
        answers = answers + [answer for each in asking for answer in each.result()]
    show(
        HEADER,
        list(rows([answer for answer in answers if answer.number < times * INPUTS.get(answer.weeks, 0)])),
    )
    print(f"\n{machine()}")


def read(kept: Path | None) -> list[Answer]:
    """The answers that a file keeps."""
    if kept is None or not kept.exists():
        return []
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    return [Answer(**{field.name: line[field.name] for field in fields(Answer)}) for line in lines]


def keep(answer: Answer, kept: Path) -> None:
    """Add an answer to a file, next to the input that it should repeat."""
    line = {**asdict(answer), "input": random_input(answer.weeks, answer.number).model_dump(mode="json")}
    with kept.open("a") as file:
        file.write(json.dumps(line, separators=(",", ":")) + "\n")


def ask_all(model: str, times: int, threads: int, known: list[Answer], kept: Path | None) -> list[Answer]:
    """The answers of one model that are not known yet, those that take the shortest first."""
    have = {(answer.model, answer.form, answer.weeks, answer.number) for answer in known}
    inputs = [(weeks, number) for weeks, count in INPUTS.items() for number in range(times * count)]
    found: list[Answer] = []
    with serving(model, threads) as base_url:
        for weeks, number in sorted(inputs, key=lambda each: each[0] * (each[1] + 1)):
            for form in FORMS:
                if (model, form, weeks, number) not in have:
                    found.append(ask(base_url, model, form, weeks, number))
                    if kept is not None:
                        keep(found[-1], kept)
    return found


def ask(base_url: str, model: str, form: str, weeks: int, number: int) -> Answer:
    """One request and its answer."""
    asked = FORMS[form]
    schema = answer_schema(weeks if asked.fixed else None)
    request = {
        "model": model,
        "messages": asked.messages(random_input(weeks, number)),
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "SnapshotResult", "schema": schema},
        },
        "max_tokens": room(weeks),
        "temperature": TEMPERATURE,
    }
    sent = urllib.request.Request(  # noqa: S310 -- a server of our own
        f"{base_url}/chat/completions", json.dumps(request).encode(), {"content-type": "application/json"}
    )
    began = time.monotonic()
    with urllib.request.urlopen(sent) as response:  # noqa: S310 -- a server of our own
        body = response.read().decode()
    return Answer(model, form, weeks, number, round(time.monotonic() - began, 1), body)


def room(weeks: int) -> int:
    """Tokens after which an answer is cut off: a third more than a right one takes."""
    return 240 + 24 * weeks


@contextmanager
def serving(model: str, threads: int) -> Generator[str]:
    """Serve a model in its environment and give the base URL."""
    command = [str(HOME / "bin" / "python"), "-m", "bench.models.server"]
    options = ["--model", model, "--threads", str(threads)]
    with Popen([*command, *options], stdout=PIPE, text=True, env=clean()) as process:
        assert process.stdout is not None  # noqa: S101 -- it was asked for
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


HEADER = ("model", "weeks", "prompt", "exact", "mistakes", "tokens: prompt + answer", "seconds")


def rows(answers: list[Answer]) -> Iterator[list[str]]:
    """A row for each model, number of weeks and prompt; tokens and seconds are medians."""
    for model in MODELS:
        for weeks in INPUTS:
            for form in FORMS:
                some = [
                    each for each in answers if (each.model, each.weeks, each.form) == (model, weeks, form)
                ]
                if some:
                    yield [MODELS[model].name, str(weeks), form, *figures(some)]


def figures(answers: list[Answer]) -> list[str]:
    """What answers of one kind came to."""
    mistakes = Counter(answer.mistake for answer in answers)
    exact = mistakes.pop("", 0)
    usages = [read_completion(answer.body).usage for answer in answers]
    sent = statistics.median(usage.prompt_tokens or 0 for usage in usages)
    generated = statistics.median(usage.completion_tokens or 0 for usage in usages)
    seconds = statistics.median(answer.seconds for answer in answers)
    told = ", ".join(f"{count} {mistake}" for mistake, count in mistakes.most_common())
    return [f"{exact} of {len(answers)}", told, f"{sent:.0f} + {generated:.0f}", f"{seconds:.0f}"]
