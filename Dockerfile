# The image holds one static program and the few files that it needs. Stages: planner and builder make the program,
# rootfs makes the files, and the last one puts both on BASE. scripts/image.sh can put folders of the host in the place of
# the stages "binary" and "rootfs"; then nothing is pulled.
ARG RUST_IMAGE=docker.io/library/rust:1.95.0-bookworm
# scratch, or a distroless static image by its digest.
ARG BASE=scratch

FROM ${RUST_IMAGE} AS chef
WORKDIR /src
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    cargo install --locked cargo-chef@0.1.78 cargo-auditable@0.7.7

FROM chef AS planner
COPY . .
RUN cargo chef prepare --recipe-path /recipe.json

# Each platform builds for itself, so that C and assembler parts need no cross compiler.
FROM chef AS builder
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
ARG REVISION=unknown REVISION_DATE=unknown
ENV RUSTFLAGS="-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs"
COPY --from=planner /recipe.json /recipe.json
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    cargo chef cook --locked --release --package baton-ping-one \
      --target "$(uname -m)-unknown-linux-gnu" --recipe-path /recipe.json
COPY . .
# The list of what went in is a file of its own, and cargo-auditable keeps it in the program as well.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    target="$(uname -m)-unknown-linux-gnu" \
    && BATON_REVISION="$REVISION" BATON_REVISION_DATE="$REVISION_DATE" cargo auditable build --locked --release --package baton-ping-one --bin baton-ping-one --target "$target" \
    && mkdir /out \
    && cp "target/$target/release/baton-ping-one" /out/baton-ping-one \
    && /out/baton-ping-one --version \
    && cargo metadata --locked --format-version 1 --filter-platform "$target" | python3 scripts/sbom.py baton-ping-one > /out/sbom.cdx.json

FROM scratch AS binary
COPY --from=builder /out/ /

FROM ${RUST_IMAGE} AS files
COPY scripts/rootfs.sh /rootfs.sh
RUN /rootfs.sh /rootfs/files

FROM scratch AS rootfs
COPY --from=files /rootfs/ /

FROM ${BASE}
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="baton-ping-one" \
      org.opencontainers.image.description="PingOne connector for C1" \
      org.opencontainers.image.source="https://github.com/conductorone/baton-ping-one" \
      org.opencontainers.image.documentation="https://github.com/conductorone/baton-ping-one/blob/main/README.md" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=rootfs --chown=0:0 /files/ /
COPY --from=binary --chown=0:0 /sbom.cdx.json /usr/share/baton-ping-one/sbom.cdx.json
COPY --from=binary --chown=0:0 /baton-ping-one /usr/local/bin/baton-ping-one
# A run without C1 writes sync.c1z here; mount a folder over it to keep the file.
WORKDIR /data
USER 65532:65532
EXPOSE 8081
ENTRYPOINT ["/usr/local/bin/baton-ping-one"]
