"""The pages, by what they show. Each module has its pages' paths, roles and data; their markup is in `templates/`."""

from vision_customization.engine.studio.pages import (
    dataset_health,
    dataset_image,
    dataset_images,
    dataset_pictures,
    dataset_tags,
    datasets,
    home,
    microsoft,
    sign_in,
    try_out,
)

_MODULES = (
    sign_in,
    microsoft,
    home,
    datasets,
    dataset_tags,
    dataset_health,
    dataset_pictures,
    dataset_image,
    dataset_images,
    try_out,
)

PAGES = tuple(page for module in _MODULES for page in module.pages.pages)
