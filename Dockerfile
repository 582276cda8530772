# Builds the service from a clone, with Debian's own packages only.
# To build on the same bytes each time, give the base image by its digest, which `docker buildx imagetools inspect
# debian:bookworm-slim` prints: --build-arg BASE_IMAGE=debian@sha256:… (docs/OPERATIONS.md, Images by digest)
ARG BASE_IMAGE=debian:bookworm-slim
FROM ${BASE_IMAGE} AS build
WORKDIR /offprint
COPY script/packages.txt script/packages.txt
RUN apt-get update \
    && apt-get install --yes --no-install-recommends rustc-web cargo-web \
       $(awk '$2 == "build" { print $1 }' script/packages.txt) \
    && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cargo build --release --locked

# The image has no Postgres programs: the database is elsewhere (DATABASE_URL).
FROM ${BASE_IMAGE}
COPY --from=build /offprint/script/packages.txt /tmp/packages.txt
RUN apt-get update \
    && apt-get install --yes --no-install-recommends $(awk '$2 == "run" { print $1 }' /tmp/packages.txt) \
    && rm -rf /var/lib/apt/lists/* /tmp/packages.txt \
    && mkdir /data && chown 10001:10001 /data
COPY --from=build /offprint/target/release/offprint /usr/local/bin/offprint
COPY LICENSE-MIT LICENSE-APACHE licenses/THIRD-PARTY.txt /usr/share/doc/offprint/
# A numeric user, so that Kubernetes can verify that it is not root.
USER 10001:10001
# It is reachable from outside the container, so it requires API keys: `offprint admin create-key` creates the first.
# It does not start where the kernel or the runtime cannot confine render processes: docs/OPERATIONS.md says what they need.
ENV OFFPRINT_DATA_DIR=/data OFFPRINT_BIND=0.0.0.0:8080 OFFPRINT_AUTH=keys OFFPRINT_SANDBOX=required
VOLUME /data
EXPOSE 8080
# Bash opens the connection: the image needs no HTTP client.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["bash", "-c", \
    "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /health/ready HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["offprint"]
CMD ["serve"]
