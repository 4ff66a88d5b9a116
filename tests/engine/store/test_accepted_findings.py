import pytest

from vision_customization.contract.enums import AnnotationKind
from vision_customization.engine.store import NotFound, Store

URI = "https://acct.blob.core.windows.net/c/train.json"


def test_a_finding_stays_accepted_until_it_is_retracted(store: Store) -> None:
    findings = store.accepted_findings
    for _ in range(2):
        findings.accept("cats", "label", "k1", "ann")
    findings.accept("cats", "near", "k1", "ann")
    findings.accept("dogs", "label", "k2", "ann")
    assert findings.keys("cats", "label") == {"k1"}
    findings.retract("cats", "label", "k1")
    findings.retract("cats", "label", "k1")
    assert findings.keys("cats", "label") == frozenset()
    assert findings.keys("cats", "near") == {"k1"}


def test_a_deleted_dataset_forgets_them(store: Store) -> None:
    store.datasets.create("cats", AnnotationKind.IMAGE_CLASSIFICATION, [URI])
    for name in ("cats", "dogs"):
        store.accepted_findings.accept(name, "label", "k", "ann")
    store.datasets.delete("cats")
    assert store.accepted_findings.keys("cats", "label") == frozenset()
    assert store.accepted_findings.keys("dogs", "label") == {"k"}


def test_a_dataset_that_is_not_deleted_keeps_them(store: Store) -> None:
    store.accepted_findings.accept("cats", "label", "k", "ann")
    with pytest.raises(NotFound):
        store.datasets.delete("cats")
    assert store.accepted_findings.keys("cats", "label") == {"k"}
