FROM debian:12-slim
COPY app /app
ENTRYPOINT ["/app"]
