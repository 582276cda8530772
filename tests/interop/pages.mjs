// The pages as people use them, in Chromium: a link is opened on a phone while its job runs, progress moves, one item
// fails, the zip and a file are downloaded and compared; withdrawn and unknown links; signing in at an identity provider, by
// mail and by key, and Swagger UI while signed in; without scripts; with the keyboard; 320 pixels wide. axe-core looks at every page in both
// themes. No console error, no violation of the policy, no request to another host.
// pages.mjs URL CHROMIUM IMAGES MAILS SCREENSHOTS [KEY PROVIDER]; runs where playwright-core and axe-core are installed.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { assert, openBrowser, phone } from "./browser.mjs";
const [url, executablePath, images, mails, screenshots, key, provider] = process.argv.slice(2);
const tools = await openBrowser({ url, executablePath, screenshots, key, provider });
const { openWindow, check, call } = tools;

/** The newest mail to an address, once it is there. */
async function waitForMail(address, since) {
  for (let tries = 0; tries < 100; tries += 1) {
    for (const file of existsSync(mails) ? readdirSync(mails, { withFileTypes: true }) : []) {
      if (!file.name.endsWith(".eml")) continue;
      const text = readFileSync(join(mails, file.name), "utf8").replaceAll("=\r\n", "");
      if (text.includes(`To: ${address}`) && !since.has(file.name)) return { name: file.name, text };
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`No mail to ${address} arrived`);
}

// ---- A job with many images, of which one is broken -------------------------------------------------------------------

const form = new FormData();
form.append("folder", "spring/shoes");
// Not the largest: on a busy machine its renders take longer than they may.
const names = readdirSync(images).filter((name) => !name.includes("12 MP"));
for (const name of names) form.append("file", new Blob([readFileSync(join(images, name))]), name);
const broken = readFileSync(join(images, names[0])).subarray(0, 2000);
form.append("file", new Blob([broken]), "broken.png");
const { assets } = await call("POST", "/assets", form);
// Each image once in a size of its own, so that nothing is in the cache.
const renditions = Array.from({ length: 8 }, (_, index) => ({ name: `r${index}`, is_modifier: `wid=${1400 + index + (Date.now() % 97)}&fmt=png` }));
const job = await call("POST", "/export-jobs", {
  assetHandleArray: assets.map((asset) => asset.assetHandle), fmt: "convert", renditions, emailSetting: "All",
  notifyEmails: ["agency@example.org"], description: "For the agency.", timeZone: "Europe/Amsterdam",
  // It begins when its page has been looked at.
  execTime: "2099-01-01T00:00:00Z",
});
const link = (await call("POST", `/export-jobs/${job.jobHandle}/links`, {})).url;
const address = url + new URL(link).pathname;

// ---- The link while the job runs ----------------------------------------------------------------------------------------

const page = await openWindow(phone);
await page.goto(address);
const percents = new Set();
const withoutScripts = await openWindow({ ...phone, javaScriptEnabled: false });
await withoutScripts.goto(address);
const refresh = await withoutScripts.locator('meta[http-equiv="refresh"]').count();
assert(refresh === 1, "without scripts the page loads itself again");
await page.locator("progress").waitFor();
await check(page, "");
await call("POST", `/export-jobs/${job.jobHandle}/run`);
await page.waitForFunction(() => document.querySelector("progress")?.value > 3);
await page.screenshot({ path: join(screenshots, "link-running-light.png") });
while (await page.locator("progress").count()) {
  percents.add(await page.locator("progress").evaluate((bar) => bar.value).catch(() => null));
  await new Promise((resolve) => setTimeout(resolve, 100));
}
assert(percents.size >= 3, `the progress moves: ${[...percents]}`);
await page.locator(".button").waitFor();
assert((await page.locator("h1").innerText()).includes(`${assets.length} assets from spring/shoes`), "the job has a name");
const failures = await page.locator(".failures").innerText();
assert(failures.includes("broken.png"), `the failure is told: ${failures}`);
await page.locator(".files img").first().evaluate((image) => image.decode());
await check(page, "link-ready");
const time = await page.locator("time").innerText();
assert(!time.includes("UTC"), `times are in the reader's zone: ${time}`);

/** Clicks, and the bytes that were saved. */
async function download(window, locator) {
  const saved = window.waitForEvent("download");
  await locator.click();
  return readFileSync(await (await saved).path());
}
const zip = await download(page, page.locator(".button"));
const expected = Buffer.from(await (await fetch(address)).arrayBuffer());
assert(zip.equals(expected) && zip.subarray(0, 2).toString() === "PK", "the zip is the same that programs get");
const file = await download(page, page.locator(".files a").first());
assert(file.subarray(1, 4).toString() === "PNG", "a single file can be downloaded");
await withoutScripts.goto(address);
const again = await download(withoutScripts, withoutScripts.locator(".button"));
assert(again.equals(expected), "without scripts, too");

// With the keyboard: the first stop skips to the content, and what has the focus can be seen.
await page.goto(address);
await page.keyboard.press("Tab");
const focus = await page.evaluate(() => {
  const { outlineStyle } = getComputedStyle(document.activeElement);
  return { name: document.activeElement.className, x: document.activeElement.getBoundingClientRect().x, outlineStyle };
});
assert(focus.name === "skip" && focus.x >= 0 && focus.outlineStyle !== "none", `the skip link: ${JSON.stringify(focus)}`);
await page.keyboard.press("Enter");
assert((await page.evaluate(() => document.activeElement.id)) === "content", "it leads to the content");

// The mail's link is for people without an account.
const mail = await waitForMail("agency@example.org", new Set());
const mailed = mail.text.match(/\/downloads\/[\w-]+/)[0];
await page.goto(url + mailed);
assert((await page.locator(".button").count()) === 1, "the mail's link leads to the files");

// ---- Links that lead nowhere, the start page, errors ------------------------------------------------------------------

const { items: links } = await call("GET", `/export-jobs/${job.jobHandle}/links`);
for (const { linkHandle } of links) await call("DELETE", `/export-jobs/${job.jobHandle}/links/${linkHandle}`);
for (const [path, title, name] of [
  [new URL(address).pathname, "This link was withdrawn", "link-withdrawn"],
  ["/downloads/nothing", "This link is not known", ""],
  ["/nowhere", key ? "Please sign in" : "There is nothing here", "error"],
  ["/problems/not-found", "Not found", ""],
  ["/", "Export many stored images in one job", "start"],
]) {
  await page.goto(url + path);
  const shown = await page.locator("h1").innerText();
  assert(shown.trim() === title, `${path}: ${shown}`);
  await check(page, name);
}
const dutch = await openWindow({ ...phone, locale: "nl-NL" });
await dutch.goto(url + "/downloads/nothing");
assert((await dutch.locator("h1").innerText()).trim() === "Deze link is niet bekend", "in the reader's language");

// ---- Signing in -------------------------------------------------------------------------------------------------------------

if (key) {
  const before = new Set(readdirSync(mails));
  await page.goto(url + "/export-jobs");
  await page.locator("main .button").click();
  await check(page, "sign-in");
  await page.locator("#key").fill("op_wrong");
  await page.locator("form", { has: page.locator("#key") }).locator("button").click();
  assert((await page.locator(".mistake").innerText()).includes("not known"), "a wrong key is refused");
  await check(page, "");
  await page.locator("#email").fill("pat@example.org");
  await page.locator("form", { has: page.locator("#email") }).locator("button").click();
  await check(page, "");
  const { text } = await waitForMail("pat@example.org", before);
  await page.goto(url + text.match(/\/sign-in\/mail\/[\w-]+/)[0]);
  await check(page, "sign-in-by-mail");
  await page.locator("main form button").click();
  await page.goto(url + "/");
  assert((await page.locator("header").innerText()).includes("pat"), "signed in by mail");
  await check(page, "signed-in");
  await page.locator("header form button").click();
  assert((await page.locator("header form").count()) === 0, "signed out");

  // At the identity provider, from the page that asked for it, and back to it. Its page is another site, so the cookie must
  // be one that comes with the way back.
  await page.goto(url + "/export-jobs");
  await page.locator("main .button").click();
  await page.locator('a[href*="/sign-in/oidc"]').click();
  await page.waitForURL(`${provider}/**`);
  await page.getByRole("button", { name: "Deny" }).click();
  await page.waitForURL(`${url}/**`);
  assert((await page.locator("h1").innerText()).includes("You were not signed in"), "what the provider refuses is told");
  await check(page, "sign-in-refused");
  await page.locator("main .button").click();
  await page.locator('a[href*="/sign-in/oidc"]').click();
  await page.getByRole("button", { name: "Allow" }).click();
  await page.waitForURL(`${url}/**`);
  const used = page.url();
  await page.goto(url + "/");
  assert((await page.locator("header").innerText()).includes("olivia"), `signed in at the provider: ${used}`);
  await check(page, "");
  const answers = await Promise.all(["/assets", "/api-keys"].map((path) => page.request.get(url + path)));
  assert(answers.map((answer) => answer.status()).join() === "200,403", "with what the provider's claim gives, and no more");
  await page.locator("header form button").click();
  assert((await page.locator("header form").count()) === 0, "signed out");
  // From the start page, in Dutch; and once more with the answer of before.
  await dutch.goto(url + "/");
  await check(dutch, "start-with-provider");
  await dutch.locator('main a[href*="/sign-in/oidc"]').click();
  await dutch.getByRole("button", { name: "Allow" }).click();
  await dutch.waitForURL(`${url}/`);
  assert((await dutch.locator("header").innerText()).includes("olivia"), "back on the start page");
  const callback = (await (await fetch(`${provider}/last-callback`)).json()).address;
  await dutch.goto(callback);
  assert((await dutch.locator("h1").innerText()).includes("Log opnieuw in"), "an answer signs in once");
  await check(dutch, "");
  await dutch.goto(url + "/");
  await dutch.locator("header form button").click();

  await page.goto(url + "/sign-in");
  await page.locator("#key").fill(key);
  await page.locator("form", { has: page.locator("#key") }).locator("button").click();
  await page.locator("header form button").waitFor();
  // Swagger UI writes for a browser that is signed in, without a key in its dialog.
  const swagger = await page.context().newPage();
  await swagger.setViewportSize({ width: 1200, height: 900 });
  await swagger.goto(url + "/swagger-ui/");
  const block = swagger.locator(".opblock-put").filter({ has: swagger.locator('[data-path="/image-presets/{name}"]') });
  await block.locator(".opblock-summary-control").click();
  await block.locator('tr[data-param-name="name"] input').fill("clicked");
  await block.locator("textarea.body-param__text").fill(JSON.stringify({ urlModifier: "wid=10" }));
  const answer = swagger.waitForResponse((response) => response.url().endsWith("/image-presets/clicked"));
  await block.locator(".execute").click();
  assert((await answer).ok(), `Swagger UI writes while signed in: ${(await answer).status()}`);
  await page.locator("header form button").click();
  assert((await page.locator("header form").count()) === 0, "signed out");
}

await tools.close(`${assets.length} images, ${zip.length} bytes downloaded by clicking`);
