"""`/training:speed`: how fast the engine trains."""

from tests.support.api_world import World
from vision_customization.contract.training_speed import TrainingSpeed


def test_the_speed_is_that_of_the_store(world: World) -> None:
    world.store.speeds.record("step_seconds", 10, 4.0)
    reply = world.call("GET", "training:speed")
    assert reply.status_code == 200
    assert reply.json() == {"embeddedImageSeconds": 0.2, "readImageSeconds": 0.1, "stepSeconds": 0.4, "startSeconds": 60.0}
    assert TrainingSpeed.model_validate(reply.json()).to_speed() == world.store.speeds.get()
