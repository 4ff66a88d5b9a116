"""The application: all routes, behind the gateway."""

from fastapi import FastAPI

from vision_customization.engine.api.authentication import Authenticator, EntraTokens, KeyRing, KeySource
from vision_customization.engine.api.collaborators import Blobs, Jobs, Models, Prebuilt, Service
from vision_customization.engine.api.connections import Connections
from vision_customization.engine.api.document import describe
from vision_customization.engine.api.errors import answer_errors
from vision_customization.engine.api.gateway import Gateway
from vision_customization.engine.api.metrics import Metrics
from vision_customization.engine.api.routes.analyze import analyze_router
from vision_customization.engine.api.routes.datasets import datasets_router
from vision_customization.engine.api.routes.evaluations import evaluations_router
from vision_customization.engine.api.routes.model_import import imports_router
from vision_customization.engine.api.routes.models import models_router
from vision_customization.engine.api.routes.planogram import planogram_router
from vision_customization.engine.api.routes.probes import engine_version, service_router
from vision_customization.engine.api.routes.products import products_router
from vision_customization.engine.api.routes.published_models import published_models_router
from vision_customization.engine.api.routes.storage_check import storage_router
from vision_customization.engine.objects.store import ObjectStore
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store


def create_app(
    settings: Settings,
    store: Store,
    jobs: Jobs,
    models: Models,
    blobs: Blobs,
    objects: ObjectStore,
    *,
    prebuilt: Prebuilt | None = None,
    connections: Connections | None = None,
    entra_keys: KeySource | None = None,
) -> FastAPI:
    """The ASGI application.

    Args:
        jobs: takes what is to be trained, evaluated and recognized.
        models: answers analyze calls.
        blobs: reads images by URL.
        objects: holds the artifacts.
        prebuilt: answers prebuilt features; without it they are refused.
        connections: those of the server, for /metrics.
        entra_keys: where the public keys of the Entra tenant come from; by default from Entra.
    """
    service = Service(settings, store, jobs, models, blobs, objects, prebuilt)
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
    # First, since routes are tried in turn, and it is asked most.
    app.include_router(analyze_router(service))
    app.include_router(datasets_router(service))
    app.include_router(evaluations_router(service))
    app.include_router(models_router(service))
    app.include_router(imports_router(service))
    app.include_router(published_models_router(service))
    app.include_router(products_router(service))
    app.include_router(planogram_router())
    app.include_router(storage_router(service))
    app.include_router(service_router(service, authenticator, metrics))
    answer_errors(app)
    describe(app, engine_version())
    app.add_middleware(Gateway, authenticator=authenticator, metrics=metrics)
    return app
