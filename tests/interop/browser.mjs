// What the scripts that click through pages share: Chromium whose errors are collected, axe-core, and the API. They run where
// playwright-core and axe-core are installed.
import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
const require = createRequire(process.cwd() + "/");
const { chromium } = require("playwright-core");
const axeSource = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

export const phone = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

export function assert(condition, message) {
  if (!condition) throw new Error(message);
}

/** A browser at a service, and what happens there that must not. */
export async function openBrowser({ url, executablePath, screenshots, key, provider }) {
  mkdirSync(screenshots, { recursive: true });
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
  const problems = [];
  let pagesChecked = 0;

  /** A window whose errors are collected. */
  async function openWindow(options = {}) {
    const context = await browser.newContext({ acceptDownloads: true, locale: "en-GB", ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    // A page with an error status is an error of the console, too.
    const isExpected = (text) => /^Failed to load resource: the server responded with a status of 4\d\d/.test(text);
    page.on("console", (message) => message.type() === "error" && !isExpected(message.text()) && problems.push(`${page.url()}: ${message.text()}`));
    page.on("pageerror", (error) => problems.push(`${page.url()}: ${error}`));
    page.on("request", (request) => {
      const isOwn = [url, provider].some((origin) => origin && request.url().startsWith(`${origin}/`));
      if (!/^(data|blob):/.test(request.url()) && !isOwn) problems.push(`${page.url()} asks ${request.url()}`);
    });
    return page;
  }

  /** What holds for every page: axe-core in both themes, and no sideways scrolling on the narrowest screen. */
  async function check(page, name) {
    const size = page.viewportSize();
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await page.evaluate(axeSource);
      const { violations } = await page.evaluate(() => axe.run(document, { preload: false }));
      for (const { id, nodes } of violations) problems.push(`${name} (${colorScheme}): axe ${id}: ${nodes.map((node) => node.html).join(" ")}`);
      if (name) await page.screenshot({ path: join(screenshots, `${name}-${colorScheme}.png`) });
    }
    await page.emulateMedia({ colorScheme: "light" });
    await page.setViewportSize({ width: 320, height: 640 });
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert(width <= 320, `${name || page.url()} is ${width} pixels wide on a screen of 320`);
    await page.setViewportSize(size);
    pagesChecked += 1;
  }

  const authorization = key ? { authorization: `Bearer ${key}` } : {};
  async function call(method, path, body) {
    const isJson = body && !(body instanceof FormData) && !(body instanceof Uint8Array);
    const headers = { ...authorization, ...(isJson ? { "content-type": "application/json" } : {}) };
    const response = await fetch(url + path, { method, headers, body: isJson ? JSON.stringify(body) : body });
    assert(response.ok, `${method} ${path}: ${response.status} ${await response.clone().text()}`);
    return response.status === 204 ? null : response.json();
  }

  /** Ends the program: with an error when something happened that must not. */
  async function close(summary) {
    await browser.close();
    console.log(`Pages: ${pagesChecked} pages in two themes; ${summary}`);
    if (problems.length) {
      console.error(problems.join("\n"));
      process.exit(1);
    }
  }

  return { url, key, screenshots, openWindow, check, call, close, problems };
}
