// What people create: 30 files over a connection that is cut, a new export from a list of SKUs with a preview, a schedule in
// words, a delivery, presets, and a change of an asset.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

const FILES = 30;

/** Files with the bytes of the sample images, each with a name of its own. */
function prepareFiles(images) {
  const samples = readdirSync(images).filter((name) => /[.](png|jpe?g)$/i.test(name) && !name.includes("12 MP"));
  return Array.from({ length: FILES }, (_, index) => {
    const sample = samples[index % samples.length];
    const name = `sku-${String(index).padStart(2, "0")}${sample.slice(sample.lastIndexOf("."))}`;
    return { name, mimeType: "application/octet-stream", buffer: readFileSync(join(images, sample)) };
  });
}

async function uploadWithCuts({ page, url, call, assert, check, images, problems }) {
  await page.goto(`${url}/console/assets?folder=skus`);
  // Every fifth piece is lost on its way, and once the network is away for a while.
  let pieces = 0;
  let cuts = 0;
  await page.route("**/uploads/*", async (route) => {
    if (route.request().method() !== "PATCH") return route.continue();
    pieces += 1;
    if (pieces % 5 !== 0) return route.continue();
    cuts += 1;
    return route.abort("connectionreset");
  });
  await page.locator("#file").setInputFiles(prepareFiles(images));
  await page.locator("#upload button[type=submit]").click();
  await page.waitForFunction(() => document.querySelectorAll("#upload-list progress").length >= 10);
  await page.context().setOffline(true);
  await page.waitForTimeout(500);
  await page.context().setOffline(false);
  await page.waitForFunction((count) => document.querySelectorAll("#upload-list .done").length === count, FILES, { timeout: 120_000 });
  await check(page, "assets-uploaded");
  await page.unroute("**/uploads/*");
  // What was cut off here is no problem of the page.
  const isCut = (problem) => /net::ERR_(CONNECTION_RESET|INTERNET_DISCONNECTED|NETWORK_CHANGED)/.test(problem);
  problems.splice(0, problems.length, ...problems.filter((problem) => !isCut(problem)));
  assert(cuts > 2, `${cuts} pieces were cut off`);
  const { items } = await call("GET", "/assets?folder=skus&limit=100");
  assert(items.length === FILES, `${items.length} of ${FILES} files have arrived, each once`);
  const samples = new Map(prepareFiles(images).map(({ name, buffer }) => [name, buffer.length]));
  for (const { fileName, size } of items) assert(samples.get(fileName) === size, `${fileName} has ${size} bytes`);
  await page.locator("#upload-total a").click();
  assert((await page.locator("table.assets tbody tr").count()) === FILES, "the list shows them");
}

