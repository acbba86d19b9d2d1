# Two images from one file: `web` serves the API and the pages and has no torch; `worker` trains.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS web-build
WORKDIR /srv/peft-atlas
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY app app
COPY peft_core peft_core
# Editable: migrations and static files are read from beside the packages.
# Named, because SmolLM2 is prepared with torch: both images do without it.
RUN pip install -c requirements.lock -e . && python -m peft_core.assets minilm tweets dialogues

FROM web-build AS worker-build
# Another index that has PyTorch, for a machine whose CUDA needs another build than the default one, or none at all.
ARG TORCH_INDEX=
RUN pip install -c requirements.lock ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} -e '.[worker]'

FROM python:${PYTHON}-slim AS runtime
RUN useradd --uid 10001 --create-home atlas && install -d -o atlas -g atlas /var/lib/peft-atlas
WORKDIR /srv/peft-atlas
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HF_HUB_OFFLINE=1 \
    HF_HOME=/var/lib/peft-atlas/huggingface \
    PEFT_ATLAS_HOME=/var/lib/peft-atlas
COPY migrations migrations
COPY static static
VOLUME /var/lib/peft-atlas
USER atlas

FROM runtime AS worker
# PyTorch brings CUDA; of the machine it needs the driver, which NVIDIA's container toolkit lends to whoever asks.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=worker-build /opt/venv /opt/venv
COPY --from=worker-build /srv/peft-atlas .
CMD ["peft-atlas", "worker"]

FROM runtime AS web
COPY --from=web-build /opt/venv /opt/venv
COPY --from=web-build /srv/peft-atlas .
EXPOSE 8050
# Beyond loopback: it refuses to start while nobody has an account, and no flag changes that.
CMD ["peft-atlas", "serve", "--host", "0.0.0.0", "--port", "8050"]
