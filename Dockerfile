# vision-engine, the self-hosted service: `docker run` it as docs/engine.md says. `make image` builds it.
#
# One base for both stages: the environment that the first makes runs on the Python of the second. Tag and digest change together.
ARG PYTHON=python:3.13-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

FROM ${PYTHON} AS build
ENV VISION_CACHE_DIR=/cache
WORKDIR /src
# What changes least comes first: each RUN is a layer that stays as long as what it was made from.
COPY pyproject.toml requirements-engine.lock ./
COPY common/__init__.py common/__init__.py
COPY common/cache_folder.py common/cache_folder.py
COPY toolchain toolchain
RUN python -m toolchain.image packages --to /opt/vision-engine
RUN python -m toolchain.setup --only studio
COPY README.md LICENSE NOTICE ./
COPY src src
COPY common common
COPY components components
COPY contract contract
COPY customization customization
COPY engine engine
RUN python -m toolchain.image engine --to /opt/vision-engine
RUN python -m toolchain.image weights --to /opt/vision-engine

FROM ${PYTHON}
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="vision-engine" \
      org.opencontainers.image.description="Azure AI Vision's model customization, self-hosted" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/vision-engine /opt/vision-engine
# The one folder that is written, beside /tmp: everything else may be read-only, and belongs to root.
RUN install -d -o 10001 -g 10001 /data
ENV PATH=/opt/vision-engine/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    VISION_ENGINE_HOST=0.0.0.0 \
    VISION_ENGINE_PORT=8080 \
    VISION_ENGINE_DATA_DIR=/data \
    VISION_ENGINE_WEIGHTS_DIR=/opt/vision-engine/weights
# A number, so that an orchestrator can see that it is not root.
USER 10001:10001
VOLUME /data
EXPOSE 8080
# A worker answers where VISION_ENGINE_HEALTH_PORT says; no proxy stands between a container and itself.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", "import os, urllib.request as r; e = os.environ; p = e.get('VISION_ENGINE_HEALTH_PORT') or e['VISION_ENGINE_PORT']; r.build_opener(r.ProxyHandler({})).open(f'http://127.0.0.1:{p}/healthz', timeout=4)"]
ENTRYPOINT ["vision-engine"]
CMD ["serve"]
