"""Planogram matching: which of the detected products stands at which position of a planogram.

A planogram has units of its own, a photograph has pixels. This module maps one to the other by a scale and a shift for each
axis, which assumes a camera that looks straight at the shelf. The product sizes give the first estimate of the scale, and any
one product gives the shift. Of many such guesses, the module takes the one that places most products near a position of their
own, and fits it to all of them. Everything is deterministic.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.analysis import DetectedObject
from vision_customization.contract.products import (
    MatchedPosition,
    Planogram,
    PlanogramFixture,
    PlanogramPosition,
    PlanogramProduct,
    ProductRecognitionResult,
)
from vision_customization.engine.errors import EngineError

ITEMS_MAX = 1000
"""Maximum number of positions, and of detected products."""

NEAR = 0.75
"""How far the centre of a detected product may be from its place in the planogram, in sizes of the product."""

_REACH = 1.0  # like NEAR, while scale and shift are not known yet
_SCALE_FACTOR_MAX = 2.0  # largest factor between a scale and the estimate from the products' sizes
_SINGLE_GUESSES, _PAIRED_GUESSES = 200, 24
_FITTED_GUESSES, _FITTING_WORK = 8, 200_000  # most pairs formed by all fitted guesses together
_FITS_MAX = 10
_SCORING_WORK = 20_000_000  # most pairs examined by all guesses together

Points = NDArray[np.float64]
"""float64 [n, 2]: x and y."""


class PlanogramError(EngineError):
    """A planogram that contradicts itself or is too large. `target` is the field."""

    def __init__(self, target: str, message: str) -> None:
        super().__init__(f"{target}: {message}")
        self.target = target


@dataclass(frozen=True)
class ShelfPosition:
    """A position of a planogram, as the photograph shows it.

    `place_xywh` is where it is, in pixels of the image, possibly outside of it. It is None if no product was matched: then the
    camera is unknown. `found` is the expected product. Without it, `instead` is another product that stands there, if one does.
    """

    id: str
    name: str
    place_xywh: tuple[float, float, float, float] | None
    found: DetectedObject | None = None
    instead: DetectedObject | None = None


@dataclass(frozen=True)
class ShelfComparison:
    """All positions of a planogram in its order, and the detected products that stand at none of them."""

    positions: list[ShelfPosition]
    extra: list[DetectedObject]


def match_planogram(planogram: Planogram, detected: ProductRecognitionResult) -> list[MatchedPosition]:
    """The positions where the expected product was detected, in the planogram's order; the others are left out.

    Raises:
        PlanogramError: an id is duplicate or missing, or there are more than ITEMS_MAX items.
    """
    _, named, shelf = _shelf(planogram, detected)
    found = dict(shelf.match()[1])
    return [
        MatchedPosition(position_id=position.id, detected_object=named[found[index]])
        for index, position in enumerate(planogram.positions)
        if index in found
    ]


def compare_with_planogram(planogram: Planogram, detected: ProductRecognitionResult) -> ShelfComparison:
    """What `match_planogram` finds, and beside it what is missing, what stands in a wrong place, and what is too much.

    Raises:
        PlanogramError: as above.
    """
    wanted, named, shelf = _shelf(planogram, detected)
    placement, pairs = shelf.match()
    found = dict(pairs)
    instead = {} if placement is None else shelf.strangers(placement, found)
    positions = [
        ShelfPosition(
            position.id,
            product.name,
            None if placement is None else placement.box(position.x, position.y, product.w, product.h),
            found=named[found[index]] if index in found else None,
            instead=named[instead[index]] if index in instead else None,
        )
        for index, (position, product) in enumerate(zip(planogram.positions, wanted, strict=True))
    ]
    placed = {*found.values(), *instead.values()}
    return ShelfComparison(positions, [product for index, product in enumerate(named) if index not in placed])


def _shelf(
    planogram: Planogram, detected: ProductRecognitionResult
) -> tuple[list[PlanogramProduct], list[DetectedObject], "_Shelf"]:
    """The product of each position, the detected products that have a tag, and the centres and sizes of both."""
    check_planogram(planogram)
    if len(detected.products) > ITEMS_MAX:
        raise PlanogramError("detectedProducts.products", f"at most {ITEMS_MAX:,}, not {len(detected.products):,}")
    named = [product for product in detected.products if product.tags]
    products = {product.id: product for product in planogram.products}
    wanted = [products[position.product_id] for position in planogram.positions]
    corners = np.array([(position.x, position.y) for position in planogram.positions], np.float64).reshape(-1, 2)
    sizes = np.array([(product.w, product.h) for product in wanted], np.float64).reshape(-1, 2)
    boxes = np.array([_box(product) for product in named], np.float64).reshape(-1, 4)
    shelf = _Shelf(
        positions=corners + sizes / 2,
        position_sizes=sizes,
        detections=boxes[:, :2] + boxes[:, 2:] / 2,
        detection_sizes=np.maximum(boxes[:, 2:], 1.0),
        frame=np.array(
            [
                detected.image_metadata.width / planogram.width,
                detected.image_metadata.height / planogram.height,
            ]
        ),
        groups=_groups(
            [product.name for product in wanted], [max(one.tags, key=lambda tag: tag.confidence).name for one in named]
        ),
    )
    return wanted, named, shelf


def check_planogram(planogram: Planogram) -> None:
    """Raises PlanogramError."""
    if len(planogram.positions) > ITEMS_MAX:
        raise PlanogramError("planogram.positions", f"at most {ITEMS_MAX:,}, not {len(planogram.positions):,}")
    lists: dict[str, Sequence[PlanogramProduct | PlanogramFixture | PlanogramPosition]] = {
        "products": planogram.products,
        "fixtures": planogram.fixtures,
        "positions": planogram.positions,
    }
    for kind, items in lists.items():
        seen: set[str] = set()
        for index, item in enumerate(items):
            if item.id in seen:
                raise PlanogramError(f"planogram.{kind}[{index}].id", f"'{item.id[:255]}' is the id of an earlier entry")
            seen.add(item.id)
    products, fixtures = {one.id for one in planogram.products}, {one.id for one in planogram.fixtures}
    for index, position in enumerate(planogram.positions):
        for field, name, known in (
            ("productId", position.product_id, products),
            ("fixtureId", position.fixture_id, fixtures),
        ):
            if name not in known:
                kind = field.removesuffix("Id")
                raise PlanogramError(f"planogram.positions[{index}].{field}", f"planogram.{kind}s has no {kind} '{name[:255]}'")


@dataclass(frozen=True)
class _Placement:
    """From the planogram to the image: pixels = `scale` · units + `shift`, each [x, y]."""

    scale: NDArray[np.float64]
    shift: NDArray[np.float64]

    def __call__(self, points: Points) -> Points:
        return points * self.scale + self.shift

    def box(self, x: float, y: float, w: float, h: float) -> tuple[float, float, float, float]:
        """Left, top, width and height in pixels, of a rectangle in the planogram's units."""
        left, top = (self.scale * (x, y) + self.shift).tolist()
        width, height = (self.scale * (w, h)).tolist()
        return left, top, width, height