/** The handle of the job whose page was opened, once the job has ended and its page says so. */
async function waitForCreatedJob({ page, waitForJob }) {
  await page.waitForURL(/\/console\/jobs\//);
  const handle = new URL(page.url()).pathname.split("/").pop();
  const job = await waitForJob(handle);
  await page.waitForFunction(() => !document.querySelector("#job[data-progress]"));
  return job;
}

async function exportList(context) {
  const { page, url, assert, check } = context;
  await page.goto(`${url}/console/exports/new`);
  await page.locator("#source-list").check();
  await page.locator("#list").fill("sku-00\nsku-01\nno-such-sku\nsku-02\n");
  // What is typed is checked at once.
  await page.locator("#is_modifier").fill("widd=300");
  await page.locator("#live .failed").first().waitFor();
  await page.locator("#is_modifier").fill("wid=300&fmt=webp&qlt=80");
  await page.locator("#live .done").waitFor();
  await check(page, "new-export-list");
  await page.locator('button[value="preview"]').click();
  const mistakes = page.locator("#mistakes");
  await mistakes.waitFor();
  assert((await mistakes.innerText()).includes("Line 3"), `what is not found is told by its line: ${await mistakes.innerText()}`);
  assert((await page.evaluate(() => document.activeElement.id)) === "mistakes", "the summary of mistakes has the focus");
  await check(page, "new-export-mistakes");
  await page.locator('#mistakes a[href="#list"]').first().click();
  assert((await page.evaluate(() => document.activeElement.id)) === "list", "it leads to the field");
  await page.locator('input[name="skipMissing"]').check();
  await page.locator('button[value="preview"]').click();
  await page.locator(".previews img").first().waitFor();
  const images = page.locator(".previews img");
  assert((await images.count()) === 6, `three originals and their results: ${await images.count()}`);
  for (let index = 0; index < 6; index += 1) {
    const image = images.nth(index);
    await image.scrollIntoViewIfNeeded();
    await image.evaluate((shown) => shown.decode());
  }
  await check(page, "new-export-preview");
  await page.locator('button[value="create"]').click();
  const job = await waitForCreatedJob(context);
  assert(job.counts.total === 3, `three of four names: ${JSON.stringify(job.counts)}`);
}

async function scheduleInWords({ page, url, call, assert, check }) {
  await page.goto(`${url}/console/exports/new?folder=skus`);
  await page.locator("#fmt-orig").check();
  await page.locator("#when-repeat").check();
  assert(await page.locator("#words").isVisible(), "the words have a field now");
  await page.locator("#words").fill("every second friday at 10:00");
  await page.locator('button[value="create"]').click();
  await page.locator("#words-mistake").waitFor();
  await page.locator("#words").fill("every weekday at 02:30");
  await page.locator("#timeZone").fill("Europe/Amsterdam");
  await page.locator('button[value="validate"]').click();
  await page.locator("#trial").waitFor();
  assert((await page.locator("#trial").innerText()).includes("0 30 2 ? * MON-FRI"), "the words are understood");
  await check(page, "new-export-schedule");
  await page.locator('button[value="create"]').click();
  await page.waitForURL(/schedules/);
  const { items } = await call("GET", "/export-schedules");
  const found = items.find((schedule) => schedule.execSchedule === "0 30 2 ? * MON-FRI" && schedule.timeZone === "Europe/Amsterdam");
  assert(found, "the schedule is there");
  await call("DELETE", `/export-schedules/${found.scheduleHandle}`);
}

async function deliver(context) {
  const { page, url, call, assert } = context;
  const { items: connections } = await call("GET", "/connections");
  const connection = connections.find((one) => one.canWrite);
  assert(connection, "the service has a connection that can be written");
  await page.goto(`${url}/console/exports/new?folder=skus`);
  await page.locator("#search").fill("sku-0");
  await page.locator("#fmt-orig").check();
  await page.locator("details", { has: page.locator("#connection") }).locator("summary").click();
  await page.locator("#connection").selectOption(connection.name);
  await page.locator("#prefix").fill("by-console");
  await page.locator('button[value="create"]').click();
  const job = await waitForCreatedJob(context);
  assert(job.deliverTo[0].counts.delivered === 10, `ten files are delivered: ${JSON.stringify(job.deliverTo)}`);
}

async function editPreset({ page, url, call, assert, check }) {
  await page.goto(`${url}/console/presets`);
  await page.locator("#name").fill("by-console");
  await page.locator("#urlModifier").fill("wid=200&fmt=png");
  await page.locator("#live .done").waitFor();
  await page.locator("#result").evaluate((image) => image.decode());
  await check(page, "presets-new");
  await page.locator('button[value="save"]').click();
  await page.waitForURL(/presets\/by-console/);
  assert((await call("GET", "/image-presets/by-console")).urlModifier === "wid=200&fmt=png", "the preset is saved");
  await page.goto(`${url}/console/presets`);
  const file = { name: "presets.tab", mimeType: "text/plain", buffer: Buffer.from("Name\tDefinition\nimported\twid=90\nwrong\twidd=90\n") };
  await page.locator("#import").setInputFiles(file);
  await page.locator('button[value="import"]').click();
  await page.locator("#report").waitFor();
  await check(page, "presets-imported");
  assert((await page.locator("#report tbody tr").count()) === 2, "the report has both");
}

/** An asset is looked at, changed and replaced with the keyboard. */
async function changeAsset({ page, url, call, assert, images, shared }) {
  const { items } = await call("GET", "/assets?folder=skus&name=sku-05");
  shared.sku = items[0].assetHandle;
  await page.goto(`${url}/console/assets/${items[0].assetHandle}`);
  await page.locator("#metadata").fill("order: A-1042");
  await page.locator("#metadata").press("Tab");
  await page.locator("form", { has: page.locator("#metadata") }).locator("button[type=submit]").focus();
  await page.keyboard.press("Enter");
  await page.locator("#message").waitFor();
  const changed = await call("GET", `/assets/${items[0].assetHandle}`);
  assert(changed.metadata.order === "A-1042", "the metadata is saved");
  const other = prepareFiles(images)[1];
  await page.locator("#file").setInputFiles(other);
  await page.locator("form", { has: page.locator("#file") }).locator("button[type=submit]").click();
  await page.locator("#message").waitFor();
  assert((await call("GET", `/assets/${items[0].assetHandle}`)).size === other.buffer.length, "the file is replaced");
}

export const steps = [
  ["upload 30 files over a connection that is cut", uploadWithCuts],
  ["export a pasted list of SKUs with a preview", exportList],
  ["make a schedule of words", scheduleInWords],
  ["deliver", deliver],
  ["edit and import presets", editPreset],
  ["change and replace an asset", changeAsset],
];

export const pages = ({ shared }) => [
  ["/console/exports/new", "new-export"],
  ["/console/assets?folder=skus", "assets"],
  [`/console/assets/${shared.sku}`, "asset"],
  ["/console/presets", "presets"],
  ["/console/presets/by-console", "preset"],
];
