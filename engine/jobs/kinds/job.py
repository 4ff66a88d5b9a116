"""The common parts of trainings and evaluations: a plan, its images, and the objects of a job."""

import threading
from collections.abc import Callable
from typing import TypedDict

from vision_customization.contract.enums import ModelKind, Purpose
from vision_customization.engine.jobs.errors import JobCancelled
from vision_customization.engine.jobs.images.dataset import read_dataset
from vision_customization.engine.jobs.images.image_cache import Keeping
from vision_customization.engine.jobs.images.kept_plans import Plans
from vision_customization.engine.jobs.images.plan import Part, Plan, Shard
from vision_customization.engine.jobs.images.resources import Resources
from vision_customization.engine.jobs.images.shards import ShardDone, Shards
from vision_customization.engine.objects.keys import job_key


class Planned(TypedDict):
    """The first step's result: how many shards each part of the plan has."""

    shards: list[int]
    images: int
    seconds: float


class Job:
    """One run of a job in this process. Every public method that a workflow calls is a step: it may run twice."""

    def __init__(self, resources: Resources, plans: Plans, job: str) -> None:
        self.resources = resources
        self._plans = plans
        self.name = job
        self._closed = False
        self._plan: Plan | None = None
        self._opening = threading.Lock()

    def close(self) -> None:
        self._closed = True

    def check(self) -> None:
        """Raises JobCancelled if the job, or the piece of it that the calling thread works on, should stop."""
        if self.resources.withdrawn():
            raise JobCancelled
        self.check_wanted()

    def check_wanted(self) -> None:
        """Raises JobCancelled if the job should stop."""
        raise NotImplementedError

    def tell_waiting(self, why: str) -> None:
        """Report that blobs cannot be read yet. The reading threads call it repeatedly while they wait."""

    def _waits(self, why: str) -> None:
        if self._closed:
            raise JobCancelled  # the job no longer needs the blob
        self.tell_waiting(why)

    @property
    def plan(self) -> Plan:
        with self._opening:
            if self._plan is None:
                self._plan = self._plans.get(self.name)
            return self._plan

    def shards(self, keeping: Keeping, on_wait: Callable[[str], None] | None = None) -> Shards:
        """The plan's images, whose data `keeping` derives and stores."""
        return Shards(self.resources, keeping, self.name, self.plan, self.check, on_wait or self._waits)

    def told(self, part: int, index: int) -> str:
        """Which images shard number `index` of a part has, in words."""
        shard = self._shard(part, index)
        return f"images {shard.start + 1:,} to {shard.stop:,} of dataset '{self.plan.parts[part].dataset}'"

    def _shard(self, part: int, index: int) -> Shard:
        return self.plan.shard(part, index)

    def read_dataset(self, name: str | None, purpose: Purpose, kind: ModelKind, *, multi_label: bool | None = None) -> Part:
        """Raises JobFailed, JobCancelled, SourceUnreachable."""
        store, reader = self.resources.store, self.resources.reader
        folder = self.resources.folder
        return read_dataset(store, reader, name, purpose, kind, self.check, self._waits, multi_label=multi_label, folder=folder)

    def keep_plan(self, plan: Plan, seconds: float) -> Planned:
        """Store the plan."""
        self._plans.put(self.name, plan)
        with self._opening:
            self._plan = plan
        counts = [0] * len(plan.parts)
        for shard in plan.shards:
            counts[shard.part] += 1
        return Planned(shards=counts, images=plan.images, seconds=seconds)

    def keep(self, keeping: Keeping, part: int, index: int) -> ShardDone:
        """Read shard number `index` of a part, and store the data that `keeping` derives from it."""
        self.check()
        shard, waited = self._shard(part, index), threading.Event()

        def waits(why: str) -> None:
            waited.set()
            self._waits(why)

        done = self.shards(keeping, waits).keep(shard)
        # A shard of mostly kept images, or one that waited for its storage, says little about this machine.
        if keeping.measures and not waited.is_set() and 2 * done["images_embedded"] > shard.stop - shard.start:
            self.resources.store.speeds.record(keeping.measures, done["images_embedded"], done["seconds"])
        return done

    def clean_up(self) -> None:
        """Delete the objects that only the job needed."""
        self.resources.objects.delete(job_key(self.name))
