// The console as people use it, in Chromium. Each file of console/ has a table of steps and a table of pages: the steps run in
// their order, then every page is opened with scripts, without them, and in Dutch; axe-core looks at it in both themes, and it
// must fit a screen of 320 pixels. No console error, no violation of the policy, no request to another host.
// console.mjs URL CHROMIUM IMAGES SCREENSHOTS [KEY]; runs where playwright-core and axe-core are installed.
import { readdirSync } from "node:fs";
import { assert, openBrowser } from "./browser.mjs";
const [url, executablePath, images, screenshots, key] = process.argv.slice(2);
const tools = await openBrowser({ url, executablePath, screenshots, key });
const desktop = { viewport: { width: 1100, height: 700 } };

/** Signs a window in; in open mode there is nothing to sign in to. */
async function signIn(page, withKey = key) {
  if (!withKey) return;
  await page.goto(url + "/console/jobs");
  assert(new URL(page.url()).pathname === "/sign-in", `whoever is not signed in is led there: ${page.url()}`);
  await page.locator("#key").fill(withKey);
  await page.locator("form", { has: page.locator("#key") }).locator("button").click();
  await page.waitForURL(`${url}/console/jobs`);
}

async function openConsole(options = {}) {
  const page = await tools.openWindow({ ...desktop, ...options });
  await signIn(page);
  return page;
}

/** Waits until a job has ended; the job. */
async function waitForJob(job) {
  for (;;) {
    const shown = await tools.call("GET", `/export-jobs/${job}?wait=20`);
    if (shown.state === "finished") return shown;
  }
}

const page = await openConsole();
const context = { ...tools, assert, images, page, desktop, openConsole, signIn, waitForJob, shared: {} };
const folder = new URL("console/", import.meta.url);
const parts = [];
for (const name of readdirSync(folder).filter((name) => name.endsWith(".mjs")).sort()) parts.push(await import(new URL(name, folder)));

let stepsDone = 0;
for (const { steps } of parts) {
  for (const [name, run] of steps) {
    try {
      await run(context);
    } catch (error) {
      await page.screenshot({ path: `${screenshots}/step-failed.png` }).catch(() => {});
      throw new Error(`Step "${name}" at ${page.url()}: ${error.stack}`);
    }
    stepsDone += 1;
  }
}

const withoutScripts = await openConsole({ javaScriptEnabled: false });
const dutch = await openConsole({ locale: "nl-NL" });
for (const { pages } of parts) {
  for (const [path, name] of pages(context)) {
    for (const window of [page, withoutScripts, dutch]) {
      const response = await window.goto(url + path);
      assert(response.status() === 200, `${path}: ${response.status()}`);
      assert((await window.locator("h1").count()) === 1 && (await window.locator(".sections a[aria-current]").count()) === 1, `${path} is a page of the console`);
    }
    assert((await dutch.evaluate(() => document.documentElement.lang)) === "nl", `${path} in Dutch`);
    await tools.check(page, name);
    await tools.check(dutch, "");
  }
}
await tools.close(`${stepsDone} steps`);
