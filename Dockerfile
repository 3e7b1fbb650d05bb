# Gavel's image: the binary, what distroless/cc has (libc, libstdc++, CA certificates), nothing else: no shell, no package manager.
#
#   docker buildx build --platform linux/amd64,linux/arm64 .
#
# Each platform is compiled on a machine of its own kind, never emulated: RocksDB under QEMU takes hours.
FROM rust:1.95.0-bookworm@sha256:6258907abe69656e41cd992e0b705cdcfabcbbe3db374f92ed2d47121282d4a1 AS chef
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# libclang for RocksDB's bindings. Not pinned: Debian's archive forgets old versions, and the digest above fixes the release.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libclang-dev \
    && rm -rf /var/lib/apt/lists/* \
    && cargo install cargo-chef --locked --version 0.1.73
WORKDIR /build

FROM chef AS plan
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS build
# Dependencies first: RocksDB, librdkafka and OpenSSL stay in the cache as long as Cargo.lock does.
COPY --from=plan /build/recipe.json recipe.json
RUN cargo chef cook --release --locked --package gavel --recipe-path recipe.json
COPY . .
# Line tables stay in the builder: the image is a third of the size without them.
RUN cargo build --release --locked --package gavel \
    && strip --strip-all --output-file=/gavel target/release/gavel \
    && mkdir /empty

FROM gcr.io/distroless/cc-debian12:nonroot@sha256:9dac0a79194e45a7da0158a9c6da57b217585af0786db3845d1f0ec1a0dd182f
LABEL org.opencontainers.image.title="gavel" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY LICENSE /usr/share/doc/gavel/LICENSE
COPY --from=build --chmod=0555 /gavel /usr/local/bin/gavel
# A volume that is new takes its owner from here.
COPY --from=build --chown=65532:65532 /empty /var/lib/gavel
ENV GAVEL_RUN_DATA_DIR=/var/lib/gavel \
    GAVEL_HTTP_LISTEN=0.0.0.0:9464
USER 65532:65532
EXPOSE 9464
ENTRYPOINT ["/usr/local/bin/gavel"]
CMD ["run"]
