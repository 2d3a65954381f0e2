# The image `borgpull`: borg, sshfs, socat, OpenSSH and the package. No registry is needed but for the
# base; `make image` builds it, and makes the base by debootstrap where none can be pulled.
#
# No `# syntax=` line, heredoc or COPY --link: it must build with the BuildKit of Docker 20.10.
ARG BASE=debian:trixie-slim

FROM $BASE AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev pkg-config python3-dev python3-pip \
      libacl1-dev liblz4-dev libssl-dev libxxhash-dev libzstd-dev
WORKDIR /build
COPY images/sidecar/*.lock ./
# The secret is the host's CA bundle, for builds behind a proxy that inspects TLS; never a layer.
RUN --mount=type=secret,id=ca \
    if [ -f /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    pip="python3 -m pip --disable-pip-version-check --no-cache-dir install --break-system-packages \
         --require-hashes --no-deps --ignore-installed" \
 && $pip -r build.lock \
 && $pip --no-build-isolation --no-binary borgbackup --prefix /out -r borg.lock \
 && $pip --prefix /out -r requirements.lock
# --prefix follows Debian's layout (/out/local/lib/python3.13/dist-packages). Everything must live
# below /usr, because a job binds nothing else of the image into its jail.
# borg's own `testsuite` stays: its self-test needs it. Of the languages that pygments
# can highlight only Python (and plain text) is ever shown, in a traceback of textual's; the others
# are 8 MB.
RUN rm -rf /out/local/share \
 && find /out -type d -name tests -prune -exec rm -rf {} + \
 && find /out -path '*/pygments/lexers/*' -type f \
      ! -name '__init__.*' ! -name '_mapping.*' ! -name 'python.*' ! -name 'special.*' -delete \
 && find /out -name '*.so' -exec strip --strip-unneeded {} + \
 && sed -i '1s|.*|#!/usr/bin/python3|' /out/local/bin/borg \
 && python3 -m compileall -q -j 2 /out/local/lib

FROM $BASE AS system
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates- fuse3 libacl1 liblz4-1 libssl3t64 \
      libnss-wrapper libsodium23 libxxhash0 libzstd1 openssh-client openssh-server python3 socat sshfs tini \
 && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* /usr/share/doc/* /usr/share/man/* \
      /usr/share/info/* /usr/share/locale/* /etc/ssh/ssh_host_* \
 && useradd --uid 1000 --no-create-home --home-dir / --shell /bin/sh borgpull \
 && rm -f /etc/*- \
 && mkdir -m 0755 /repo /state && mkdir -m 0700 /scratch && mkdir -p -m 0755 /run/secrets
# ssh refuses to run for a user id without a name: 1000 is the one for containers without root; any other
# gets one by libnss-wrapper (cli/somebody.py). sshd runs forced commands by the user's shell, and tells
# every client if there is no home.
COPY --from=build /out/local /usr/local

# What methods that run borg on the client send there. Apart, so that it does not depend on the package.
FROM system AS runtime
COPY images/sidecar/pack_runtime.py /build/
RUN python3 /build/pack_runtime.py /out \
 && mkdir /build/runtime \
 && tar -xzf /out/runtime.tar.gz -C /build/runtime \
 && env -i /build/runtime/borg --version

FROM system
COPY --from=runtime /out /usr/local/share/borgpull
COPY images/sidecar/borgpull /usr/local/bin/borgpull
COPY borgpull /usr/local/lib/python3.13/dist-packages/borgpull
RUN python3 -m compileall -q /usr/local/lib/python3.13/dist-packages/borgpull
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="borgpull" \
      org.opencontainers.image.description="Pull backups with borg: sshfs, borg and socat in one sidecar" \
      org.opencontainers.image.licenses="BSD-3-Clause" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
# BORGPULL_SIDECAR says that jobs run here, not in a container started from here.
ENV BORGPULL_SIDECAR=1 LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
ENTRYPOINT ["/usr/bin/tini", "--", "borgpull"]
CMD ["--help"]
