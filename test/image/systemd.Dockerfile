# A VM whose first program is systemd, as on a real machine: what provision.sh makes of a system, and the agent.
ARG MACHINE
ARG VM
FROM ${VM} AS vm
FROM ${MACHINE}
RUN apt-get -qq -o Acquire::Retries=3 update \
    && apt-get -qq install -y --no-install-recommends systemd systemd-sysv udev >/dev/null
COPY . /recipe
RUN bash /recipe/provision.sh --systemd
COPY --from=vm /opt/gitspaces/node_modules /opt/gitspaces/node_modules
COPY --from=vm /opt/gitspaces/packages /opt/gitspaces/packages
COPY --from=vm /opt/gitspaces/bin /opt/gitspaces/bin
# A machine's own network settings may be changed, a container's are read-only.
CMD ["sh", "-c", "mount --bind /proc/sys/net /proc/sys/net && mount -o remount,rw,bind /proc/sys/net && exec /sbin/init"]
