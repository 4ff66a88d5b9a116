"""How fast the service trains, an extension of the contract."""

from vision_customization.contract.training_time import Speed
from vision_customization.contract.wire import Wire


class TrainingSpeed(Wire):
    """Extension: how fast the service trains, as its workers measured it; what they have not measured yet is assumed. The
    fields are those of `Speed`, in seconds."""

    embedded_image_seconds: float
    read_image_seconds: float
    step_seconds: float
    start_seconds: float

    def to_speed(self) -> Speed:
        return Speed(**self.model_dump())
