# One image for the dashboard, its workers and the command line: `docker build -t secondlook .`
# BASE is any image with Python 3.11 or later as `python3`, and its venv module.
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /srv/secondlook
COPY requirements/run.txt requirements/
RUN python3 -m venv /opt/secondlook \
 && /opt/secondlook/bin/pip install --no-cache-dir --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md app.py ./
COPY pages pages
COPY secondlook secondlook
RUN /opt/secondlook/bin/pip install --no-cache-dir --no-deps --no-build-isolation -e . \
 && /opt/secondlook/bin/python -m compileall -q secondlook pages app.py

FROM ${BASE}
COPY --from=build /opt/secondlook /opt/secondlook
COPY --from=build /srv/secondlook /srv/secondlook
WORKDIR /srv/secondlook
# The only folder that anything is written to, besides /tmp.
RUN mkdir -m 0700 /data && chown 10001:10001 /data
ENV PATH=/opt/secondlook/bin:$PATH SECONDLOOK_DATA_DIR=/data HOME=/tmp PYTHONUNBUFFERED=1
USER 10001:10001
VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/healthz', timeout=4)"]
ENTRYPOINT ["secondlook"]
CMD ["serve", "--host", "0.0.0.0"]
