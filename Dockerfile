# One image for every service; docker-compose.yml says which: python -m writer, and so on.
FROM python:3.12.12-slim-bookworm AS packages

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements.txt .
RUN python -m venv /venv && /venv/bin/pip install --require-hashes -r requirements.txt \
    && /venv/bin/pip uninstall --yes pip

FROM python:3.12.12-slim-bookworm

ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

# smartmontools: what drives say of themselves, where the daemon's container is given any
# (docs/drives.md). openssl: the health check of a gateway that speaks TLS.
RUN apt-get update && apt-get install -y --no-install-recommends openssl smartmontools \
    && rm -rf /var/lib/apt/lists/*

COPY --from=packages /venv /venv
WORKDIR /app
COPY spindle spindle
COPY daemon daemon
COPY writer writer
COPY reader reader
COPY client client
COPY gateway gateway
# A checkout made with umask 077 has files that only its owner may read.
RUN chmod -R a+rX . && python -m compileall -q spindle daemon writer reader client gateway

# .spindle holds what a service keeps: the client's log, an SQLite file if STORE_URL names one. A
# volume mounted there is owned by this user from the start.
RUN useradd --system --uid 10001 spindle && mkdir .spindle && chown spindle .spindle
USER spindle

ENV HTTP_HOST=0.0.0.0
CMD ["python", "-c", "raise SystemExit('name a service: python -m daemon, writer, reader, client or gateway')"]
