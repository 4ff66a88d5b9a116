"""The pages, by what they show. Each module has its pages' paths, roles and data; their markup is in `templates/`."""

from vision_customization.engine.studio.pages import (
    compare,
    dataset_health,
    dataset_image,
    dataset_images,
    dataset_pictures,
    dataset_tags,
    datasets,
    home,
    judge,
    microsoft,
    models,
    outcome_pictures,
    published,
    sign_in,
    train,
    try_out,
)

PAGES = (
    *sign_in.pages.pages,
    *microsoft.pages.pages,
    *home.pages.pages,
    *datasets.pages.pages,
    *dataset_images.pages.pages,
    *dataset_pictures.pages.pages,
    *dataset_image.pages.pages,
    *dataset_tags.pages.pages,
    *dataset_health.pages.pages,
    *models.pages.pages,
    *train.pages.pages,
    *published.pages.pages,
    *judge.pages.pages,
    *outcome_pictures.pages.pages,
    *compare.pages.pages,
    *try_out.pages.pages,
)
