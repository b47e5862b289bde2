# Sluice in a container: any role, by its command (`run classify`, `run fallback`, …). Node runs the TypeScript
# sources directly, so there is no build step; the dependencies are those of the lockfile, without install scripts.
FROM node:24-slim

ENV NODE_ENV=production SLUICE_HTTP_HOST=0.0.0.0
WORKDIR /app

COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts && npm cache clean --force

COPY LICENSE sluice.yaml ./
COPY schemas schemas
COPY topics topics
COPY models models
COPY prompts prompts
COPY src src

USER node
EXPOSE 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9464/livez', { signal: AbortSignal.timeout(2500) }).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]

ENTRYPOINT ["node", "--disable-warning=TimeoutNegativeWarning", "--disable-warning=ExperimentalWarning", "src/cli/main.ts"]
CMD ["run", "classify"]
