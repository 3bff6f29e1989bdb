# The project's three images. The programs are static and are not compiled here: `make build` leaves them in
# dist/<os>_<arch>/, for every platform that an image is wanted for. No base image, no package, no shell.
#
#   docker buildx build --target operator --platform linux/amd64,linux/arm64 .

FROM scratch AS operator
ARG TARGETOS
ARG TARGETARCH
COPY dist/${TARGETOS}_${TARGETARCH}/manager /manager
USER 65532:65532
ENTRYPOINT ["/manager"]

FROM scratch AS wrapper
ARG TARGETOS
ARG TARGETARCH
COPY dist/${TARGETOS}_${TARGETARCH}/wrapper /wrapper
USER 65532:65532
ENTRYPOINT ["/wrapper"]

FROM scratch AS supervisor
ARG TARGETOS
ARG TARGETARCH
COPY dist/${TARGETOS}_${TARGETARCH}/supervisor /supervisor
COPY dist/${TARGETOS}_${TARGETARCH}/preflight /preflight
USER 65532:65532
ENTRYPOINT ["/supervisor"]
