"""The engine's own exceptions. Each package of the engine derives its errors from `EngineError`.

```
EngineError
├── SettingsError        settings that contradict themselves or cannot be read
└── store.StoreError     what the store refuses: NotFound, AlreadyExists, WrongState, PreconditionFailed
```
"""


class EngineError(Exception):
    """Something the engine refuses or cannot do; its text is for the person who reads it."""


class SettingsError(EngineError, ValueError):
    """A setting is wrong, or two contradict each other."""
