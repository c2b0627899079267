// @supabase/lite as the tests and `make supabase` run it. dev/local_supabase starts it and sets the LITE_*
// variables; the defaults are for a start by hand.
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";

const env = process.env;
const port = Number(env.LITE_PORT ?? 54321);
const url = `http://127.0.0.1:${port}`;
const siteUrl = env.LITE_SITE_URL ?? "http://localhost:8501";

// lite 0.10.0 renders the timestamps of its auth answers as Postgres does ("2026-01-05 08:00:00+00"); the
// hosted service writes ISO ("2026-01-05T08:00:00+00:00"), and clients that parse strictly refuse the rest.
const TIMESTAMPTZ = 1184;
const iso = (text) => text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00");

async function connect() {
  if (env.LITE_DB_URL) {
    const { createPostgresConnection } = await import("@supabase/lite/postgres");
    return createPostgresConnection({
      url: env.LITE_DB_URL,
      postgresOptions: {
        max: 8,
        onnotice: () => {},
        types: {
          timestamptz: { to: TIMESTAMPTZ, from: [TIMESTAMPTZ], serialize: (text) => text, parse: iso },
        },
      },
    });
  }
  const { createPgliteConnection } = await import("@supabase/lite/pglite");
  // A plain path: with "file:" in front, a folder of that name is made.
  return createPgliteConnection({
    url: env.LITE_PGLITE_DIR,
    pgliteOptions: { parsers: { [TIMESTAMPTZ]: iso } },
  });
}

// lite 0.10.0 answers a CHECK violation with 500; the hosted service with 400 and code 23514.
function answerChecks(connection) {
  const normalize = connection.normalizeDbError.bind(connection);
  connection.normalizeDbError = (error) => {
    const normal = normalize(error);
    if (normal?.code !== "23514") return normal;
    const body = { code: "23514", message: normal.message, details: normal.detail ?? null, hint: null };
    return Object.assign(new Error(JSON.stringify(body)), {
      code: "PGRST",
      detail: JSON.stringify({ status: 400, headers: {} }),
    });
  };
  return connection;
}

// Whoever started the server may run SQL behind the API, over a socket that it handed down: the only way with
// pglite, whose database is in this process. When the other end is gone, so is the reason to run.
function serveSql(connection, fd) {
  const socket = new Socket({ fd });
  const answer = (body) => socket.write(`${JSON.stringify(body)}\n`);
  createInterface({ input: socket })
    .on("line", async (line) => {
      const { statement, values } = JSON.parse(line);
      try {
        const { driver } = connection;
        answer({
          rows: env.LITE_DB_URL
            ? [...(await driver.unsafe(statement, values))]
            : (await driver.query(statement, values)).rows,
        });
      } catch (error) {
        answer({ error: error.message });
      }
    })
    .on("close", () => process.kill(process.pid, "SIGTERM"));
  socket.on("error", () => {});
}

// Mail is not sent but written, one file each. lite builds links on the site's address; on the hosted service
// they lead to the API, which verifies the token and redirects to the site.
const mailFolder = env.LITE_MAIL_DIR;
let mailNumber = 0;
const email = {
  async send({ to, subject, text, html }) {
    if (!mailFolder) return;
    const toApi = (body) => body?.replaceAll(`${siteUrl}/auth/v1/verify`, `${url}/auth/v1/verify`);
    const mail = { to, subject, text: toApi(text), html: toApi(html), sent_at: new Date().toISOString() };
    mailNumber += 1;
    const name = `${Date.now()}-${String(mailNumber).padStart(4, "0")}.json`;
    mkdirSync(mailFolder, { recursive: true });
    // Renamed when whole: whoever lists the folder reads no half-written file.
    writeFileSync(join(mailFolder, `.${name}`), JSON.stringify(mail, null, 2), { mode: 0o600 });
    renameSync(join(mailFolder, `.${name}`), join(mailFolder, name));
  },
};

const connection = answerChecks(await connect());
if (env.LITE_SQL_FD) serveSql(connection, Number(env.LITE_SQL_FD));

export default {
  api: { port },
  connection,
  auth: {
    enabled: true,
    enable_signup: true,
    site_url: siteUrl,
    additional_redirect_urls: [`${siteUrl}/**`],
    jwt_expiry: Number(env.LITE_JWT_EXPIRY ?? 3600),
    jwt_secret: env.LITE_JWT_SECRET ?? "local-only-jwt-secret-of-at-least-32-characters",
    publishable_key: env.LITE_PUBLISHABLE_KEY ?? "sb_publishable_local",
    secret_key: env.LITE_SECRET_KEY ?? "sb_secret_local",
    email: { enable_confirmations: false },
  },
  options: { drivers: { email } },
};
