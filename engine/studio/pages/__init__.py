"""The pages, by what they show. Each module has its pages' paths, roles and data; their markup is in `templates/`."""

from vision_customization.engine.studio.pages import (
    compare,
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
    *models.pages.pages,
    *train.pages.pages,
    *published.pages.pages,
    *judge.pages.pages,
    *outcome_pictures.pages.pages,
    *compare.pages.pages,
    *try_out.pages.pages,
)
