"""Orders that are refused for another reason than the state of the store, which raises errors of its own."""

from vision_customization.engine.errors import EngineError


class OrderRefused(EngineError):
    """The order asks for what the engine cannot do; nothing was changed. `target` is the field at fault, as the contract names
    it: `trainingParameters.tiles`. `reason` is the text without it."""

    def __init__(self, target: str, message: str) -> None:
        super().__init__(f"{target}: {message}")
        self.target = target
        self.reason = message
