"""Batch prediction runs: a model on every image of a container or of a dataset, and how far each run is."""

from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session

from vision_customization.contract.batch_prediction import AzureBlobResult, AzureBlobSource, BatchPredictionProgress
from vision_customization.contract.datasets import Authentication
from vision_customization.contract.enums import AuthenticationKind, BatchPredictionStatus, ModelStatus
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.blobs.access import Access
from vision_customization.engine.blobs.address import Container
from vision_customization.engine.errors import SettingsError
from vision_customization.engine.store.attempts import AttemptStore
from vision_customization.engine.store.cipher import TokenCipher
from vision_customization.engine.store.database import Database, found
from vision_customization.engine.store.errors import WrongState
from vision_customization.engine.store.models import answers_to
from vision_customization.engine.store.records import BatchPredictionRecord
from vision_customization.engine.store.tables import BatchPredictionRow, ModelRow
from vision_customization.engine.store.transitions import EvaluationEvent, ModelEvent, next_batch_prediction_status


class BatchPredictionStore(
    AttemptStore[BatchPredictionRow, BatchPredictionRecord, BatchPredictionProgress, BatchPredictionStatus]
):
    """A run belongs to a model; `model_name` is the model's own name, or one that it is published under. SAS tokens are
    encrypted with `cipher`."""

    _kind = "batch prediction run"
    _outcome_column = "progress"
    _deletable = "cancel it first, and delete it once it has ended"

    def __init__(self, database: Database, cipher: TokenCipher) -> None:
        super().__init__(database, BatchPredictionRow, BatchPredictionStatus)
        self._cipher = cipher

    def create(
        self,
        model_name: str,
        name: str,
        *,
        source: AzureBlobSource | None = None,
        source_token: SecretStr | None = None,
        dataset_name: str | None = None,
        result: AzureBlobResult | None = None,
        result_token: SecretStr | None = None,
    ) -> BatchPredictionRecord:
        """Raises NotFound (the model), WrongState (it has not succeeded), AlreadyExists."""
        return self._create(
            model_name,
            name,
            source=source.to_wire() if source is not None else None,
            source_token_encrypted=self._cipher.encrypt(source_token) if source_token is not None else None,
            dataset_name=dataset_name,
            result=result.to_wire() if result is not None else None,
            result_token_encrypted=self._cipher.encrypt(result_token) if result_token is not None else None,
        )

    def source_access(self, run: BatchPredictionRecord) -> Access:
        """How the blobs of the run's container are read. Raises SettingsError if its token was encrypted with another key."""
        assert run.source is not None
        return self._access(run.source.container_url, run.source.authentication, run.source_token_encrypted)

    def result_access(self, run: BatchPredictionRecord) -> Access:
        """How the run's result is written. Raises SettingsError as `source_access` does."""
        assert run.result is not None
        container = Container.of(run.result.blob_url).url
        return self._access(container, run.result.authentication, run.result_token_encrypted)

    def report_progress(self, run_id: str, progress: BatchPredictionProgress) -> None:
        """Store how far a run is; ignored once it has ended. Raises NotFound."""
        with self._database.writing() as session:
            row = self._by_id(session, run_id, lock=True)
            if not BatchPredictionStatus(row.status).final:
                row.progress = progress.to_wire()
                row.updated = self._database.now()

    def tell_waiting(self, run_id: str, why: str) -> None:
        """Say what a run waits for, until its next progress. Raises NotFound."""
        with self._database.writing() as session:
            row = self._by_id(session, run_id, lock=True)
            if not BatchPredictionStatus(row.status).final:
                row.progress = {**(row.progress or {}), "message": why}

    def request_cancellation(self, model_name: str, name: str) -> BatchPredictionRecord:
        """Ask a run to stop: it is `cancelling` until its worker reports `cancel`; one that has not begun is `cancelled` at
        once, and the worker that takes it from the queue skips it. Raises NotFound, WrongState."""
        with self._database.writing() as session:
            model = self._model(session, model_name)
            row = self._find(session, model, name, lock=True)
            status = BatchPredictionStatus(row.status)
            if status.final:
                raise WrongState(self._kind, name, row.status, "only a run that has not ended can be cancelled")
            begun = status is not BatchPredictionStatus.NOT_STARTED
            changed = next_batch_prediction_status(status, ModelEvent.REQUEST_CANCEL if begun else ModelEvent.CANCEL)
            if changed is not status:
                row.status = changed.value
                row.updated = self._database.now()
            return self._record(row, model.name)

    def cancel(self, run_id: str) -> BatchPredictionRecord:
        """The run has stopped because it was asked to. Raises NotFound."""
        return self._report(run_id, ModelEvent.CANCEL)

    def cancellation_requested(self, run_id: str) -> bool:
        """Whether a run should stop; also true for one that was deleted with its model."""
        with self._database.reading() as session:
            status = session.scalar(select(BatchPredictionRow.status).where(BatchPredictionRow.id == run_id))
        return status not in (BatchPredictionStatus.NOT_STARTED.value, BatchPredictionStatus.RUNNING.value)

    def _access(self, scope: str, authentication: Authentication | None, token: str | None) -> Access:
        try:
            sas = self._cipher.decrypt(token) if token is not None else None
        except SettingsError:
            raise SettingsError(
                "The SAS token of the run cannot be decrypted: it was encrypted with another token key. Delete the run and "
                "create it again."
            ) from None
        kind = authentication.kind if authentication is not None else None
        return Access(sas, kind in (None, AuthenticationKind.MANAGED_IDENTITY), (scope,))

    def _model(self, session: Session, name: str, *, lock: bool = False) -> ModelRow:
        return found(session, select(ModelRow).where(answers_to(name)), "model", name, lock=lock)

    def _check_model(self, model: ModelRow) -> None:
        if model.status != ModelStatus.SUCCEEDED.value:
            raise WrongState("model", model.name, model.status, "only a model that has succeeded can predict")

    def _next(self, status: BatchPredictionStatus, event: EvaluationEvent | ModelEvent) -> BatchPredictionStatus:
        return next_batch_prediction_status(status, ModelEvent(event))

    def _record(self, row: BatchPredictionRow, model_name: str) -> BatchPredictionRecord:
        return BatchPredictionRecord(
            id=row.id,
            name=row.name,
            model_id=row.model_id,
            model_name=model_name,
            status=BatchPredictionStatus(row.status),
            created=row.created,
            updated=row.updated,
            source=AzureBlobSource.model_validate(row.source) if row.source is not None else None,
            dataset_name=row.dataset_name,
            result=AzureBlobResult.model_validate(row.result) if row.result is not None else None,
            progress=BatchPredictionProgress.model_validate(row.progress or {}),
            error=ErrorDetails.model_validate(row.error) if row.error is not None else None,
            source_token_encrypted=row.source_token_encrypted,
            result_token_encrypted=row.result_token_encrypted,
        )
