// The first steps of an integrator, by clicking in Swagger UI: authorize, upload, create a job, wait until it is done,
// download. swagger_ui.mjs URL CHROMIUM IMAGE [KEY]; runs where playwright-core is installed.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
const { chromium } = createRequire(process.cwd() + "/")("playwright-core");
const [url, executablePath, image, key] = process.argv.slice(2);

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const page = await browser.newPage({ acceptDownloads: true });
page.setDefaultTimeout(20_000);
const errors = [], foreignRequests = [];
page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
page.on("pageerror", (error) => errors.push(String(error)));
page.on("request", (request) => {
  if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(url)) foreignRequests.push(request.url());
});

function assert(condition, message) {
  if (!condition) throw new Error(message);
}

/** Opens an operation and makes its fields editable. */
async function open(method, path) {
  const block = page.locator(`.opblock-${method}`).filter({ has: page.locator(`[data-path="${path}"]`) });
  await block.locator(".opblock-summary-control").click();
  const button = block.locator(".try-out__btn:not(.cancel)");
  await block.locator(".opblock-body").waitFor();
  if (await button.count()) await button.click();
  return block;
}

/** Presses Execute and waits for a response with this status. */
async function execute(block, status) {
  const pending = page.waitForResponse((response) => response.url().startsWith(url));
  await block.locator(".execute").click();
  const response = await pending;
  const operation = `${response.request().method()} ${response.url()}`;
  assert(response.status() === status, `${operation}: ${response.status()}, not ${status}: ${await response.text().catch(String)}`);
  await block.locator(".live-responses-table .response-col_status").first().waitFor();
}

async function body(block) {
  return JSON.parse(await block.locator(".live-responses-table .highlight-code code").first().innerText());
}

await page.goto(url + "/swagger-ui/");
await page.waitForSelector(".opblock");
const operations = await page.locator(".opblock").count();

if (key) {
  await page.locator(".auth-wrapper .btn.authorize").click();
  await page.locator(".dialog-ux input").first().fill(key);
  await page.locator(".dialog-ux .btn.authorize").click();
  await page.locator(".dialog-ux .btn-done").click();
}

const upload = await open("post", "/assets");
await upload.locator("input[type=file]").first().setInputFiles(image);
for (const empty of await upload.locator(".parameter__empty_value_toggle input").all()) {
  if (await empty.isChecked()) await empty.uncheck();
}
await execute(upload, 201);
const asset = (await body(upload)).assets[0];
assert(asset.size === readFileSync(image).length, "the asset and the image differ in size");

const create = await open("post", "/export-jobs");
// What Swagger UI fills in must work as it stands.
await execute(create, 202);
const exportRequest = { assetHandleArray: [asset.assetHandle], fmt: "convert", is_modifier: "wid=40&fmt=png", jobName: "clicked" };
await create.locator("textarea.body-param__text").fill(JSON.stringify(exportRequest));
await execute(create, 202);
const { jobHandle } = await body(create);

const show = await open("get", "/export-jobs/{jobHandle}");
await show.locator('tr[data-param-name="jobHandle"] input').fill(jobHandle);
await show.locator('tr[data-param-name="wait"] input').fill("20");
let job;
do {
  await execute(show, 200);
  job = await body(show);
} while (job.state !== "finished");
assert(job.outcome.startsWith("succeeded"), `the job ended as ${job.outcome}`);

const fetch = await open("get", "/export-jobs/{jobHandle}/download");
await fetch.locator('tr[data-param-name="jobHandle"] input').fill(jobHandle);
await execute(fetch, 200);
const saved = page.waitForEvent("download");
await fetch.locator('.live-responses-table a[download], .live-responses-table .download-contents').first().click();
const file = readFileSync(await (await saved).path());
assert(file.subarray(1, 4).toString() === "PNG", "the downloaded file is not a PNG");

await browser.close();
console.log(`Swagger UI: ${operations} operations; uploaded, exported, watched and downloaded ${file.length} bytes by clicking`);
if (errors.length || foreignRequests.length) {
  console.error("errors on the page:", errors, "requests to other hosts:", foreignRequests);
  process.exit(1);
}
