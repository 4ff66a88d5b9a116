"""The pages, by what they show. Each module has its pages' paths, roles and data; their markup is in `templates/`."""

from vision_customization.engine.studio.pages import home, microsoft, models, published, sign_in, train, try_out

PAGES = (
    *sign_in.pages.pages,
    *microsoft.pages.pages,
    *home.pages.pages,
    *models.pages.pages,
    *train.pages.pages,
    *published.pages.pages,
    *try_out.pages.pages,
)
