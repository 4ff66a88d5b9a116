"""The application: all routes, behind the gateway."""

import asyncio
from collections.abc import Callable

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from vision_customization.engine.api.authentication import Authenticator, EntraTokens, KeyRing, KeySource
from vision_customization.engine.api.collaborators import Blobs, Models, Prebuilt, Service
from vision_customization.engine.api.connections import Connections
from vision_customization.engine.api.document import describe
from vision_customization.engine.api.errors import answer_errors
from vision_customization.engine.api.gateway import Gateway
from vision_customization.engine.api.metrics import Metrics
from vision_customization.engine.api.routes import (
    analyze,
    batch_prediction,
    content,
    custom_vision,
    datasets,
    draft_images,
    drafts,
    evaluations,
    judging,
    label_issues,
    model_import,
    models,
    outcomes,
    planogram,
    probes,
    products,
    published_models,
    sign_in_codes,
    storage_check,
    training_speed,
    versions,
)
from vision_customization.engine.api.routes.probes import engine_version
from vision_customization.engine.api.self_test import SelfTest
from vision_customization.engine.drafts.container import Container
from vision_customization.engine.objects.store import ObjectStore
from vision_customization.engine.orders import Jobs
from vision_customization.engine.outcomes.judge import Judge
from vision_customization.engine.samples.keeping import Samples
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store

STUDIO = "/studio"

StudioFactory = Callable[[Service, Authenticator, analyze.Analyzer], ASGIApp]
"""Makes the application behind `/studio`; `engine.studio.create_studio`."""

ROUTERS = (
    analyze.router,  # first: routes are tried in turn, and this one gets the most requests
    datasets.router,
    content.router,
    label_issues.router,
    versions.router,
    drafts.router,
    draft_images.router,
    evaluations.router,
    outcomes.router,
    judging.router,
    models.router,
    model_import.router,
    published_models.router,
    products.router,
    batch_prediction.router,
    planogram.router,
    storage_check.router,
    training_speed.router,
    sign_in_codes.router,
    probes.router,
)


def _studio_home(_: Request) -> Response:
    """`/studio`, as people type it, leads to `/studio/`."""
    return RedirectResponse(f"{STUDIO}/", headers={"Cache-Control": "no-store"})


def create_app(
    settings: Settings,
    store: Store,
    jobs: Jobs,
    models: Models,
    blobs: Blobs,
    objects: ObjectStore,
    *,
    prebuilt: Prebuilt | None = None,
    studio_container: Container | None = None,
    connections: Connections | None = None,
    entra_keys: KeySource | None = None,
    studio: StudioFactory | None = None,
) -> FastAPI:
    """The ASGI application.

    Args:
        jobs: queues trainings, evaluations, product recognition and batch prediction runs, and content indexes.
        models: answers analyze calls.
        blobs: reads images by URL.
        objects: holds the artifacts.
        prebuilt: answers prebuilt features; without it, requests for them are refused.
        studio_container: where drafts and versions are written; without it, there are none.
        connections: the server's connections, for /metrics.
        entra_keys: source of the Entra tenant's public keys; by default Entra itself.
        studio: makes the web pages, which are served under /studio if the settings say so.
    """
    parts = (Judge(objects), Samples(settings, store, objects))
    service = Service(settings, store, jobs, models, blobs, objects, *parts, prebuilt, studio_container)
    authenticator = Authenticator(KeyRing.open(settings), EntraTokens.open(settings, entra_keys))
    metrics = Metrics(store, connections)
    app = FastAPI(
        title="Vision engine",
        summary="Azure AI Vision's model customization, self-hosted.",
        version=engine_version(),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    app.state.service = service
    app.state.authenticator = authenticator
    app.state.metrics = metrics
    app.state.analyzer = analyze.Analyzer(service, metrics)
    app.state.self_test = SelfTest(app.state.analyzer)
    app.state.intake = products.Intake()
    app.state.import_turn = asyncio.Semaphore(1)
    for router in ROUTERS:
        app.include_router(router)
    if settings.custom_vision:
        front = custom_vision.CustomVisionFront(app.state.analyzer, authenticator)
        app.router.routes.append(Route(f"{custom_vision.PREFIX}/{{path:path}}", front))
    if studio is not None and settings.studio_enabled:
        # First: routes are tried in turn, which takes longer than a thumbnail.
        app.router.routes.insert(0, Mount(STUDIO, studio(service, authenticator, app.state.analyzer)))
        app.router.routes.append(Route(STUDIO, _studio_home, methods=["GET"]))
    answer_errors(app)
    describe(app, engine_version())
    app.add_middleware(Gateway, authenticator=authenticator, metrics=metrics, data_dir=service.settings.data_dir)
    return app
