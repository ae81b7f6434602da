# The agent and its libraries on the machine's image: the only layers that a change of the agent's source builds.
ARG MACHINE=gitspaces/vm-machine:latest
FROM ${MACHINE}

COPY node_modules /opt/gitspaces/node_modules
COPY package.json /opt/gitspaces/
COPY packages /opt/gitspaces/packages
COPY bin /opt/gitspaces/bin
RUN /opt/gitspaces/bin/warm

ENV GITSPACES_METADATA_FILE=/etc/gitspaces/metadata.json \
    GITSPACES_STATE_FOLDER=/var/lib/gitspaces/state \
    GITSPACES_HOME=/home-disk \
    GITSPACES_IMAGE_FOLDER=/opt/gitspaces/ide \
    GITSPACES_WORKPLACE=dev-container \
    GITSPACES_ENGINE_COMMAND=/opt/gitspaces/bin/engine \
    MALLOC_ARENA_MAX=2 \
    NODE_ENV=production \
    NODE_COMPILE_CACHE=/opt/gitspaces/compile-cache

VOLUME /var/lib/docker
EXPOSE 8083
STOPSIGNAL SIGTERM
HEALTHCHECK NONE
ENTRYPOINT ["/usr/bin/tini", "--", "/opt/gitspaces/bin/init"]
CMD ["/opt/gitspaces/bin/node", "--max-semi-space-size=1", "--v8-pool-size=1", "--disable-warning=ExperimentalWarning", \
    "/opt/gitspaces/packages/agent/src/main.ts"]
