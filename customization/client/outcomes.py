"""Calls for outcomes: what a model answered for each image, and what that says about it. All of them are extensions."""

from __future__ import annotations

from collections.abc import Mapping

from vision_customization.contract.judging import Calibration, ComparisonFilter, ComparisonPage, TagOutcomes, ThresholdPage
from vision_customization.contract.outcomes import (
    OUTCOMES_PAGE_MAX,
    Confusion,
    Curves,
    LabelIssues,
    OutcomeFilter,
    OutcomePage,
)
from vision_customization.customization.client.client_calls import ClientCalls, segment
from vision_customization.customization.client.typed_calls import parse


class OutcomeCalls(ClientCalls):
    """The part of `VisionClient` about outcomes. Without an evaluation's name, they are those that the model's own metrics are
    from. Each method raises NotFound if there are none: an older engine made the evaluation, or the model was imported."""

    def get_outcomes(
        self,
        model_name: str,
        evaluation_name: str | None = None,
        *,
        only: OutcomeFilter | None = None,
        tag: str | None = None,
        label: str | None = None,
        answer: str | None = None,
        unlabelled: bool = False,
        unanswered: bool = False,
        skip: int = 0,
        top: int = OUTCOMES_PAGE_MAX,
    ) -> OutcomePage:
        """One page of what a model answered for each image, the worst first. Several filters select the images of all.

        Args:
            only: wrong images only, for example.
            tag: only images with this tag as a label or an answer.
            label: only images in this label's row of the confusion.
            answer: only images in this answer's column of the confusion; with `label`, those of one cell.
            unlabelled: only images in the row of answers without a label.
            unanswered: only images in the column of labels that the model missed.

        Raises:
            BadRequest: the model has no such tag, or no cell is of both filters.
        """
        query = {
            "only": only,
            "tag": tag,
            "label": label,
            "answer": answer,
            "unlabelled": "true" if unlabelled else None,
            "unanswered": "true" if unanswered else None,
        }
        params = _page(query, skip, top)
        reply = self._transport.send("GET", _path(model_name, evaluation_name), params=params)
        return parse(OutcomePage, reply.json())

    def get_confusion(self, model_name: str, evaluation_name: str | None = None) -> Confusion:
        """How often each label got each answer."""
        return self._calls.get(Confusion, f"{_path(model_name, evaluation_name)}:confusion")

    def get_curves(self, model_name: str, evaluation_name: str | None = None) -> Curves:
        """Precision and recall at each threshold, by tag."""
        return self._calls.get(Curves, f"{_path(model_name, evaluation_name)}:curves")

    def get_threshold(
        self,
        model_name: str,
        threshold: float,
        evaluation_name: str | None = None,
        *,
        tag: str | None = None,
        only: OutcomeFilter | None = None,
        skip: int = 0,
        top: int = OUTCOMES_PAGE_MAX,
    ) -> ThresholdPage:
        """What a model is worth if only answers with a confidence of at least `threshold` count, and one page of the outcomes.

        Args:
            tag: count only this tag. It must be given if images have several tags each.
            only: list only images with a missed label at this threshold, for example.

        Raises:
            BadRequest: the model has no such tag, or these outcomes can't be counted at so low a threshold.
        """
        params = {"threshold": str(threshold), **_page({"tag": tag, "only": only}, skip, top)}
        reply = self._transport.send("GET", f"{_path(model_name, evaluation_name)}:threshold", params=params)
        return parse(ThresholdPage, reply.json())

    def get_calibration(self, model_name: str, evaluation_name: str | None = None) -> Calibration:
        """How far a model's confidences are true."""
        return self._calls.get(Calibration, f"{_path(model_name, evaluation_name)}:calibration")

    def get_tag_outcomes(self, model_name: str, evaluation_name: str | None = None) -> TagOutcomes:
        """How a model does on each tag."""
        return self._calls.get(TagOutcomes, f"{_path(model_name, evaluation_name)}:tags")

    def compare_models(
        self,
        model_name: str,
        with_model_name: str,
        *,
        evaluation_name: str | None = None,
        with_evaluation_name: str | None = None,
        only: ComparisonFilter | None = None,
        skip: int = 0,
        top: int = OUTCOMES_PAGE_MAX,
    ) -> ComparisonPage:
        """Two models on the images that both have answered, and one page of these images.

        Args:
            evaluation_name: of the first model.
            with_evaluation_name: of the second model.
            only: list only images on which one model is right and the other is wrong, for example.

        Raises:
            BadRequest: one is a detector and the other a classifier, for example.
        """
        query = {"evaluation": evaluation_name, "with-evaluation": with_evaluation_name, "only": only}
        params = {"with-model": with_model_name, **_page(query, skip, top)}
        reply = self._transport.send("GET", f"{_path(model_name, None)}:compare", params=params)
        return parse(ComparisonPage, reply.json())

    def get_label_issues(
        self, dataset_name: str, *, model_name: str | None = None, skip: int = 0, top: int = OUTCOMES_PAGE_MAX
    ) -> LabelIssues:
        """One page of a dataset's images, those with the least probable labels first.

        Args:
            model_name: a classifier that was trained from the dataset. [default: the newest one]

        Raises:
            NotFound: no such dataset, or no model that was trained from it has an estimate for its images.
        """
        params = _page({"model-name": model_name}, skip, top)
        reply = self._transport.send("GET", f"/datasets/{segment(dataset_name)}/labelissues", params=params)
        return parse(LabelIssues, reply.json())


def _page(query: Mapping[str, str | None], skip: int, top: int) -> dict[str, str]:
    """The parameters of a page; a StrEnum is its value."""
    given = {name: str(value) for name, value in query.items() if value is not None}
    return {**given, "skip": str(skip), "top": str(top)}


def _path(model_name: str, evaluation_name: str | None) -> str:
    of = "" if evaluation_name is None else f"/evaluations/{segment(evaluation_name)}"
    return f"/models/{segment(model_name)}{of}/outcomes"
