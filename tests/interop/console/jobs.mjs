// Jobs: watch one live, retry a failed item after its source was replaced, change several at once.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** Uploads the images, the first once more cut off; their handles, the broken one last. */
async function uploadImages({ call, images, shared }) {
  const form = new FormData();
  form.append("folder", "spring/shoes");
  // Not the largest: on a busy machine its renders take longer than they may.
  const names = readdirSync(images).filter((name) => !name.includes("12 MP"));
  for (const name of names) form.append("file", new Blob([readFileSync(join(images, name))]), name);
  shared.whole = readFileSync(join(images, names[0]));
  form.append("file", new Blob([shared.whole.subarray(0, 2000)]), "broken.png");
  const { assets } = await call("POST", "/assets", form);
  shared.assets = assets.map((asset) => asset.assetHandle);
}

/** A job that waits until it is started, of images in sizes of its own: nothing is in the cache. */
async function planJob({ call, shared }, jobName, assets = shared.assets) {
  const renditions = Array.from({ length: 6 }, (_, index) => ({ name: `r${index}`, is_modifier: `wid=${1400 + index + (Date.now() % 97)}&fmt=png` }));
  return call("POST", "/export-jobs", { assetHandleArray: assets, fmt: "convert", renditions, jobName, metadata: { order: "A-1042" }, execTime: "2099-01-01T00:00:00Z" });
}

