"""The pages, by what they show. Each module has its pages' paths, roles and data; their markup is in `templates/`."""

from vision_customization.engine.studio.pages import home, microsoft, sign_in

PAGES = (*sign_in.pages.pages, *microsoft.pages.pages, *home.pages.pages)
