"""The form that publishes a model: what it asks for, and what is wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from vision_customization.contract.gate import LOWER_IS_BETTER, METRICS
from vision_customization.contract.texts import name_fault, sentence

NO_GATE = "none"
"""The choice of a name without a gate. No metric has this name."""

_SHOWN = 20
"""Characters of what was typed that a message repeats."""


@dataclass(frozen=True)
class PublicationForm:
    """The fields as they were filled in. `existing` and `new` are names, one of which is empty; `evaluation` is empty for the
    model's own metrics, `metric` for the gate that the name has, and `threshold` where no number was typed."""

    existing: str = ""
    new: str = ""
    evaluation: str = ""
    metric: str = ""
    threshold: str = ""

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Self:
        names = ("published", "new", "evaluation", "metric", "least")
        return cls(*(fields.get(name, "").strip() for name in names))

    @property
    def name(self) -> str:
        """The name to publish under."""
        return self.new or self.existing

    def name_fault(self) -> str | None:
        """Why there is no such name."""
        if self.new and self.existing:
            return f"You chose the name '{self.existing}' and also gave a new one. Choose one of the two."
        if not self.name:
            return "Choose a name, or give a new one."
        fault = name_fault(self.name)
        return None if fault is None else f"{sentence(fault)}."

    def gate_fault(self, *, is_new: bool) -> str | None:
        """Why there is no such gate. `is_new` says that the name is not published yet, and so has no gate to keep."""
        if not self.metric and self.threshold:
            return f"The threshold {self.threshold[:_SHOWN]} has no metric. Choose the metric that must reach it."
        if not self.metric:
            return f"The name '{self.name}' is new, so it has no gate yet. Choose a metric, or 'no gate'." if is_new else None
        if self.metric == NO_GATE:
            return (
                "A name without a gate has no threshold. Choose a metric, or leave the threshold empty."
                if self.threshold
                else None
            )
        if self.metric not in METRICS:
            return f"'{self.metric[:_SHOWN]}' is not a metric. Choose from {', '.join(METRICS)}."
        if not self.threshold:
            return f"The gate has no threshold for {self.metric}. Give one, or choose 'no gate' to remove the gate."
        if self._number() is None:
            return f"The threshold is a number from 0 to 1, not '{self.threshold[:_SHOWN]}'."
        return None

    def gate(self) -> dict[str, float] | None:
        """The gate of a form without faults: None to keep the one that the name has, and an empty one to remove it."""
        if not self.metric:
            return None
        number = self._number()
        return {} if self.metric == NO_GATE or number is None else {self.metric: number}

    def _number(self) -> float | None:
        try:
            found = float(self.threshold.replace(",", "."))
        except ValueError:
            return None
        return found if 0 <= found <= 1 else None


def gate_text(require: Mapping[str, float]) -> str:
    """`accuracyTop1 at least 0.9`; empty for no gate."""
    return ", ".join(f"{metric} {bound(metric)} {threshold:g}" for metric, threshold in require.items())


def bound(metric: str) -> str:
    """Whether a gate's threshold is the least or the greatest value that it accepts."""
    return "at most" if metric in LOWER_IS_BETTER else "at least"
