"""Which jobs a worker keeps open between their pieces."""

from contextlib import ExitStack

from tests.support.waiting import wait_until
from vision_customization.engine.jobs.steps.open_jobs import OpenJobs


class Job:
    def __init__(self, name: str) -> None:
        self.name = name
        self.closed = False

    def close(self) -> None:
        self.closed = True


def test_a_job_is_opened_once_and_closed_when_others_were_used_since() -> None:
    opened: list[Job] = []

    def open_job(name: str) -> Job:
        opened.append(Job(name))
        return opened[-1]

    jobs = OpenJobs(open_job)
    with jobs.opened("a") as first, jobs.opened("a") as again:
        assert first is again
    for name in "bac":
        with jobs.opened(name):
            pass
    assert [(job.name, job.closed) for job in opened] == [("a", False), ("b", True), ("c", False)]
    with jobs.opened("b"):
        pass
    assert [job.name for job in opened] == ["a", "b", "c", "b"]


def test_a_job_that_nobody_uses_is_closed_after_a_while() -> None:
    jobs = OpenJobs(Job, idle_seconds=0.05)
    with jobs.opened("a") as idle, jobs.opened("b") as used:
        pass
    with jobs.opened("b"):
        wait_until(lambda: idle.closed, "the idle job is closed", 5)
        assert not used.closed
    wait_until(lambda: used.closed, "the other one, too", 5)


def test_a_job_in_use_stays_open_whatever_else_is_used() -> None:
    jobs = OpenJobs(Job)
    with ExitStack() as stack:
        used = [stack.enter_context(jobs.opened(name)) for name in "abcdef"]
        assert not any(job.closed for job in used)
    assert [job.name for job in used if not job.closed] == ["e", "f"]
