"""Who writes first."""

from __future__ import annotations

import threading
import time

import pytest

from secondlook.connections.write_priority import WritePriority, WriteQueue


def line_up(queue: WriteQueue, wanted: list[WritePriority], pause: float = 0.0) -> list[WritePriority]:
    """The order in which those are let in who came in the order `wanted` while somebody else was inside."""
    order: list[WritePriority] = []

    def work(priority: WritePriority) -> None:
        assert queue.take(priority, 30)
        order.append(priority)
        queue.give()

    assert queue.take(WritePriority.USUAL, 1)
    threads = [threading.Thread(target=work, args=[priority]) for priority in wanted]
    for number, thread in enumerate(threads, start=1):
        thread.start()
        while len(queue._waiting) < number:  # pyright: ignore[reportPrivateUsage] -- to see that it is in line
            time.sleep(0.001)
        time.sleep(pause)
    queue.give()
    for thread in threads:
        thread.join()
    return order


def test_whoever_is_nearer_to_sending_goes_first() -> None:
    """In whatever order they came, at about the same time."""
    came = [
        WritePriority.FINISH,
        WritePriority.USUAL,
        WritePriority.RELEASE,
        WritePriority.CLAIM,
        WritePriority.SEND,
    ]
    assert line_up(WriteQueue(), came) == list(WritePriority)


def test_nobody_is_overtaken_for_ever() -> None:
    """What came later than another's patience lasts comes after it."""
    came = [WritePriority.USUAL, WritePriority.SEND]
    assert line_up(WriteQueue(), came, pause=WritePriority.USUAL.value + 0.05) == came


def test_equals_go_in_the_order_they_came() -> None:
    """As each of many takes a number."""
    queue = WriteQueue()
    inside: list[int] = []

    def work(number: int) -> None:
        assert queue.take(WritePriority.USUAL, 30)
        inside.append(number)
        queue.give()

    assert queue.take(WritePriority.USUAL, 1)
    threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
    for number, thread in enumerate(threads, start=1):
        thread.start()
        while len(queue._waiting) < number:  # pyright: ignore[reportPrivateUsage] -- to see that it is in line
            time.sleep(0.001)
    queue.give()
    for thread in threads:
        thread.join()
    assert inside == list(range(8))


def test_whoever_times_out_blocks_nobody() -> None:
    """The next one comes in."""
    queue = WriteQueue()
    assert queue.take(WritePriority.USUAL, 1)
    assert not queue.take(WritePriority.SEND, 0.01)
    queue.give()
    assert queue.take(WritePriority.FINISH, 0.01)


@pytest.mark.parametrize("threads", [2, 16])
def test_one_at_a_time(threads: int) -> None:
    """However many come, of all priorities, some of which time out."""
    queue = WriteQueue()
    inside = 0
    most = 0
    done = 0

    def work(number: int) -> None:
        nonlocal inside, most, done
        for each in range(40):
            if queue.take(
                list(WritePriority)[(number + each) % len(WritePriority)], 0.0005 if each % 7 == 0 else 30
            ):
                inside += 1
                most = max(most, inside)
                time.sleep(0.00001)
                inside -= 1
                done += 1
                queue.give()

    workers = [threading.Thread(target=work, args=[number]) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert most == 1
    assert done >= threads * 34
    assert queue.take(WritePriority.FINISH, 0.01)