Pairs = list[tuple[int, int]]
"""Pairs of the index of a position and the index of a detection."""


@dataclass(frozen=True)
class _Shelf:
    """Centres and sizes of n positions, in the planogram's units, and of m detections, in pixels.

    `frame` is the scale of a photograph that shows exactly the planogram. `groups` has, for each name with both positions and
    detections, the indices of both.
    """

    positions: Points
    position_sizes: Points
    detections: Points
    detection_sizes: Points
    frame: NDArray[np.float64]
    groups: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]

    def match(self) -> tuple[_Placement | None, Pairs]:
        """The pairs of a position and its product, and where the positions are in the image; None without any pair."""
        if not self.groups:
            return None, []
        pairs = np.concatenate([_product(positions, detections) for positions, detections in self.groups])
        usual = np.median(self.detection_sizes[pairs[:, 1]] / self.position_sizes[pairs[:, 0]], axis=0)
        guesses = list(self._guesses(pairs, usual))[: max(3, _SCORING_WORK // len(pairs))]
        scores = np.array([self._score(guess, pairs, usual) for guess in guesses])
        fits = min(_FITTED_GUESSES, max(1, _FITTING_WORK // len(pairs)))
        best = np.argsort(-np.round(scores, 9), kind="stable")[:fits]
        fitted = [self._fitted(guesses[index], usual) for index in best]
        placement = max(fitted, key=lambda placement: round(self._score(placement, pairs, usual), 9))
        found = self._assigned(placement, usual, NEAR)
        return (placement if found else None), found

    def strangers(self, placement: _Placement, found: Mapping[int, int]) -> dict[int, int]:
        """For positions without their product, the nearest other detection that stands there; each detection once.

        Args:
            found: positions with their detections.
        """
        positions = np.array([index for index in range(len(self.positions)) if index not in found], np.int64)
        taken = set(found.values())
        detections = np.array([index for index in range(len(self.detections)) if index not in taken], np.int64)
        off = self.detections[detections][None] - placement(self.positions)[positions][:, None]
        distances = np.hypot(*np.moveaxis(off / (placement.scale * self.position_sizes[positions])[:, None], 2, 0))
        rows, columns = np.nonzero(distances <= NEAR)
        nearest = np.argsort(distances[rows, columns], kind="stable")
        instead: dict[int, int] = {}
        for row, column in zip(rows[nearest], columns[nearest], strict=True):
            position, detection = int(positions[row]), int(detections[column])
            if position not in instead and detection not in taken:
                instead[position] = detection
                taken.add(detection)
        return instead

    def _guesses(self, pairs: NDArray[np.int64], usual: NDArray[np.float64]) -> Iterator[_Placement]:
        """Placements to try, the likeliest first; the order decides if several are equally good."""
        if _plausible(self.frame, usual).all():
            yield _Placement(self.frame, np.zeros(2))
        positions, detections = self.positions[pairs[:, 0]], self.detections[pairs[:, 1]]
        extent = positions.max(axis=0) - positions.min(axis=0)
        span = detections.max(axis=0) - detections.min(axis=0)
        scale = _scale(extent, span, self.position_sizes[pairs[:, 0]].min(axis=0), usual)
        yield _Placement(scale, detections.min(axis=0) - scale * positions.min(axis=0))
        for position, detection in zip(positions[:_SINGLE_GUESSES], detections[:_SINGLE_GUESSES], strict=True):
            yield _Placement(usual, detection - usual * position)
        sizes = self.position_sizes[pairs[:, 0]]
        for first, second in combinations(range(min(_PAIRED_GUESSES, len(pairs))), 2):
            if pairs[first, 0] == pairs[second, 0] or pairs[first, 1] == pairs[second, 1]:
                continue
            apart, seen_apart = positions[second] - positions[first], detections[second] - detections[first]
            scale = _scale(apart, seen_apart, sizes[first], usual)
            yield _Placement(scale, detections[first] - scale * positions[first])

    def _score(self, placement: _Placement, pairs: NDArray[np.int64], usual: NDArray[np.float64]) -> float:
        """How many positions and detections have a partner of the same name nearby; nearer partners count more."""
        off = (self.detections[pairs[:, 1]] - placement(self.positions)[pairs[:, 0]]) / (
            usual * self.position_sizes[pairs[:, 0]]
        )
        gain = np.maximum(0, 1 - np.hypot(off[:, 0], off[:, 1]) / _REACH)
        of_position, of_detection = np.zeros(len(self.positions)), np.zeros(len(self.detections))
        np.maximum.at(of_position, pairs[:, 0], gain)
        np.maximum.at(of_detection, pairs[:, 1], gain)
        return float(of_position.sum() + of_detection.sum())

    def _fitted(self, placement: _Placement, usual: NDArray[np.float64]) -> _Placement:
        """`placement` fitted to the pairs that it forms, until these no longer change."""
        before: Pairs = []
        for _ in range(_FITS_MAX):
            pairs = self._assigned(placement, usual, _REACH)
            if not pairs or pairs == before:
                break
            before = pairs
            indices = np.array(pairs)
            positions, detections = self.positions[indices[:, 0]], self.detections[indices[:, 1]]
            middle, seen_middle = positions.mean(axis=0), detections.mean(axis=0)
            spread = ((positions - middle) ** 2).sum(axis=0)
            together = ((positions - middle) * (detections - seen_middle)).sum(axis=0)
            scale = _scale(spread, together, (self.position_sizes[indices[:, 0]].min(axis=0) / 2) ** 2, usual)
            placement = _Placement(scale, seen_middle - scale * middle)
        return placement

    def _assigned(self, placement: _Placement, usual: NDArray[np.float64], near: float) -> Pairs:
        """The most pairs possible of the same name and at most `near` apart, with the least sum of squared distances."""
        from scipy.optimize import linear_sum_assignment  # takes half a second, too long for the start

        placed = placement(self.positions)
        pairs: Pairs = []
        for positions, detections in self.groups:
            off = self.detections[detections][None] - placed[positions][:, None]
            squares = ((off / (usual * self.position_sizes[positions])[:, None]) ** 2).sum(axis=2)
            allowed = squares <= near**2
            some_positions, some_detections = np.flatnonzero(allowed.any(axis=1)), np.flatnonzero(allowed.any(axis=0))
            kept = np.ix_(some_positions, some_detections)
            # A forbidden pair costs more than all allowed pairs together, so that it is never formed if another is possible.
            dear = near**2 * (len(positions) + 1)
            rows, columns = linear_sum_assignment(np.where(allowed[kept], squares[kept], dear))
            pairs += [
                (int(positions[row]), int(detections[column]))
                for row, column in zip(some_positions[rows], some_detections[columns], strict=True)
                if allowed[row, column]
            ]
        return sorted(pairs)


def _scale(
    units: NDArray[np.float64], pixels: NDArray[np.float64], least_units: NDArray[np.float64], usual: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Pixels per unit on both axes; the usual scale if `units` gives too little information or an impossible scale."""
    told = np.divide(pixels, units, out=np.zeros(2), where=np.abs(units) >= least_units)
    return np.where(_plausible(told, usual), told, usual)


def _plausible(scale: NDArray[np.float64], usual: NDArray[np.float64]) -> NDArray[np.bool_]:
    within: NDArray[np.bool_] = (scale >= usual / _SCALE_FACTOR_MAX) & (scale <= usual * _SCALE_FACTOR_MAX)
    return within


def _groups(wanted: Sequence[str], found: Sequence[str]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """For each name in both lists, its indices in both. Names with the fewest pairs come first: they say the most."""
    counts, seen = Counter(wanted), Counter(found)
    names = sorted((name for name in counts if name in seen), key=lambda name: counts[name] * seen[name])
    return [
        (
            np.array([index for index, other in enumerate(wanted) if other == name], np.int64),
            np.array([index for index, other in enumerate(found) if other == name], np.int64),
        )
        for name in names
    ]


def _product(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each of `first` with each of `second`: int64 [n, 2]."""
    return np.stack([np.repeat(first, len(second)), np.tile(second, len(first))], axis=1)


def _box(product: DetectedObject) -> tuple[int, int, int, int]:
    box = product.bounding_box
    return box.x, box.y, box.w, box.h
