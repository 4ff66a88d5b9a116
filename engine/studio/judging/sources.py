"""What can be judged: a model's own outcomes, which are those of its test dataset or of its estimate, and its evaluations'."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from vision_customization.contract.models import ModelPerformance
from vision_customization.engine.api.collaborators import Service
from vision_customization.engine.api.errors import ApiError
from vision_customization.engine.api.routes.outcomes import Kept, kept_of_evaluation, kept_of_model
from vision_customization.engine.outcomes.judge import Judge
from vision_customization.engine.store import EvaluationRecord, ModelRecord
from vision_customization.engine.studio.visit import link

OWN = "-"
"""A model's own outcomes, in paths and queries. No evaluation has this name: names start with a letter or a digit."""

EVALUATIONS_SHOWN = 100
"""The newest ones of a model that can be chosen; an older one can be judged by its address."""


@dataclass(frozen=True)
class Source:
    """A model, and where the outcomes are from by which it is judged: one of its evaluations, or its own."""

    model: ModelRecord
    evaluation: EvaluationRecord | None = None

    @property
    def name(self) -> str:
        """The evaluation's name, or OWN."""
        return OWN if self.evaluation is None else self.evaluation.name

    @property
    def is_estimate(self) -> bool:
        """Whether the images are training images, each judged by a model that had not seen it."""
        return self.evaluation is None and self.model.test_dataset_name is None

    @property
    def dataset(self) -> str:
        """The dataset of the images."""
        if self.evaluation is not None:
            return self.evaluation.test_dataset_name or self.model.training_dataset_name
        return self.model.test_dataset_name or self.model.training_dataset_name

    @property
    def is_on_training_images(self) -> bool:
        """Whether the model was trained from the very images that it is judged by, which says nothing about other ones."""
        return self.evaluation is not None and self.dataset == self.model.training_dataset_name

    @property
    def performance(self) -> ModelPerformance:
        found = self.model.performance if self.evaluation is None else self.evaluation.performance
        return found or ModelPerformance()

    @property
    def text(self) -> str:
        """`evaluation 'e' on leaves-test`."""
        if self.evaluation is not None:
            seen = ", its own training images" if self.is_on_training_images else ""
            return f"evaluation '{self.evaluation.name}' on {self.dataset}{seen}"
        return f"{'estimate on training images of' if self.is_estimate else 'test dataset'} {self.dataset}"

    def page(self) -> str:
        """The path of the page that judges it."""
        query = "" if self.evaluation is None else f"?evaluation={self.evaluation.name}"  # a name needs no quoting
        return link("models", self.model.name, "judge") + query

    def outcomes(self, *parts: str) -> str:
        """The path of the pages of its pictures."""
        return link("models", self.model.name, "outcomes", self.name, *parts)

    def kept(self, service: Service) -> Kept:
        """Where the outcomes are stored. Raises ApiError if the model or the evaluation has not succeeded."""
        if self.evaluation is None:
            return kept_of_model(service, self.model.name)
        return kept_of_evaluation(service, self.model.name, self.evaluation.name)

    def has_outcomes(self, service: Service) -> bool:
        try:
            with self.asked(service) as (judge, key):
                judge.open(key)
        except ApiError:
            return False
        return True

    @contextmanager
    def asked(self, service: Service) -> Iterator[tuple[Judge, str]]:
        """The judge, and the key to ask it about. Raises ApiError if there are no outcomes, or if they can't answer."""
        with self.kept(service).asked() as asked:
            yield asked


def source_of(service: Service, model: str, name: str) -> Source:
    """The source of a model called `name`; its own if that is empty. Raises NotFound."""
    record = service.store.models.find(model)
    if name in {"", OWN}:
        return Source(record)
    return Source(record, service.store.evaluations.find(model, name))


def sources_of(service: Service, model: ModelRecord) -> Sequence[Source]:
    """Everything that a model can be judged by: its own outcomes, then its evaluations that succeeded, the newest first."""
    evaluations = service.store.evaluations.succeeded(model.name, EVALUATIONS_SHOWN)
    return [Source(model), *(Source(model, evaluation) for evaluation in evaluations)]


def same_images(service: Service, first: Sequence[Source], second: Sequence[Source]) -> tuple[Source, Source] | None:
    """The first sources of two models whose images are those of one dataset, but not one and the same source. Those that have
    outcomes come before those that do not."""
    pairs = [
        (ours, theirs)
        for ours in first
        for theirs in second
        if ours.dataset == theirs.dataset and (ours.model.id, ours.name) != (theirs.model.id, theirs.name)
    ]
    return next((pair for pair in pairs if all(source.has_outcomes(service) for source in pair)), next(iter(pairs), None))
