# `gensen serve` on the CPU, without Burn, with the built-in model. Commands: docs/serving.md.
FROM rust:1.95-slim-bookworm AS build

# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN cargo build --release --locked --package gensen --no-default-features --features english,hub,serve

# glibc, CA certificates and a non-root user (65532); no shell.
FROM gcr.io/distroless/cc-debian12:nonroot

COPY --from=build /source/target/release/gensen /usr/local/bin/gensen
EXPOSE 8080
USER 65532
ENTRYPOINT ["/usr/local/bin/gensen"]
# All interfaces; `docker run --publish` selects the reachable ones.
CMD ["serve", "--host", "0.0.0.0", "--port", "8080"]
