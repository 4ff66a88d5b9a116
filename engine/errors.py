"""The engine's own exceptions. Each package of the engine derives its errors from `EngineError`.

```
EngineError
├── SettingsError                settings that contradict themselves or cannot be read
├── annotations.AnnotationError  an annotation file that breaks a rule
├── api.errors.ApiError          a request that the API refuses
├── blob_address.BlobError       a blob that was not read
├── identity.NoToken             the engine's identity gives no token
├── drafts.errors.DraftError     something that can't be done with a draft: see drafts.errors
├── jobs.errors                  a job that ends early
│   ├── JobError: JobFailed, JobCancelled
│   └── SourceUnreachable        a host of blobs does not answer
├── jobs.worker.LockLost         a worker without its lock, so that others assume it is dead
├── learning.LearningError       data that cannot be learnt: ImageError, CodecError, WeightsError, ArtifactError
├── objects.ObjectNotFound       no object has that key
├── objects.ObjectsUnavailable   the container of the objects refuses the engine, or does not answer
├── outcomes.questions.InvalidQuestion  a tag, a threshold or a pair of models that outcomes can't answer
├── prebuilt.ResourceUnavailable the Vision resource gives no answer
├── serving.ModelGone            the model's file does not exist
├── serving.ModelTooSlow         the model takes too long for an image
├── store.sqlite_file.DatabaseDamaged  the engine's database cannot be read any more
├── store.StoreError             a call that the store refuses: see store.errors
└── views.errors.ViewError       a picture that cannot be shown: see views.errors
```
"""


class EngineError(Exception):
    """Something the engine refuses or cannot do. Its text is shown to users."""


class SettingsError(EngineError, ValueError):
    """A setting is wrong, or two contradict each other."""
