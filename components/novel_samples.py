"""The engine's settings that keep images which a classifier finds novel."""


def novel_sample_settings(images: int, days: int) -> dict[str, str]:
    """Environment variables; none if no image is kept."""
    if not images:
        return {}
    return {"VISION_ENGINE_NOVEL_SAMPLES": str(images), "VISION_ENGINE_NOVEL_SAMPLE_DAYS": str(days)}