async function watchJob(context) {
  const { page, url, assert, shared, screenshots } = context;
  await uploadImages(context);
  const job = await planJob(context, "Spring catalogue");
  shared.job = job.jobHandle;
  await page.goto(`${url}/console/jobs`);
  await page.getByRole("link", { name: "Spring catalogue" }).click();
  await page.waitForURL(`${url}/console/jobs/${job.jobHandle}`);
  const list = await context.openConsole();
  await list.goto(`${url}/console/jobs`);
  const log = await context.openConsole();
  await log.goto(`${url}/console/jobs/${job.jobHandle}/log`);
  const events = await log.locator("#log tr").count();
  await page.locator("#do-run").click();
  await page.locator("#message").waitFor();
  const focused = await page.evaluate(() => document.activeElement.id);
  assert(focused === "message", `after a form the focus is at its message: ${focused}`);
  const percents = new Set();
  const inList = new Set();
  while (await page.locator("#job[data-progress]").count()) {
    percents.add(await page.locator("#progress").evaluate((bar) => bar.value).catch(() => null));
    inList.add(await list.locator(`#job-${job.jobHandle} [data-numbers]`).innerText().catch(() => null));
    await page.screenshot({ path: join(screenshots, "job-running-light.png") }).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert(percents.size >= 3, `the progress moves: ${[...percents]}`);
  assert(inList.size >= 2, `in the list, too: ${[...inList]}`);
  await log.waitForFunction((before) => document.querySelectorAll("#log tr").length > before + 3, events);
  await list.waitForFunction((row) => !document.querySelector(`#${row} progress`), `job-${job.jobHandle}`);
  await log.context().close();
  await list.context().close();
}

async function readFailure({ page, url, assert, shared, screenshots }) {
  await page.goto(`${url}/console/jobs/${shared.job}?state=failed`);
  const row = page.locator("#items tbody tr");
  assert((await row.count()) === 1 && (await row.innerText()).includes("broken"), "the filter leaves the failed item");
  assert((await row.locator(".failure").innerText()).includes("truncated"), "the failure has its code");
  await row.locator("details summary").click();
  assert((await row.locator("details ol li").count()) >= 1, "and its attempts");
  await page.goto(`${url}/console/jobs/${shared.job}`);
  for (const image of await page.locator("#items .picture img").all()) {
    await image.scrollIntoViewIfNeeded();
    // That of the broken source cannot be made.
    await image.evaluate((image) => image.decode().catch(() => {}));
  }
  await page.emulateMedia({ colorScheme: "dark" });
  await page.locator(".tabs").evaluate((tabs) => scrollTo(0, tabs.getBoundingClientRect().top + scrollY));
  await page.screenshot({ path: join(screenshots, "job-items-dark.png") });
  await page.emulateMedia({ colorScheme: "light" });
  const shown = await page.locator("#items .picture img").evaluateAll((images) => images.filter((image) => image.naturalWidth > 0).length);
  assert(shown >= 2, `sources and results are pictures: ${shown}`);
}

async function retryJob({ page, url, call, assert, shared, waitForJob }) {
  await call("PUT", `/assets/${shared.assets.at(-1)}/content`, new Uint8Array(shared.whole));
  await page.goto(`${url}/console/jobs/${shared.job}`);
  await page.locator("summary", { hasText: "Retry what failed" }).click();
  await page.locator("#do-retry").click();
  await page.locator("#message").waitFor();
  const job = await waitForJob(shared.job);
  // The page finds that out by itself.
  await page.locator("#job:not([data-progress])").waitFor();
  assert(job.outcome.startsWith("succeeded") && job.counts.failed === 0, `nothing fails any more: ${JSON.stringify(job.counts)}`);
  await page.goto(`${url}/console/jobs/${shared.job}/files`);
  const saved = page.waitForEvent("download");
  await page.locator("a.button[download]").click();
  const zip = readFileSync(await (await saved).path());
  assert(zip.subarray(0, 2).toString() === "PK", "the zip can be downloaded");
}

async function changeSeveral(context) {
  const { page, url, call, assert, shared } = context;
  const jobs = [];
  for (const name of ["Batch one", "Batch two", "Batch three"]) jobs.push((await planJob(context, name, shared.assets.slice(0, 1))).jobHandle);
  await page.goto(`${url}/console/jobs`);
  await page.locator("summary", { hasText: "Filters" }).click();
  await page.locator("#name").fill("Batch");
  await page.locator("#metadata").fill("order:A-1042");
  await page.getByRole("button", { name: "Apply" }).click();
  assert((await page.locator("#count").innerText()) === "3 jobs", "the filters count");
  await page.locator("#select-all").check();
  await page.getByRole("button", { name: "Stop" }).click();
  const message = await page.locator("#message").innerText();
  assert(message.includes("3 jobs are being stopped."), message);
  assert(new URL(page.url()).searchParams.get("name") === "Batch", "the filters stay");
  for (const job of jobs) assert((await context.waitForJob(job)).outcome === "stopped", "they are stopped");
  await page.reload();
  await page.locator("#select-all").check();
  await page.getByRole("button", { name: "Delete" }).click();
  assert((await page.locator("h1").innerText()) === "Delete jobs", "somebody asks before");
  await context.check(page, "");
  await page.getByRole("button", { name: "Delete" }).click();
  assert((await page.locator("#message").innerText()).includes("3 jobs were deleted."), "they are gone");
  const gone = await page.request.get(`${url}/export-jobs/${jobs[0]}`);
  assert(gone.status() === 404, `for programs, too: ${gone.status()}`);
  // Nothing selected; and a filter that cannot be.
  await page.goto(`${url}/console/jobs`);
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  assert((await page.locator("#message").innerText()).includes("Select at least one job."), "nothing is selected");
  await page.goto(`${url}/console/jobs?metadata=nonsense`);
  assert((await page.locator("[role=alert]").innerText()).includes("order:A-1042"), "a mistake is told");
  await context.check(page, "");
  await call("GET", "/export-jobs");
}

async function pauseUpdates({ page, url, assert }) {
  await page.goto(`${url}/console/jobs`);
  const button = page.locator("#pause-updates");
  await button.click();
  assert((await button.getAttribute("aria-pressed")) === "true", "paused");
  await page.reload();
  assert((await button.getAttribute("aria-pressed")) === "true", "still paused");
  await button.click();
  assert((await button.getAttribute("aria-pressed")) === "false", "goes on");
}

async function useKeyboard(context) {
  const { page, url, assert } = context;
  await page.goto(`${url}/console/jobs`);
  await page.keyboard.press("Tab");
  assert((await page.evaluate(() => document.activeElement.className)) === "skip", "the first stop skips to the content");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  const inside = await page.evaluate(() => document.getElementById("content").contains(document.activeElement));
  assert(inside, "the next stop is in the content");
}

/** Without scripts each button is a form, too. */
async function workWithoutScripts(context) {
  const { url, assert, call, shared } = context;
  const page = await context.openConsole({ javaScriptEnabled: false });
  const { jobHandle } = await planJob(context, "Without scripts", shared.assets.slice(0, 1));
  await page.goto(`${url}/console/jobs/${jobHandle}`);
  await page.locator("#do-pause").click();
  assert((await page.locator("#message").innerText()).includes("The job was paused."), "paused");
  assert((await call("GET", `/export-jobs/${jobHandle}`)).state === "paused", "for programs, too");
  await page.locator("#do-stop").click();
  await context.waitForJob(jobHandle);
  await page.context().close();
}

export const steps = [
  ["watch a job live", watchJob],
  ["read why an item failed", readFailure],
  ["retry a failed item after replacing its source", retryJob],
  ["filter, stop and delete several jobs", changeSeveral],
  ["pause updates", pauseUpdates],
  ["keyboard", useKeyboard],
  ["without scripts", workWithoutScripts],
];

export const pages = ({ shared }) => [
  ["/console/jobs", "jobs"],
  [`/console/jobs/${shared.job}`, "job"],
  [`/console/jobs/${shared.job}/files`, ""],
  [`/console/jobs/${shared.job}/log`, "job-log"],
  [`/console/jobs/${shared.job}/request`, ""],
  [`/console/jobs/${shared.job}/deliveries`, ""],
];
