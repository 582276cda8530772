// A small identity provider (OpenID Connect) for the pages: discovery, a page with two buttons, tokens that are signed with RS256
// by a key of its own. It checks what the service sends, and has one person, Olivia.
// identity_provider.mjs PORT CLIENT_ID CLIENT_SECRET REDIRECT_URI
import { createHash, createSign, generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";

const [port, clientId, clientSecret, redirectUri] = process.argv.slice(2);
const issuer = `http://localhost:${port}`;
const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const codes = new Map();
let lastCallback = "";

const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

function signToken(nonce) {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: issuer, sub: "7d9c", aud: [clientId], azp: clientId, iat: now, exp: now + 300, nonce,
    preferred_username: "olivia", email: "olivia@example.org", email_verified: true, groups: ["exporters"],
  };
  const message = `${encode({ alg: "RS256", kid: "one", typ: "JWT" })}.${encode(claims)}`;
  return `${message}.${createSign("RSA-SHA256").update(message).sign(privateKey, "base64url")}`;
}

/** The page, where the browser is asked. */
function showPage(query) {
  const wanted = { response_type: "code", client_id: clientId, redirect_uri: redirectUri, code_challenge_method: "S256" };
  const wrong = Object.keys(wanted).filter((name) => query.get(name) !== wanted[name]);
  const missing = ["state", "nonce", "code_challenge"].filter((name) => (query.get(name) ?? "").length < 43);
  if (wrong.length || missing.length) return [400, "text/plain", `wrong: ${[...wrong, ...missing]}`];
  const hidden = ["state", "nonce", "code_challenge"].map((name) => `<input type="hidden" name="${name}" value="${query.get(name)}">`);
  const buttons = ["Allow", "Deny"].map((name) => `<button name="answer" value="${name}">${name}</button>`);
  return [200, "text/html", `<!doctype html><title>Provider</title><link rel="icon" href="data:,"><form method="post" action="/decide">${hidden.join("")}${buttons.join("")}</form>`];
}

/** What was clicked: sends the browser back. */
function decide(form) {
  const answer = new URLSearchParams({ state: form.get("state"), iss: issuer });
  if (form.get("answer") === "Allow") {
    const code = randomBytes(32).toString("base64url");
    codes.set(code, form);
    answer.set("code", code);
  } else {
    answer.set("error", "access_denied");
  }
  lastCallback = `${redirectUri}?${answer}`;
  return [303, "text/plain", "", { location: lastCallback }];
}

function redeem(form, authorization) {
  const refuse = (error) => [400, "application/json", JSON.stringify({ error })];
  if (authorization !== `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString("base64")}`) return refuse("invalid_client");
  const issued = codes.get(form.get("code"));
  codes.delete(form.get("code"));
  const challenge = createHash("sha256").update(form.get("code_verifier") ?? "").digest("base64url");
  const isRight = issued && issued.get("code_challenge") === challenge && form.get("redirect_uri") === redirectUri;
  if (!isRight) return refuse("invalid_grant");
  return [200, "application/json", JSON.stringify({ id_token: signToken(issued.get("nonce")), token_type: "Bearer", access_token: "unused" })];
}

const configuration = {
  issuer, authorization_endpoint: `${issuer}/page`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/keys`,
  authorization_response_iss_parameter_supported: true, token_endpoint_auth_methods_supported: ["client_secret_basic"],
};
const keys = { keys: [{ ...publicKey.export({ format: "jwk" }), kid: "one", alg: "RS256", use: "sig" }] };

function answerRequest(method, url, body, headers) {
  const form = new URLSearchParams(body);
  switch (`${method} ${url.pathname}`) {
    case "GET /.well-known/openid-configuration": return [200, "application/json", JSON.stringify(configuration)];
    case "GET /keys": return [200, "application/json", JSON.stringify(keys)];
    case "GET /page": return showPage(url.searchParams);
    case "POST /decide": return decide(form);
    case "POST /token": return redeem(form, headers.authorization);
    case "GET /last-callback": return [200, "application/json", JSON.stringify({ address: lastCallback })];
    default: return [404, "text/plain", "nothing here"];
  }
}

createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  const [status, type, text, headers = {}] = answerRequest(request.method, new URL(request.url, issuer), body, request.headers);
  response.writeHead(status, { "content-type": type, ...headers }).end(text);
}).listen(Number(port), () => console.log(`An identity provider answers at ${issuer}`));
process.on("SIGTERM", () => process.exit(0));
