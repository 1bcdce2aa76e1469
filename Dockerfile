# `gensen serve` without Burn: it computes on the CPU, with the model in the box. docs/serving.md has the commands.
FROM rust:1.95-slim-bookworm AS build

# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN cargo build --release --locked --package gensen --no-default-features --features english,hub,serve

# glibc, certificates and an ordinary user (65532), and no shell.
FROM gcr.io/distroless/cc-debian12:nonroot

COPY --from=build /source/target/release/gensen /usr/local/bin/gensen
EXPOSE 8080
USER 65532
ENTRYPOINT ["/usr/local/bin/gensen"]
# All addresses: `docker run --publish` decides which are reachable.
CMD ["serve", "--host", "0.0.0.0", "--port", "8080"]
