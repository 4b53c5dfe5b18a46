# syntax=docker/dockerfile:1
# What runs a model, and nothing of what makes one: docker build -t ctc-asr . && docker run --rm -p 2700:2700 ctc-asr

FROM python:3.13-slim AS build
WORKDIR /src
# wyoming,whisper adds what english-tiny needs.
ARG EXTRAS=wyoming
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY constraints ./constraints
COPY asr ./asr
RUN python -m venv /opt/asr \
    && /opt/asr/bin/pip install --no-cache-dir --no-compile --constraint constraints/python3.13.txt ".[$EXTRAS]" \
    && /opt/asr/bin/pip uninstall --yes pip \
    && find /opt/asr -name tests -type d -prune -exec rm -rf {} +

FROM python:3.13-slim
# ffmpeg reads video and compressed formats that libsndfile does not know; 0 leaves it out.
ARG FFMPEG=0
# hadolint ignore=DL3008
RUN if [ "$FFMPEG" != 0 ]; then \
        apt-get update && apt-get install --yes --no-install-recommends ffmpeg && rm -rf /var/lib/apt/lists/*; \
    fi \
    && groupadd --gid 10001 asr \
    && useradd --create-home --uid 10001 --gid 10001 asr
COPY --from=build /opt/asr /opt/asr
ENV PATH=/opt/asr/bin:$PATH \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /home/asr
# Compiles the numeric code into the user's cache, so that containers start without doing it.
COPY --chown=10001:10001 recipes/english/samples/garden.flac /tmp/garden.flac
RUN asr transcribe --model english /tmp/garden.flac
EXPOSE 2700 10300
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:2700/health', timeout=4)"]
ENTRYPOINT ["asr"]
CMD ["serve", "--host", "0.0.0.0", "--wyoming", "0.0.0.0:10300"]
