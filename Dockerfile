# One image per daemon: `docker build --target delegate .`, and so on for runner, gateway and control-plane; `setup` makes what an
# installation keeps secret. Nothing here needs BuildKit. Behind a proxy: --build-arg HTTPS_PROXY=...; with certificates of a
# company: see deploy/docker/ca.
ARG NODE_IMAGE=node:24-bookworm-slim

# --- what every image begins with ---------------------------------------------------------------------------------------------
FROM ${NODE_IMAGE} AS base
COPY deploy/docker/ca /etc/gitspaces/ca
# An empty file is no trouble: nobody is trusted then besides those that Node knows.
RUN find /etc/gitspaces/ca -name '*.crt' -exec cat {} + > /etc/gitspaces/ca.pem \
 && mkdir /data && chown 1000:1000 /data
ENV NODE_EXTRA_CA_CERTS=/etc/gitspaces/ca.pem

# --- the packages: versions and digests are the lock's ------------------------------------------------------------------------
FROM base AS manifests
ARG npm_config_registry
WORKDIR /opt/gitspaces
COPY package.json package-lock.json .npmrc ./
COPY apps/delegate/package.json apps/delegate/
COPY apps/gateway/package.json apps/gateway/
COPY apps/runner/package.json apps/runner/
COPY packages/agent/package.json packages/agent/
COPY packages/cli/package.json packages/cli/
COPY packages/contracts/package.json packages/contracts/
COPY packages/control-plane/package.json packages/control-plane/
COPY packages/daemon/package.json packages/daemon/
COPY packages/local/package.json packages/local/
COPY packages/providers/package.json packages/providers/
COPY packages/vm-pool/package.json packages/vm-pool/
COPY deploy/docker/install-for deploy/docker/compile.ts deploy/docker/
# The compile cache is its user's own, so it is filled as the user that will read it.
RUN mkdir /var/cache/gitspaces && chown 1000:1000 /var/cache/gitspaces
ENV NODE_COMPILE_CACHE=/var/cache/gitspaces

# --- what every daemon's image is told ----------------------------------------------------------------------------------------
FROM base AS daemon
# Failpoints are refused in production. glibc would keep an arena per core for the few threads of Node's pool.
ENV NODE_ENV=production NODE_COMPILE_CACHE=/var/cache/gitspaces MALLOC_ARENA_MAX=2 GITSPACES_DATA_FOLDER=/data
COPY deploy/docker/health.ts /opt/gitspaces/deploy/docker/
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "--disable-warning=ExperimentalWarning", "/opt/gitspaces/deploy/docker/health.ts"]
USER 1000:1000

# --- delegate -----------------------------------------------------------------------------------------------------------------
FROM manifests AS delegate-files
RUN deploy/docker/install-for apps/delegate
COPY packages/contracts packages/contracts
COPY packages/daemon packages/daemon
COPY apps/delegate apps/delegate
USER 1000:1000
RUN node --max-semi-space-size=2 deploy/docker/compile.ts apps/delegate/src/delegate.ts packages/daemon/src/certificates.ts

FROM daemon AS delegate
COPY --from=delegate-files /opt/gitspaces /opt/gitspaces
COPY --from=delegate-files --chown=1000:1000 /var/cache/gitspaces /var/cache/gitspaces
ENV GITSPACES_ADMIN_LISTEN=127.0.0.1:7411
ENTRYPOINT ["node", "--disable-warning=ExperimentalWarning", "--max-semi-space-size=2", "/opt/gitspaces/apps/delegate/src/main.ts"]

# --- gateway ------------------------------------------------------------------------------------------------------------------
FROM manifests AS gateway-files
RUN deploy/docker/install-for apps/gateway
COPY packages/contracts packages/contracts
COPY packages/daemon packages/daemon
COPY apps/gateway apps/gateway
USER 1000:1000
RUN node deploy/docker/compile.ts apps/gateway/src/gateway.ts packages/daemon/src/certificates.ts

