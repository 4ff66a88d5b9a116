"""Which models use a dataset, and for what."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, null, select

from vision_customization.contract.enums import ModelStatus
from vision_customization.engine.store.database import Database
from vision_customization.engine.store.tables import EvaluationRow, ModelRow

USES_MAX = 1000
"""Of all datasets that are asked for together: the newest ones."""


class UsedFor(StrEnum):
    """What a model does with a dataset: it learns from it, is tested on it as part of its training, or evaluated on it."""

    TRAINING = "training"
    TEST = "test"
    EVALUATION = "evaluation"


@dataclass(frozen=True, slots=True)
class DatasetUse:
    """A model that uses a dataset. `opposite` is the dataset on the other side, if there is one: what it is tested on, or
    learned from. `evaluation_id` is that of an evaluation."""

    dataset: str
    model: str
    used_for: UsedFor
    status: ModelStatus
    created: datetime
    opposite: str | None = None
    evaluation_id: str | None = None


class DatasetUseStore:
    """Uses of datasets by their names."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, names: Sequence[str]) -> dict[str, list[DatasetUse]]:
        """The uses of each of these datasets, the newest first; names without a use are left out."""
        training, test, evaluated = ModelRow.training_dataset_name, ModelRow.test_dataset_name, EvaluationRow.test_dataset_name
        columns = (ModelRow.name, ModelRow.status, ModelRow.created)
        evaluation = (evaluated, *columns[:2], EvaluationRow.created, training, EvaluationRow.id)
        newest = ModelRow.sequence.desc()
        queries: list[tuple[UsedFor, Select[Any, str, str, datetime, Any, Any]]] = [
            (UsedFor.TRAINING, select(training, *columns, test, null()).where(training.in_(names)).order_by(newest)),
            (UsedFor.TEST, select(test, *columns, training, null()).where(test.in_(names)).order_by(newest)),
            (
                UsedFor.EVALUATION,
                select(*evaluation)
                .join(ModelRow, ModelRow.id == EvaluationRow.model_id)
                .where(evaluated.in_(names))
                .order_by(EvaluationRow.sequence.desc()),
            ),
        ]
        found: defaultdict[str, list[DatasetUse]] = defaultdict(list)
        with self._database.reading() as session:
            for used_for, query in queries:
                for dataset, model, status, *facts in session.execute(query.limit(USES_MAX)):
                    found[dataset].append(DatasetUse(dataset, model, used_for, ModelStatus(status), *facts))
        return {name: sorted(uses, key=lambda use: use.created, reverse=True) for name, uses in found.items()}

    def opposites(self, name: str) -> dict[str, str]:
        """The datasets that must not share a picture with this one, and why, in words: a model learns from the one and is
        judged on the other."""
        opposites: dict[str, str] = {}
        uses = self.of([name]).get(name, [])
        evaluated = select(EvaluationRow.test_dataset_name, ModelRow.name).join(ModelRow, ModelRow.id == EvaluationRow.model_id)
        with self._database.reading() as session:
            query = evaluated.where(ModelRow.training_dataset_name == name).order_by(EvaluationRow.sequence.desc())
            rows = session.execute(query.limit(USES_MAX)).all()
        for use in uses:
            if use.opposite is not None and use.used_for is UsedFor.TRAINING:
                opposites.setdefault(use.opposite, f"model '{use.model}' learns from this dataset and is tested on that one")
            elif use.opposite is not None:
                opposites.setdefault(use.opposite, f"model '{use.model}' learned from that dataset and is judged on this one")
        for dataset, model in rows:
            if dataset is not None:
                opposites.setdefault(dataset, f"model '{model}' learned from this dataset and was evaluated on that one")
        opposites.pop(name, None)
        return opposites
