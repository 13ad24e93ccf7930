# Quicksilver as a BIDS App, for the CPU:
#   docker build -t quicksilver .
#   docker run --rm -v BIDS:/bids:ro -v OUT:/out quicksilver /bids /out participant
# With --build-arg TORCH_INDEX=ADDRESS, that of PyTorch's index of CPU builds, the image is gigabytes smaller.
FROM python:3.13-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends g++
WORKDIR /source
COPY . .
RUN QS_CUDA=OFF pip wheel --no-deps --wheel-dir /wheel .

FROM python:3.13-slim
ARG TORCH=torch==2.13.0
ARG TORCH_INDEX=
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
RUN pip install --no-cache-dir ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$TORCH"
COPY --from=build /wheel /wheel
RUN pip install --no-cache-dir "$(echo /wheel/*.whl)[strip]"
# Matplotlib keeps a list of fonts, where whoever runs the container may have no home.
ENV MPLCONFIGDIR=/tmp/matplotlib
ENTRYPOINT ["quicksilver-bids"]
