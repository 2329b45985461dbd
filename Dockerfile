# The application for production: built from the hashed lock file, run as a user without rights.
FROM python:3.12.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /app
WORKDIR /source
COPY requirements.lock ./
RUN /app/bin/pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY domain domain
COPY config config
COPY adapters adapters
COPY store store
COPY activities activities
COPY workflows workflows
COPY workers workers
COPY web web
COPY sandbox sandbox
COPY orderwright orderwright
RUN /app/bin/pip install --no-deps .

FROM python:3.12.13-slim-bookworm
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/orderwright orderwright
COPY --from=build /app /app
ENV PATH="/app/bin:$PATH" PYTHONUNBUFFERED=1
USER orderwright
WORKDIR /var/lib/orderwright
ENTRYPOINT ["orderwright"]
CMD ["--help"]
