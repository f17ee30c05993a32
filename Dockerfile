# syntax=docker/dockerfile:1
# Driftline in an image with nothing but the C library, OpenSSL and certificates: no shell, no package manager, not root.
#
#   docker build --tag driftline:local .
#
# Both stages are of Debian 12: the binary finds the libraries that it was linked with (libssl and libcrypto for Kafka
# over TLS, libgcc_s, libc; zstd and zlib are inside it). To pin a base image for good, write its digest behind its tag:
# `docker buildx imagetools inspect IMAGE:TAG` shows it, `IMAGE:TAG@sha256:…` is how it is written.

FROM rust:1.95.0-slim-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential pkg-config libssl-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY crates crates
# A member of the workspace, without which cargo does not read it; nothing of it is built.
COPY tests tests
# Shown by driftline_build_info.
ARG DRIFTLINE_COMMIT=""
ENV CARGO_PROFILE_RELEASE_DEBUG=0 CARGO_PROFILE_RELEASE_STRIP=symbols
# Dependencies stay built in the cache from one build to the next.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked --package driftline --bin driftline \
    && install -D target/release/driftline /out/bin/driftline \
    && mkdir -p /out/state

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/bin/driftline /usr/local/bin/driftline
# A named volume that is mounted here takes over the owner.
COPY --from=build --chown=65532:65532 /out/state /var/lib/driftline
# Fails the build if a shared library is missing.
RUN ["/usr/local/bin/driftline", "--version"]
USER 65532:65532
WORKDIR /var/lib/driftline
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/driftline"]
CMD ["--help"]