FROM daemon AS gateway
COPY --from=gateway-files /opt/gitspaces /opt/gitspaces
COPY --from=gateway-files --chown=1000:1000 /var/cache/gitspaces /var/cache/gitspaces
ENV GITSPACES_ADMIN_LISTEN=127.0.0.1:7413
EXPOSE 7401 7402 7403
# http-proxy uses a call that Node has deprecated; nobody who reads the gateway's log can mend that.
ENTRYPOINT ["node", "--disable-warning=ExperimentalWarning", "--disable-warning=DEP0060", "/opt/gitspaces/apps/gateway/src/main.ts"]

# --- control plane ------------------------------------------------------------------------------------------------------------
FROM manifests AS control-plane-files
RUN deploy/docker/install-for packages/control-plane
COPY packages/contracts packages/contracts
COPY packages/daemon packages/daemon
COPY packages/control-plane packages/control-plane
USER 1000:1000
RUN node deploy/docker/compile.ts packages/control-plane/src/control-plane.ts

FROM daemon AS control-plane
COPY --from=control-plane-files /opt/gitspaces /opt/gitspaces
COPY --from=control-plane-files --chown=1000:1000 /var/cache/gitspaces /var/cache/gitspaces
ENV GITSPACES_ADMIN_LISTEN=127.0.0.1:7410
EXPOSE 7400
ENTRYPOINT ["node", "--disable-warning=ExperimentalWarning", "/opt/gitspaces/packages/control-plane/src/main.ts"]

# --- runner -------------------------------------------------------------------------------------------------------------------
FROM manifests AS runner-files
RUN deploy/docker/install-for apps/runner
COPY packages/contracts packages/contracts
COPY packages/daemon packages/daemon
COPY packages/vm-pool packages/vm-pool
COPY packages/providers packages/providers
COPY apps/runner apps/runner
USER 1000:1000
RUN node --max-semi-space-size=2 deploy/docker/compile.ts apps/runner/src/runner.ts packages/providers/docker/src/index.ts

FROM daemon AS runner
COPY --from=runner-files /opt/gitspaces /opt/gitspaces
COPY --from=runner-files --chown=1000:1000 /var/cache/gitspaces /var/cache/gitspaces
COPY deploy/docker/with-engine /opt/gitspaces/deploy/docker/
ENV GITSPACES_ADMIN_LISTEN=127.0.0.1:7412
ENTRYPOINT ["node", "--disable-warning=ExperimentalWarning", "--max-semi-space-size=2", "/opt/gitspaces/apps/runner/src/main.ts"]

# --- setup: the runner's packages, and the programs that prepare an installation ----------------------------------------------
FROM runner AS setup
COPY packages/local/src /opt/gitspaces/packages/local/src
COPY deploy/docker/setup.ts deploy/docker/redis-certificate.ts /opt/gitspaces/deploy/docker/
# A new volume takes owner and mode of the folder it is mounted on.
USER 0:0
RUN for name in installation control-plane redis delegate runner gateway redis-data runner-data; do \
      install -d -o 1000 -g 1000 -m 700 "/handed/$name"; done
USER 1000:1000
HEALTHCHECK NONE
ENTRYPOINT ["node", "--disable-warning=ExperimentalWarning", "/opt/gitspaces/deploy/docker/setup.ts"]

# --- vm-image: builds the VMs' image and the default dev container on the engine it is given, from this checkout ----------------
FROM manifests AS vm-image
RUN apt-get -qq -o Acquire::Retries=3 update \
 && apt-get -qq install --yes --no-install-recommends g++ make pkg-config python3 libkrb5-dev libsecret-1-dev >/dev/null \
 && apt-get -qq clean && rm -rf /var/lib/apt/lists/*
# With the pinned Node of the root, which goes into the VMs and whose headers the IDE's native parts are built with.
RUN npm install --no-save --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error --include-workspace-root \
      --workspace packages/agent --workspace packages/local \
 && rm -rf /root/.npm
COPY packages packages
COPY deploy/image deploy/image
COPY deploy/docker/with-engine deploy/docker/
RUN mkdir /cache && chown 1000:1000 /cache
ENV HOME=/cache npm_config_cache=/cache/npm GITSPACES_CACHE_FOLDER=/cache DOCKER_HOST=unix:///var/run/docker.sock
ENTRYPOINT ["deploy/docker/with-engine", "node_modules/.bin/node", "--disable-warning=ExperimentalWarning", \
  "packages/local/src/vm-image-main.ts"]
