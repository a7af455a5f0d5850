# The command line and `lipschitz worker`, from a clone: docker build -t lipschitz:0.2.0 .
#   docker run --rm -v "$PWD:/work" lipschitz:0.2.0 lipschitz bound net.onnx
#   docker run --rm lipschitz:0.2.0 lipschitz worker --redis rediss://queue.local:6379
FROM node:22-slim AS build
WORKDIR /build
COPY . .
RUN npm ci && npm run build && npm pack --ignore-scripts && mv lipschitz-*.tgz /lipschitz.tgz

FROM node:22-slim
COPY --from=build /lipschitz.tgz /tmp/
RUN npm install -g /tmp/lipschitz.tgz bullmq@6 ioredis@5 onnxruntime-node@1.30 --ignore-scripts \
  && npm cache clean --force && rm /tmp/lipschitz.tgz
USER node
WORKDIR /work
CMD ["lipschitz", "--help"]
